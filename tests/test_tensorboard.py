"""What the TensorBoard callback logs, and when."""

import io
import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from event_reading import accumulator, scalars, tensors
from flax import nnx
from interrupted import Fails, Stop
from numpy_engine import Model as NumpyModel
from numpy_engine import Recorder, X, Y, fit, make_run
from PIL import Image
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.proto.graph_pb2 import GraphDef

from epochal.callbacks import BackupAndRestore, Callback, CallbackList, Every, ReduceLROnPlateau, TensorBoard
from epochal.core import loop
from epochal.core.layer_node import LayerNode
from epochal.data.array_data import ArrayData
from epochal.layers import BatchNormalization, Conv2D, Dense, Dropout, Embedding, Flatten, GlobalAveragePooling1D
from epochal.models import Model, Sequential
from epochal.optimizers import SGD
from epochal.tensorboard.histograms import Histogram

TESTS = Path(__file__).parent


def float32(values):
    return [float(np.float32(value)) for value in values]


def by_step(values, first=0):
    return dict(enumerate(float32(values), first))


# Scalars


def test_epoch_scalars_are_the_history_under_the_same_tags(tmp_path):
    validation = ArrayData(X[:6], Y[:6], batch_size=4)
    history = fit([TensorBoard(tmp_path)], epochs=3, validation=validation).history
    names = {"epoch_loss": "loss", "epoch_error": "error"}
    training, validated = scalars(tmp_path / "train"), scalars(tmp_path / "validation")
    assert training == {tag: by_step(history[name]) for tag, name in names.items()} | {"epoch_lr": by_step([0.1] * 3)}
    assert validated == {tag: by_step(history[f"val_{name}"]) for tag, name in names.items()}


def test_the_multiplexer_finds_both_runs(tmp_path):
    fit([TensorBoard(tmp_path)], validation=ArrayData(X, Y, batch_size=4))
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    assert sorted(multiplexer.Runs()) == ["train", "validation"]
    assert [event.step for event in multiplexer.Tensors("validation", "epoch_loss")] == [0, 1]


@pytest.mark.parametrize(("freq", "every"), [("batch", 1), (1, 1), (4, 4), (Every(2, "batch"), 2)])
def test_batch_scalars_are_the_batches_own(tmp_path, spans_of, freq, every):
    spans_of(100)
    seen = Recorder(replay=True)
    run = make_run([TensorBoard(tmp_path, update_freq=freq), seen], epochs=3)
    loop.fit(run)
    losses = [logs["loss"] for logs in seen.logs("on_train_batch_end")]
    logged = {step: value for step, value in by_step(losses, 1).items() if step % every == 0}
    assert scalars(tmp_path / "train")["batch_loss"] == logged
    assert run.engine.spans == [2, 1] * 3  # no span for it: the batches of one size run together


def test_without_update_freq_batches_cost_nothing(tmp_path, spans_of):
    spans_of(100)
    run = make_run([TensorBoard(tmp_path)])
    loop.fit(run)
    assert run.engine.spans == [2, 1] * 2
    assert not run.training._wakes.replays
    assert "batch_loss" not in scalars(tmp_path / "train")


def test_what_callbacks_add_is_logged_if_it_is_a_number(tmp_path):
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs.update(lr=0.25, note="warm", array=np.float32(1.5), count=2)

    fit([TensorBoard(tmp_path), Adds()], epochs=1)
    logged = scalars(tmp_path / "train")
    assert {tag: logged[tag][0] for tag in logged if tag not in ("epoch_loss", "epoch_error")} == {
        "epoch_lr": 0.25,
        "epoch_array": 1.5,
        "epoch_count": 2,
    }


def test_an_epoch_has_the_rate_it_ran_with(tmp_path):
    reduce = ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    fit([TensorBoard(tmp_path), reduce], epochs=3)
    assert scalars(tmp_path / "train")["epoch_lr"] == by_step([0.1, 0.1, 0.05])


def test_a_schedules_rate_is_logged(tmp_path):
    model = Sequential([Dense(1, input_dim=2)])
    model.compile(loss="mse", optimizer=SGD(lambda step: 0.5 / (1 + step)))
    model.fit(X, Y, batch_size=5, epochs=2, verbose=0, callbacks=[TensorBoard(tmp_path)])
    assert scalars(tmp_path / "train")["epoch_lr"] == by_step([0.5 / 2, 0.5 / 4])  # of steps 1 and 3


def test_a_loop_of_ones_own_logs_too(tmp_path):
    with CallbackList([TensorBoard(tmp_path)], epochs=2) as callbacks:
        callbacks.on_train_begin()
        for epoch in range(2):
            callbacks.on_epoch_begin(epoch)
            for batch in range(3):
                callbacks.on_train_batch_begin(batch, {"size": 1})
                callbacks.on_train_batch_end(batch, {"loss": float(batch), "size": 1})
            callbacks.on_epoch_end(epoch)
        callbacks.on_train_end()
    assert scalars(tmp_path / "train") == {"epoch_loss": {0: 1.0, 1: 1.0}}


# Everything else, of one fit


class Watched(TensorBoard):
    """Keeps the model's weights as they were at each epoch's end, when they were logged."""

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        self.weights.append(self.model.named_weights())


IMAGES = np.random.default_rng(1).normal(size=(50, 6, 6, 2)).astype(np.float32)
CLASSES = np.eye(3, dtype=np.float32)[np.random.default_rng(1).integers(0, 3, 50)]


@pytest.fixture(scope="module")
def convolutional(tmp_path_factory):
    """Return a fit of which everything was logged: its model, its callback and the folder."""
    folder = tmp_path_factory.mktemp("logs")
    layers = [Conv2D(4, 3, activation="relu", input_shape=(6, 6, 2)), BatchNormalization(), Flatten(), Dropout(0.5)]
    model = Sequential([*layers, Dense(3, activation="softmax")], name="net")
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    callback = Watched(folder, histogram_freq=2, batch_size=7, write_grads=True, write_images=True)
    model.fit(IMAGES, CLASSES, epochs=3, verbose=0, validation_split=0.4, callbacks=[callback])
    return model, callback, folder


def test_histograms_have_every_weight(convolutional):
    _, callback, folder = convolutional
    logged = tensors(folder / "train")
    for name, weight in callback.weights[2].items():
        assert sorted(logged[name]) == [0, 2]
        np.testing.assert_array_equal(logged[name][2], Histogram.of(weight).buckets())
        assert logged[name][2][:, 2].sum() == weight.size


def test_activations_are_of_every_layer_on_all_validation_data(convolutional):
    _, _, folder = convolutional
    logged = tensors(folder / "train")
    sizes = {"conv2d": 4 * 4 * 4, "batch_normalization": 64, "flatten": 64, "dropout": 64, "dense": 3}
    for layer, size in sizes.items():
        assert sorted(logged[f"{layer}_out"]) == [0, 2]
        assert logged[f"{layer}_out"][0][:, 2].sum() == 20 * size


def test_gradients_are_of_trainable_weights(convolutional):
    _, _, folder = convolutional
    logged = {tag.removesuffix("_grad") for tag in tensors(folder / "train") if tag.endswith("_grad")}
    trainable = ["conv2d/kernel", "conv2d/bias", "batch_normalization/gamma", "batch_normalization/beta"]
    assert logged == {*trainable, "dense/kernel", "dense/bias"}


def test_images_show_every_weight(convolutional):
    _, callback, folder = convolutional
    logged = tensors(folder / "train")
    for name in callback.weights[0]:
        assert sorted(logged[f"{name}/image"]) == [0, 2]
    width, height, *filters = logged["conv2d/kernel/image"][2]
    assert (int(width), int(height), len(filters)) == (6, 3, 4)
    image = np.asarray(Image.open(io.BytesIO(filters[0])))
    left = callback.weights[2]["conv2d/kernel"][:, :, 0, 0]
    assert image.shape == (3, 6)
    assert (np.argsort(image[:, :3].ravel()) == np.argsort(left.ravel())).all() or len(set(image[:, :3].ravel())) < 9


def test_the_graph_is_logged_once(convolutional):
    _, _, folder = convolutional
    graph = GraphDef.FromString(accumulator(folder / "train")._graph)
    names = ["input_layer", "conv2d", "batch_normalization", "flatten", "dropout", "dense"]
    assert [node.name for node in graph.node] == names
    assert [list(node.input) for node in graph.node] == [[], *([name] for name in names[:-1])]
    shapes = [[dim.size for dim in node.attr["_output_shapes"].list.shape[0].dim] for node in graph.node]
    assert shapes == [[-1, 6, 6, 2], [-1, 4, 4, 4], [-1, 4, 4, 4], [-1, 64], [-1, 64], [-1, 3]]
    assert list(tensors(folder / "train")["keras"]) == [0]


def test_activations_and_gradients_equal_those_computed_with_jax():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(23, 4)).astype(np.float32), rng.normal(size=(23, 2)).astype(np.float32)
    weight = rng.random(23).astype(np.float32)
    model = Sequential([Dense(5, activation="tanh", input_dim=4), Dense(2)])
    model.compile(loss="mse", optimizer="sgd")
    model.fit(x, y, epochs=2, verbose=0)
    params = [jnp.asarray(w) for w in model.get_weights()]

    def forward(params):
        hidden = jnp.tanh(x @ params[0] + params[1])
        return hidden, hidden @ params[2] + params[3]

    def loss(params):
        return (weight * ((forward(params)[1] - y) ** 2).mean(axis=1)).sum() / len(x)

    batches = list(model.activations(x, batch_size=10))
    assert [len(batch["dense"]) for batch in batches] == [10, 10, 3]
    for name, expected in zip(("dense", "dense_1"), forward(params), strict=True):
        np.testing.assert_allclose(np.concatenate([b[name] for b in batches]), expected, rtol=1e-5, atol=1e-6)
    found = [g for layer in model.gradients(x, y, weight, batch_size=10).values() for g in layer.values()]
    for gradient, expected in zip(found, jax.grad(loss)(params), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_looking_into_a_model_is_in_inference_mode_and_changes_nothing():
    model = Sequential([Dense(8, input_dim=2), BatchNormalization(), Dropout(0.5), Dense(1)])
    model.compile(loss="mse")
    model.fit(X, Y, verbose=0)
    before = model.get_weights()
    (first,), (second,) = model.activations(X), model.activations(X)
    np.testing.assert_array_equal(first["dropout"], first["batch_normalization"])
    np.testing.assert_array_equal(first["dense_1"], second["dense_1"])
    np.testing.assert_allclose(first["dense_1"], model.predict(X), rtol=1e-5)
    model.gradients(X, Y)
    for weight, same in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


def test_a_plain_module_is_one_layer(tmp_path):
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.hidden, self.out = nnx.Linear(2, 3, rngs=rngs), nnx.Linear(3, 1, rngs=rngs)

        def __call__(self, x):
            return self.out(nnx.relu(self.hidden(x)))

    model = Model(Net(nnx.Rngs(0)))
    model.compile(loss="mse")
    callback = TensorBoard(tmp_path, histogram_freq=1, write_grads=True)
    model.fit(X, Y, epochs=1, verbose=0, validation_data=(X, Y), callbacks=[callback])
    logged = tensors(tmp_path / "train")
    assert {"net_out", "net/hidden/kernel", "net/out/bias_grad"} <= logged.keys()
    graph = GraphDef.FromString(accumulator(tmp_path / "train")._graph)
    assert [(node.name, node.op) for node in graph.node] == [("input", "InputLayer"), ("net", "Net")]


def test_images_without_histograms_are_of_every_epoch(tmp_path):
    model = Sequential([Dense(3, input_dim=2)])
    model.compile(loss="mse")
    callback = TensorBoard(tmp_path, write_images=True, write_graph=False)
    model.fit(X, np.stack([Y] * 3, 1), epochs=2, verbose=0, callbacks=[callback])
    assert {tag: sorted(steps) for tag, steps in tensors(tmp_path / "train").items()} == {
        "dense/kernel/image": [0, 1],
        "dense/bias/image": [0, 1],
    }


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


# Resuming


def train(folder, fails=None, save_freq="epoch", freq="epoch", epochs=4):
    """Train in `folder` until the end or the batch at which it fails; there are 3 batches an epoch."""
    backup = BackupAndRestore(folder / "run", save_freq)
    callbacks = [TensorBoard(folder / "logs", update_freq=freq), backup, *([Fails(fails)] if fails else [])]
    try:
        fit(callbacks, epochs, validation=ArrayData(X, Y, batch_size=4))
    except Stop:
        assert fails


def logged(folder):
    return [scalars(folder / "logs" / run) for run in ("train", "validation")]


@pytest.mark.parametrize(
    ("save_freq", "freq", "deaths"),
    [
        ("epoch", "epoch", [7]),
        ("epoch", "batch", [5, 8, 9]),  # in an epoch; after the batches that were logged and not saved
        (2, "batch", [1, 5, 11]),  # before anything was saved; resumed in mid-epoch
        (2, "epoch", [5]),
    ],
)
def test_a_resumed_run_logs_what_one_that_never_failed_does(tmp_path, save_freq, freq, deaths):
    train(tmp_path / "whole", freq=freq)
    for death in deaths:
        train(tmp_path / "failed", death, save_freq, freq)
    train(tmp_path / "failed", None, save_freq, freq)
    if deaths[0] == 1:  # what that run logged before its first save is gone
        assert len(list((tmp_path / "failed/logs/train").iterdir())) == 3
    assert logged(tmp_path / "failed") == logged(tmp_path / "whole")


def test_a_tensorboard_that_is_running_sees_no_step_twice(tmp_path):
    train(tmp_path, fails=8, freq="batch")
    reader = accumulator(tmp_path / "logs/train")
    assert max(event.step for event in reader.Scalars("batch_loss")) == 8
    train(tmp_path, freq="batch")
    reader.Reload()
    assert [event.step for event in reader.Scalars("batch_loss")] == list(range(1, 13))
    assert [event.step for event in reader.Scalars("epoch_loss")] == list(range(4))


def test_one_that_joins_a_resumed_run_logs_from_there_on(tmp_path, monkeypatch):
    nodes = [LayerNode("input", "InputLayer", {}, (), (None, 2), "float32", {})]
    monkeypatch.setattr(NumpyModel, "layer_graph", lambda self: nodes, raising=False)
    with pytest.raises(Stop):
        fit([BackupAndRestore(tmp_path / "run", 2), Fails(5)], epochs=3)
    fit([BackupAndRestore(tmp_path / "run", 2), TensorBoard(tmp_path, update_freq="batch")], epochs=3)
    found = scalars(tmp_path / "train")
    assert (list(found["epoch_loss"]), len(found["batch_loss"])) == ([1, 2], 5)
    assert accumulator(tmp_path / "train").Tags()["graph"]


def test_a_fit_that_begins_later_goes_on_with_the_steps(tmp_path):
    model = NumpyModel()
    fit([TensorBoard(tmp_path, update_freq="batch")], epochs=2, model=model)
    fit([TensorBoard(tmp_path, update_freq="batch")], epochs=4, model=model, initial_epoch=2)
    found = scalars(tmp_path / "train")
    assert (list(found["epoch_loss"]), list(found["batch_loss"])) == ([0, 1, 2, 3], list(range(1, 13)))


def test_an_older_run_in_the_folder_is_kept_and_no_longer_shown(tmp_path):
    folder = tmp_path / "täglich [neu] 日誌"
    fit([TensorBoard(folder)], epochs=5)
    (old,) = (folder / "train").iterdir()
    content = old.read_bytes()
    history = fit([TensorBoard(folder)], epochs=2).history
    assert old.read_bytes() == content
    assert scalars(folder / "train")["epoch_loss"] == by_step(history["loss"])


def test_one_callback_may_be_used_in_several_fits(tmp_path):
    callback = TensorBoard(tmp_path, update_freq="batch")
    for _ in range(2):
        fit([callback], epochs=2)
        callback.close()
    assert list(scalars(tmp_path / "train")["batch_loss"]) == [1, 2, 3, 4, 5, 6]


def bytes_in(folder):
    return b"".join(path.read_bytes() for path in folder.glob("*"))


def test_what_was_logged_survives_a_kill(tmp_path):
    script = f"""
        import time
        from epochal.callbacks import Callback, TensorBoard
        from numpy_engine import fit

        class Hangs(Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch == 2:
                    print("hanging", flush=True)
                    time.sleep(60)

        fit([Hangs(), TensorBoard({str(tmp_path)!r}, update_freq="batch")], epochs=5)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=TESTS, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"hanging\n"
        deadline = time.monotonic() + 10  # the span in which a flush is due at the latest
        while bytes_in(tmp_path / "train").count(b"batch_loss") < 9 and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    found = scalars(tmp_path / "train")
    assert (list(found["batch_loss"]), list(found["epoch_loss"])) == (list(range(1, 10)), [0, 1])


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"histogram_freq": -1}, "histogram_freq must be a whole number of at least 0; got -1"),
        ({"histogram_freq": 1.5}, "histogram_freq must be a whole number of at least 0; got 1.5"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1; got 0"),
        ({"embeddings_freq": True}, "embeddings_freq must be a whole number of at least 0; got True"),
        ({"write_grads": True}, "write_grads=True .* needs histogram_freq of at least 1"),
        ({"embeddings_layer_names": ["a"]}, "need embeddings_freq of at least 1"),
        ({"embeddings_metadata": "a.tsv"}, "need embeddings_freq of at least 1"),
        ({"update_freq": "epochs"}, "a frequency is 'epoch', 'batch', a number"),
        ({"update_freq": 0}, "whole n of at least 1; got 0"),
        ({"update_freq": Every(2)}, "update_freq is 'epoch', 'batch' or a number of batches"),
        ({"update_freq": Every(2, "second")}, "update_freq is 'epoch', 'batch' or a number of batches"),
    ],
)
def test_arguments_that_cannot_be_right(arguments, error):
    with pytest.raises(ValueError, match=error):
        TensorBoard(**arguments)


def test_histograms_need_validation_data_as_arrays(tmp_path):
    model = Sequential([Dense(1, input_dim=2)])
    model.compile(loss="mse")
    callbacks = [TensorBoard(tmp_path, histogram_freq=1), seen := Recorder()]
    for validation in (None, [(X, Y)]):
        with pytest.raises(ValueError, match="pass arrays as validation_data"):
            model.fit(X, Y, verbose=0, validation_data=validation, callbacks=callbacks)
    assert "on_train_batch_end" not in seen.names()


def test_histograms_need_a_model_that_can_be_looked_into(tmp_path):
    callback = TensorBoard(tmp_path, histogram_freq=1)
    callback.model, callback.validation_data = NumpyModel(), (X, Y, None)
    with pytest.raises(ValueError, match="needs a model that can be looked into; Model can't be"):
        callback.on_train_begin()


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


def test_a_folder_that_cannot_be_written_to_is_an_error_before_the_first_batch(tmp_path):
    (tmp_path / "file").write_text("")
    seen = Recorder()
    with pytest.raises(OSError, match=r"nothing can be written to .*file/logs: Not a directory"):
        fit([TensorBoard(tmp_path / "file/logs"), seen])
    assert "on_train_batch_end" not in seen.names()


def test_a_failed_write_ends_the_fit(tmp_path):
    (tmp_path / "train").write_text("")  # in the way of the run's folder
    seen = Recorder()
    with pytest.raises(OSError, match=r"could not write .*train/events\.out.*: Not a directory"):
        fit([TensorBoard(tmp_path), seen], epochs=100)
    assert len(seen.batches("on_epoch_end")) < 100


def test_a_disk_that_fills_up_ends_the_fit(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(OSError, match=r"could not write .*train/events\.out.*: File too large"):
            fit([TensorBoard(tmp_path, update_freq="batch")], epochs=100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_tensorboard_the_error_says_which_extra():
    script = """
        import sys
        sys.modules["tensorboard"] = None
        from epochal.callbacks import TensorBoard
        try:
            TensorBoard()
        except ImportError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True)
    assert 'pip install "epochal[tensorboard]"' in done.stdout


def test_no_tensorflow_is_imported_even_if_there_is_one(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow/__init__.py").write_text("raise AssertionError('TensorFlow was imported')")
    script = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import epochal.callbacks
        assert not {{"tensorboard", "jax", "google"}} & set(sys.modules)
        import numpy as np
        from epochal.layers import Dense, Embedding, Flatten
        from epochal.models import Sequential

        model = Sequential([Embedding(4, 2, input_length=3), Flatten(), Dense(1)])
        model.compile(loss="mse")
        everything = dict(histogram_freq=1, write_grads=True, write_images=True, embeddings_freq=1, update_freq="batch")
        x, y = np.zeros((8, 3), int), np.zeros((8, 1))
        callbacks = [epochal.callbacks.TensorBoard({str(tmp_path / "logs")!r}, **everything)]
        model.fit(x, y, verbose=0, validation_data=(x, y), callbacks=callbacks)
        assert not {{"tensorflow", "torch"}} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(script)], check=True)
    assert scalars(tmp_path / "logs/train")["epoch_loss"].keys() == {0}
