"""Ctrl-C and SIGTERM in a run that is saved: saved, closed, ended as the signal says, and resumed bit for bit."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from killed_runs import newest, outcome
from numpy_engine import fit

from epochal.callbacks import BackupAndRestore, Callback
from epochal.storage import generation


class Signals(Callback):
    """Sends this process signals in a hook, and notes whether the hook went on."""

    def __init__(self, hook, *numbers):
        self.numbers, self.went_on = numbers, 0
        setattr(self, hook, self.send)

    def send(self, *arguments):
        for number in self.numbers:
            signal.raise_signal(number)
            self.went_on += 1

    def state_dict(self):
        return {}


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", -15), ("SIGINT", -2)])
def test_saved_at_the_next_boundary_closed_and_resumed_bit_for_bit(forks, golden, tmp_path, name, status):
    number = int(getattr(signal, name))
    assert forks.run(tmp_path, save_freq=40, die=[number, 23]) == status
    saved = generation.read(newest(tmp_path))
    assert (saved["count"], saved["end"]) == (23, None)
    assert "closed" in (tmp_path / "output").read_text()
    assert forks.run(tmp_path, save_freq=40) == 0
    assert outcome(tmp_path) == golden()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_from_outside_at_any_moment_of_the_training_is_heard(forks, golden, tmp_path, name):
    process = forks.start(tmp_path, save_freq=3)
    while not list(tmp_path.glob("run/*.run")):
        time.sleep(0.01)
    os.kill(process, getattr(signal, name))
    assert forks.wait() == -getattr(signal, name)
    assert forks.run(tmp_path, save_freq=3) == 0
    assert outcome(tmp_path) == golden()


def test_in_a_shell_the_status_is_143_or_130_and_a_line_says_what_is_saved(tmp_path):
    script = (
        "import signal, sys; sys.path.insert(0, 'tests')\n"
        "from test_signals_saving import *\n"
        "fit([BackupAndRestore(sys.argv[1]), Signals('on_epoch_end', int(sys.argv[2]))])"
    )
    for number, status in (("15", 143), ("2", 130)):
        command = ["sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-c", script, str(tmp_path / number), number]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == status
        said = f"{tmp_path / number}/ holds the run up to epoch 1: the same script goes on from there."
        assert said in ended.stderr


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end"])
def test_a_first_ctrl_c_waits_until_the_run_is_saved(tmp_path, hook):
    signals = Signals(hook, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit([signals, BackupAndRestore(tmp_path)])
    assert signals.went_on == 1
    saved = generation.read(max(tmp_path.glob("*.run")))
    assert saved["count"] == (3 if hook == "on_epoch_end" else 1)


def test_ctrl_c_after_the_last_epoch_comes_when_the_finished_run_is_saved(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit([Signals("on_train_end", signal.SIGINT), BackupAndRestore(tmp_path)])
    assert generation.read(max(tmp_path.glob("*.run")))["end"]


@pytest.mark.parametrize("hook", ["on_train_begin", "on_batch_end", "on_epoch_end"])
def test_a_second_ctrl_c_stops_at_once(tmp_path, hook):
    signals = Signals(hook, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit([signals, BackupAndRestore(tmp_path)])
    assert signals.went_on == 1
    assert [generation.read(saved)["count"] for saved in tmp_path.glob("*.run")] in ([0], [])


def test_a_second_ctrl_c_while_the_callbacks_are_closed_stops_at_once(tmp_path):
    closing = Signals("close", signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught:
        fit([Signals("on_epoch_end", signal.SIGINT), closing, BackupAndRestore(tmp_path)])
    assert closing.went_on == 0
    assert caught.value.__notes__ == ["While closing the callbacks, too: KeyboardInterrupt: "]


def test_ctrl_c_while_a_normal_end_is_closed_is_not_lost(tmp_path):
    closing = Signals("close", signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit([closing, BackupAndRestore(tmp_path)])
    assert closing.went_on == 1


@pytest.mark.parametrize("ends", ["normally", "with an error"])
def test_a_sigterm_while_callbacks_are_closed_is_heard(tmp_path, ends):
    came = []
    old = signal.signal(signal.SIGTERM, lambda *_: came.append("SIGTERM"))
    callbacks = [Signals("close", signal.SIGTERM), BackupAndRestore(tmp_path)]
    try:
        if ends == "normally":
            fit(callbacks)
        else:
            with pytest.raises(ZeroDivisionError):
                fit([*callbacks, Raises()])
    finally:
        signal.signal(signal.SIGTERM, old)
    assert came == ["SIGTERM"]


class Raises(Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise ZeroDivisionError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_handlers_are_put_back(tmp_path, number):
    def mine(*_):
        came.append(number)

    came, old = [], signal.signal(number, mine)
    try:
        fit([BackupAndRestore(tmp_path / "ended")])
        assert signal.getsignal(number) is mine
        with pytest.raises(ZeroDivisionError):
            fit([BackupAndRestore(tmp_path / "raised"), Raises()])
        assert signal.getsignal(number) is mine
        fit([BackupAndRestore(tmp_path / "came"), Signals("on_epoch_end", number)])
        assert signal.getsignal(number) is mine
        assert came == [number] * 2
    finally:
        signal.signal(number, old)


def test_sigterm_without_a_saver_is_left_alone():
    class Looks(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(signal.getsignal(signal.SIGTERM))

    seen = []
    fit([Looks()], epochs=1)
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_in_another_thread_no_handler_is_installed(tmp_path):
    class Looks(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])

    seen, before = [], [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    thread = threading.Thread(target=lambda: fit([Looks(), BackupAndRestore(tmp_path)], epochs=1))
    thread.start()
    thread.join()
    assert seen == [before]
    assert generation.read(max(tmp_path.glob("*.run")))["end"]
