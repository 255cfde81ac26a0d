"""Embeddings in TensorBoard's projector."""

import numpy as np
import pytest
from small_images import CLASSES, IMAGES

from epochal.callbacks import TensorBoard
from epochal.layers import Conv2D, Dense, Embedding, Flatten, GlobalAveragePooling1D
from epochal.models import Sequential

# Embeddings

WORDS = np.random.default_rng(3).integers(0, 6, (16, 4))


def embed(callback, epochs=1):
    model = Sequential([Embedding(6, 3, input_length=4, name="words"), GlobalAveragePooling1D(), Dense(2)])
    model.compile(loss="mse")
    model.fit(WORDS, np.zeros((16, 2), np.float32), epochs=epochs, verbose=0, callbacks=[callback])
    return model


def test_embeddings_are_saved_every_n_epochs(tmp_path):
    class Saved(TensorBoard):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            self.writer.put(lambda: None).wait()
            tables.append((self.model.get_weights()[0], np.loadtxt(tmp_path / "projector/words.tsv", np.float32)))

    tables = []
    embed(Saved(tmp_path, embeddings_freq=2), epochs=4)
    for epoch, (_, written) in enumerate(tables):
        np.testing.assert_array_equal(written, tables[epoch // 2 * 2][0])
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_name: "words"' in config
    assert 'tensor_path: "projector/words.tsv"' in config


@pytest.mark.parametrize("inside", [True, False])
def test_labels_are_where_tensorboard_may_read_them(tmp_path, inside):
    logs = tmp_path / "logs"
    labels = (logs if inside else tmp_path) / "labels.tsv"
    labels.parent.mkdir(exist_ok=True)
    labels.write_text("word\tcount\n" + "".join(f"w{n}\t{n}\n" for n in range(6)))
    embed(TensorBoard(logs, embeddings_freq=1, embeddings_metadata={"words": "labels.tsv" if inside else labels}))
    path = "labels.tsv" if inside else "projector/words.metadata.tsv"
    assert f'metadata_path: "{path}"' in (logs / "projector_config.pbtxt").read_text()
    assert (logs / path).read_text() == labels.read_text()


def test_any_layer_may_be_named(tmp_path):
    embed(TensorBoard(tmp_path, embeddings_freq=1, embeddings_layer_names=["dense", "words"]))
    assert sorted(path.name for path in (tmp_path / "projector").iterdir()) == ["dense.tsv", "words.tsv"]


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"embeddings_layer_names": ["wrods"]}, "unknown layer in embeddings_layer_names: 'wrods'.*mean 'words'"),
        ({"embeddings_layer_names": ["global_average_pooling1d"]}, "'global_average_pooling1d' has none"),
        ({"embeddings_metadata": {"dense": "a.tsv"}}, "unknown layer in embeddings_metadata: 'dense'. Known: words"),
        ({"embeddings_metadata": "gone.tsv"}, "there is no file .*gone.tsv"),
        ({"embeddings_metadata": "five.tsv"}, "five.tsv has labels for 5 rows; 'words' has 6"),
        ({"embeddings_metadata": {"words": "table.tsv"}}, "table.tsv has labels for 5 rows; 'words' has 6"),
    ],
)
def test_embeddings_that_cannot_be_shown(tmp_path, arguments, error):
    (tmp_path / "five.tsv").write_text("a\nb\nc\nd\ne\n")
    (tmp_path / "table.tsv").write_text("word\tcount\n" + "a\t1\n" * 5)
    with pytest.raises(ValueError, match=error):
        embed(TensorBoard(tmp_path, embeddings_freq=1, **arguments))
    assert not (tmp_path / "train").exists()


def test_embeddings_need_an_embedding(tmp_path):
    model = Sequential([Conv2D(2, 3, input_shape=(6, 6, 2)), Flatten(), Dense(3)])
    model.compile(loss="mse")
    for names, error in ((None, "needs an Embedding layer, or embeddings_layer_names from: conv2d, flatten, dense"),
                         (["conv2d"], r"a matrix; 'conv2d' has one of shape \(3, 3, 2, 2\)")):  # fmt: skip
        callback = TensorBoard(tmp_path, embeddings_freq=1, embeddings_layer_names=names)
        with pytest.raises(ValueError, match=error):
            model.fit(IMAGES, CLASSES, verbose=0, callbacks=[callback])
