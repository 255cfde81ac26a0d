"""Signals for which the script has a handler of its own: the run is saved, then the handler is called."""

import signal
import subprocess
import sys

import pytest
from numpy_engine import fit

from epochal.callbacks import BackupAndRestore, Callback, LambdaCallback
from epochal.storage import generation


@pytest.fixture
def handler():
    """Return a function that installs a handler until the test's end."""
    old = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield signal.signal
    for number, before in old.items():
        signal.signal(number, before)


def sends(*numbers, epoch=1):
    """Return a callback that sends signals at an epoch's end."""
    return LambdaCallback(on_epoch_end=lambda e, logs: [signal.raise_signal(n) for n in numbers if e == epoch])


def saved(folder):
    newest = max(folder.glob("generation-*.run"))
    return generation.read(newest)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_run_is_saved_then_the_handler_is_called_and_the_fit_goes_on(tmp_path, handler, number):
    seen = []
    handler(number, lambda n, frame: seen.append((n, frame is not None, saved(tmp_path)["epoch"])))
    history = fit([sends(number), BackupAndRestore(tmp_path, save_freq=100)], epochs=4)
    assert seen == [(number, True, 2)]
    assert history.epoch == [0, 1, 2, 3]
    assert saved(tmp_path)["end"]


def test_what_the_handler_raises_ends_the_fit(tmp_path, handler):
    handler(signal.SIGTERM, lambda n, frame: sys.exit(3))
    errors = []
    watching = LambdaCallback(on_exception=errors.append)
    with pytest.raises(SystemExit, match="3"):
        fit([sends(signal.SIGTERM), watching, BackupAndRestore(tmp_path)], epochs=4)
    assert [type(error) for error in errors] == [SystemExit]
    assert (saved(tmp_path)["epoch"], saved(tmp_path)["end"]) == (2, None)


def test_two_ctrl_c_are_two_calls(tmp_path, handler):
    times = []
    handler(signal.SIGINT, lambda *_: times.append(1))
    fit([sends(signal.SIGINT, signal.SIGINT), BackupAndRestore(tmp_path)], epochs=3)
    assert len(times) == 2


def test_without_a_saver_a_handler_of_ctrl_c_is_called_there_and_then(handler):
    order = []
    handler(signal.SIGINT, lambda *_: order.append("handler"))

    class Presses(Callback):
        def on_epoch_end(self, epoch, logs=None):
            signal.raise_signal(signal.SIGINT)
            order.append(epoch)

    fit([Presses()], epochs=2)
    assert order == ["handler", 0, "handler", 1]


def test_a_handler_chosen_while_the_fit_runs_stays(tmp_path, handler):
    mine = lambda *_: None
    fit([LambdaCallback(on_epoch_end=lambda *_: signal.signal(signal.SIGTERM, mine)), BackupAndRestore(tmp_path)])
    assert signal.getsignal(signal.SIGTERM) is mine


def test_a_fit_within_a_fit_leaves_the_call_to_the_outer_one(tmp_path, handler):
    seen = []
    handler(signal.SIGTERM, lambda *_: seen.append(saved(tmp_path / "outer")["epoch"]))
    inside = lambda epoch, logs: fit([sends(signal.SIGTERM, epoch=0), BackupAndRestore(tmp_path / f"inner{epoch}")])
    history = fit([LambdaCallback(on_epoch_end=inside), BackupAndRestore(tmp_path / "outer")], epochs=2)
    assert seen == [1, 2]
    assert history.epoch == [0, 1]


ENDS_ITSELF = """
import os, signal, sys
sys.path.insert(0, "tests")
from numpy_engine import fit
from epochal.callbacks import BackupAndRestore, LambdaCallback

def leave(number, frame):
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)

signal.signal(signal.SIGTERM, leave)
send = lambda epoch, logs: epoch == 1 and signal.raise_signal(signal.SIGTERM)
fit([LambdaCallback(on_epoch_end=send), BackupAndRestore(sys.argv[1], save_freq=100)], epochs=9)
"""


def test_a_handler_that_ends_the_process_finds_the_run_on_the_disk(tmp_path):
    done = subprocess.run([sys.executable, "-c", ENDS_ITSELF, tmp_path], capture_output=True, check=False)
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert saved(tmp_path)["epoch"] == 2


def test_a_handler_that_is_not_pythons_is_left_alone(tmp_path, monkeypatch):
    installed = []
    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # "not installed from Python"
    monkeypatch.setattr(signal, "signal", lambda number, handler: installed.append(number))
    fit([BackupAndRestore(tmp_path)])
    assert installed == []
