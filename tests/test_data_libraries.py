"""Batches as other libraries give them; each is skipped where its library isn't installed."""

import os
import random
import subprocess
import sys

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


# Loaders of PyTorch that shuffle


class Noisy:
    """A dataset that draws for every sample, from two global generators."""

    def __len__(self):
        return 24

    def __getitem__(self, at):
        torch = pytest.importorskip("torch")
        return X[at] + np.float32(np.random.normal()) * 0.1, Y[at] + torch.rand(1).numpy() * 0.1


class Shuffles:
    """A sampler that shuffles what it shuffled before."""

    def __init__(self):
        self.order = list(range(100))

    def __len__(self):
        return 100

    def __iter__(self):
        random.shuffle(self.order)
        return iter(self.order)


def with_generator():
    torch = pytest.importorskip("torch")
    return torch_loader(shuffle=True, generator=torch.Generator().manual_seed(3))


def distributed():
    data = pytest.importorskip("torch.utils.data", reason="needs PyTorch")
    sampler = pytest.importorskip("torch.utils.data.distributed").DistributedSampler
    parts = data.TensorDataset(*map(pytest.importorskip("torch").from_numpy, (X, Y)))
    return data.DataLoader(parts, batch_size=16, sampler=sampler(parts, num_replicas=2, rank=1, seed=4))


def of_samples(dataset, **options):
    return pytest.importorskip("torch.utils.data").DataLoader(dataset, batch_size=8, **options)


WORKERS = {"num_workers": 1, "multiprocessing_context": "forkserver"}

SHUFFLING = {
    "global seed": lambda: torch_loader(shuffle=True),
    "generator": with_generator,
    "distributed sampler": distributed,
    "noise": lambda: of_samples(Noisy(), shuffle=True),
    "sampler that goes on": lambda: torch_loader(sampler=Shuffles()),
    "workers": lambda: torch_loader(shuffle=True, **WORKERS),
    "workers that stay": lambda: torch_loader(shuffle=True, persistent_workers=True, **WORKERS),
}


class Dies(FailsAt):
    def state_dict(self):
        return {}


def train_by_torch(make, folder, *more, save_freq=1, seed=0, **options):
    """Return the losses and the weights of a process that begins with these seeds."""
    random.seed(seed)
    np.random.seed(seed)
    pytest.importorskip("torch", reason="needs PyTorch").manual_seed(seed)
    model = linear()
    callbacks = [BackupAndRestore(folder, save_freq=save_freq), *more]
    history = model.fit(make(), epochs=3, verbose=0, callbacks=callbacks, **options).history
    return history, [weights.tolist() for weights in model.get_weights()]


@pytest.mark.parametrize("kind", SHUFFLING)
@pytest.mark.parametrize("save_freq", [1, "epoch"])
def test_a_loader_that_shuffles_goes_on_in_its_order(kind, save_freq, tmp_path):
    make = SHUFFLING[kind]
    whole = train_by_torch(make, tmp_path / "whole")
    for batches in (2 if save_freq == 1 else 6,) if "workers" in kind else (2, 6, 9):  # to start workers takes seconds
        with pytest.raises(RuntimeError, match="killed"):
            train_by_torch(make, tmp_path / str(batches), Dies(batches), save_freq=save_freq)
        assert train_by_torch(make, tmp_path / str(batches)) == whole


def test_a_loader_may_be_seeded_by_nobody_and_validated_on(tmp_path):
    make = SHUFFLING["global seed"]
    whole = train_by_torch(make, tmp_path / "whole", validation_data=make())
    with pytest.raises(RuntimeError, match="killed"):
        train_by_torch(make, tmp_path / "x", Dies(6), validation_data=make())
    assert train_by_torch(make, tmp_path / "x", seed=1, validation_data=make()) == whole


SCRIPT = """
import os, sys, torch
from torch.utils.data import DataLoader, TensorDataset
from epochal.callbacks import BackupAndRestore, LambdaCallback
from epochal.layers import Dense
from epochal.models import Sequential
torch.manual_seed(0)
x = torch.randn(64, 4)
loader = DataLoader(TensorDataset(x, x[:, :1]), batch_size=8, shuffle=True)
model = Sequential([Dense(1, input_dim=4, kernel_initializer="zeros")])
model.compile("adam", "mse")
count = [0]
def die(batch, logs):
    count[0] += 1
    if count[0] == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
callbacks = [BackupAndRestore(sys.argv[1], save_freq=3), LambdaCallback(on_batch_end=die)]
model.fit(loader, epochs=3, verbose=0, callbacks=callbacks)
print(model.get_weights()[0].tobytes().hex())
"""


def test_a_process_with_a_loader_is_killed_and_started_again(tmp_path):
    pytest.importorskip("torch", reason="needs PyTorch")

    def run(folder, death):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / folder), str(death)]
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[-1:]

    whole = run("whole", 0)
    assert (run("x", 13), run("x", 0)) == ([], whole)


@pytest.mark.parametrize("make", [torch_loader, tf_data, grain_dataset])
def test_a_keras_model_trains_on_them_as_in_keras_own_fit(make):
    pytest.importorskip("epochal.keras", reason="needs Keras on JAX")
    import keras

    from epochal import keras as ours

    histories = []
    for run in (lambda model: model, ours.Model):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=["mae"])
        histories.append(run(model).fit(make(), epochs=3, verbose=0, validation_data=make()).history)
    for name, values in histories[0].items():
        assert histories[1][name] == pytest.approx(values, rel=1e-5)
