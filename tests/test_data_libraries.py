"""Batches as other libraries give them; each is skipped where its library isn't installed."""

import os

import numpy as np
import pytest

from epochal.callbacks import BackupAndRestore, Callback
from epochal.layers import Dense, Input, concatenate
from epochal.models import Model, Sequential

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytestmark = pytest.mark.filterwarnings("default")  # the libraries' own

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4)).astype("float32")
Y = X[:, :1] * 2


def torch_loader(x=X, y=Y, **options):
    data = pytest.importorskip("torch.utils.data", reason="needs PyTorch")
    torch = pytest.importorskip("torch")
    return data.DataLoader(data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), batch_size=32, **options)


def tf_data():
    tf = pytest.importorskip("tensorflow", reason="needs TensorFlow")
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(32)


def grain_dataset():
    grain = pytest.importorskip("grain", reason="needs Grain")
    return grain.MapDataset.source(list(zip(X, Y, strict=True))).batch(32).to_iter_dataset()


class HuggingFaceBatches:
    """What docs/data.md shows for a dataset of Hugging Face, whose rows are dicts."""

    def __init__(self):
        datasets = pytest.importorskip("datasets", reason="needs Hugging Face's datasets")
        self.rows = datasets.Dataset.from_dict({"x": X, "y": Y}).with_format("numpy")

    def __iter__(self):
        return ((batch["x"], batch["y"]) for batch in self.rows.iter(32))


class HuggingFaceStream(HuggingFaceBatches):
    """The same of a dataset that is streamed, which knows where it is."""

    def __init__(self):
        super().__init__()
        self.stream = self.rows.to_iterable_dataset().batch(32)
        self.state_dict, self.load_state_dict = self.stream.state_dict, self.stream.load_state_dict
        self.set_epoch = self.stream.set_epoch

    def __iter__(self):
        return ((batch["x"], batch["y"]) for batch in self.stream)


SOURCES = {
    "torch": torch_loader,
    "tensorflow": tf_data,
    "grain": grain_dataset,
    "datasets": HuggingFaceBatches,
    "streamed datasets": HuggingFaceStream,
}
each_source = pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)


def linear():
    model = Sequential([Input((4,)), Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


@each_source
def test_a_fit_validates_evaluates_and_predicts_as_with_arrays(make):
    model, wanted = linear(), linear()
    history = model.fit(make(), epochs=3, validation_data=make(), verbose=0).history
    expected = wanted.fit(X, Y, batch_size=32, epochs=3, validation_data=(X, Y), shuffle=False, verbose=0).history
    assert history == expected
    assert model.evaluate(make(), verbose=0) == wanted.evaluate(X, Y, verbose=0)


def test_a_shuffling_loader_gives_each_epoch_its_own_order():
    losses = linear().fit(torch_loader(shuffle=True), epochs=1, verbose=0).history["loss"]
    assert losses != linear().fit(torch_loader(shuffle=True), epochs=1, verbose=0).history["loss"]


def test_samples_of_a_torch_dataset_may_be_dicts():
    data = pytest.importorskip("torch.utils.data", reason="needs PyTorch")

    class Samples(data.Dataset):
        def __len__(self):
            return len(X)

        def __getitem__(self, at):
            return {"wide": X[at], "deep": X[at, :2]}, Y[at]

    wide, deep = Input((4,), name="wide"), Input((2,), name="deep")
    model = Model([wide, deep], Dense(1)(concatenate([wide, deep])))
    model.compile("sgd", "mse")
    assert len(model.fit(data.DataLoader(Samples(), batch_size=32), epochs=2, verbose=0).history["loss"]) == 2


class FailsAt(Callback):
    def __init__(self, batches):
        self.batches = batches

    def on_train_batch_end(self, batch, logs=None):
        self.batches -= 1
        if not self.batches:
            raise RuntimeError("killed")


@each_source
@pytest.mark.parametrize("save_freq", [1, "epoch"])
def test_a_run_that_failed_within_an_epoch_goes_on_where_it_was(make, save_freq, tmp_path):
    def backup():
        return BackupAndRestore(tmp_path, save_freq=save_freq)

    with pytest.raises(RuntimeError, match="killed"):
        linear().fit(make(), epochs=3, verbose=0, callbacks=[FailsAt(6), backup()])
    model, wanted = linear(), linear()
    resumed = model.fit(make(), epochs=3, verbose=0, callbacks=[backup()]).history
    assert resumed == wanted.fit(make(), epochs=3, verbose=0).history
    for ours, theirs in zip(model.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
