"""No room: files may grow to a few KiB only, in a process of its own for all sizes."""

import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

from epochal.layers import Dense
from epochal.models import Sequential, load_model

SETUP = """
import os, resource
import numpy as np
from epochal.callbacks import Callback, CSVLogger, ModelCheckpoint
from epochal.layers import Dense
from epochal.models import Sequential, load_model

class Told(Callback):
    def __init__(self): self.told = []
    def on_exception(self, error): self.told.append(type(error))
    def close(self): self.told.append("closed")

def room(kib):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if kib is None else kib << 10, hard))

def fit(callback, epochs=2):
    told = Told()
    try:
        model.fit(x, y, epochs=epochs, verbose=0, callbacks=[callback, told])
    except OSError as error:
        return str(error), told.told
    return "", told.told

model = Sequential([Dense(4000, input_dim=6), Dense(2)])
model.compile("adam", "mse")
x, y = np.ones((8, 6), "float32"), np.ones((8, 2), "float32")
model.fit(x, y, verbose=0)
SIZES = range(4, 68, 4)
"""


@pytest.fixture
def run(forks, tmp_path):
    """Return a function that runs lines after the set-up, in a folder and a process of their own."""
    folder = tmp_path / "here"
    folder.mkdir()
    return lambda code: forks.run_code(SETUP + textwrap.dedent(code), folder)


@pytest.mark.parametrize(("name", "weights_only"), [("a.h5", False), ("a.weights.h5", True), ("b.h5", True)])
def test_a_model_file_without_room_is_one_clear_error_and_leaves_the_old_file(run, name, weights_only):
    run(
        f"""
        room(None)
        (model.save_weights if {weights_only} else model.save)("{name}")
        before = open("{name}", "rb").read()
        for kib in SIZES:
            room(kib)
            checkpoint = ModelCheckpoint("{name}", monitor="loss", save_best_only=True, save_weights_only={weights_only})
            error, told = fit(checkpoint)
            assert error.startswith("[Errno 27] could not write ") and error.endswith(" bytes were needed"), error
            assert "{name}: File too large; about " in error, error
            assert told == [OSError, "closed"], (kib, told)
            assert checkpoint.best is None, checkpoint.best
            assert os.listdir(".") == ["{name}"] and open("{name}", "rb").read() == before
            try:
                (model.save_weights if {weights_only} else model.save)("new-{name}")
            except OSError as error:
                assert "could not write new-{name}" in str(error)
            assert os.listdir(".") == ["{name}"]
        room(None)
        assert fit(checkpoint)[0] == "" and checkpoint.best is not None
        model.load_weights("{name}")
        """
    )


def test_a_log_without_room_is_one_clear_error_and_ends_with_a_whole_row(run):
    run(
        """
        for kib in SIZES:
            room(None)
            text = "epoch,loss\\n" + "0,0.123456789\\n" * (((kib << 10) - 11) // 14)  # with room for less than a row
            open("log.csv", "w").write(text)
            room(kib)
            error, told = fit(CSVLogger("log.csv", append=True))
            assert error.startswith("[Errno 27] could not write log.csv: File too large; "), error
            assert error.endswith(" bytes were needed"), error
            assert told == [OSError, "closed"], told
            now = open("log.csv").read()
            assert now.startswith(text) and now.endswith("\\n") and os.listdir(".") == ["log.csv"]
            assert all(line.count(",") == 1 for line in now.splitlines())
        """
    )


@pytest.fixture
def model():
    made = Sequential([Dense(3, input_dim=4), Dense(1)])
    made.compile("adam", "mse")
    made.fit(np.ones((4, 4)), np.ones((4, 1)), verbose=0)
    return made


def test_other_programs_read_and_change_a_file_with_a_checksum(tmp_path, model):
    path = tmp_path / "model.h5"
    model.save(path)
    size = path.stat().st_size
    with h5py.File(path, "r") as file:
        assert list(file["model_weights"].attrs["layer_names"])
    assert path.stat().st_size == size
    with h5py.File(path, "r+") as file:
        file["model_weights/dense/dense/kernel"][...] = 7
    assert (load_model(path).get_weights()[0] == 7).all()


def test_a_failed_write_within_hdf5_raises_what_it_was(tmp_path, model, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(OSError, match=r"could not write .*model\.h5: No space left on device; about \d+ bytes"):
        model.save(tmp_path / "model.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("good", range(1, 12, 2))
def test_any_write_may_be_the_one_that_fails(tmp_path, model, monkeypatch, good):
    import os

    write, left = os.pwrite, iter(range(good))

    def sometimes(descriptor, data, at):
        if next(left, None) is None:
            raise OSError(5, "Input/output error")
        return write(descriptor, data, at)

    monkeypatch.setattr("os.pwrite", sometimes)
    with pytest.raises(OSError, match="Input/output error"):
        model.save(tmp_path / "model.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_model_may_be_saved_when_the_interpreter_ends(tmp_path):
    source = SETUP + "import atexit; atexit.register(lambda: model.save('model.h5'))"
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert load_model(tmp_path / "model.h5").output_shape == (None, 2)
