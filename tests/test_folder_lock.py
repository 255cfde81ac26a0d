"""One process at a time uses a run's folder."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from interrupted import Fails, Stop
from numpy_engine import fit

from epochal.callbacks import BackupAndRestore

SECOND = """
    import sys
    sys.path.insert(0, "tests")
    from numpy_engine import fit
    from epochal.callbacks import BackupAndRestore, Callback

    class Waits(Callback):
        def on_epoch_end(self, epoch, logs=None):
            print("there", flush=True)
            sys.stdin.read()
            print("over", flush=True)
        def state_dict(self):
            return {}

    {before}
    fit([BackupAndRestore(sys.argv[1]), Waits()], epochs=1)
"""


@pytest.fixture
def second(tmp_path):
    """Start a process that uses the folder until its input ends."""
    started = []

    def start(before="pass"):
        script = textwrap.dedent(SECOND).replace("{before}", before)
        process = subprocess.Popen(
            [sys.executable, "-c", script, tmp_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout.readline() == "there\n"
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with its children
        process.communicate()


def test_a_second_process_is_told_the_first_ones_id(tmp_path, second):
    process = second()
    with pytest.raises(RuntimeError, match=rf"{tmp_path} is used by another process, pid {process.pid}\."):
        fit([BackupAndRestore(tmp_path)])
    assert process.communicate("")[0] == "over\n"
    fit([BackupAndRestore(tmp_path)])


def test_the_lock_dies_with_its_owner(tmp_path, second):
    process = second()
    process.kill()
    process.wait()
    fit([BackupAndRestore(tmp_path)])


FORK = "(lambda r, w: os.read(r, 1) if os.fork() else (os.write(w, b'.'), time.sleep(60)))(*os.pipe())"
"""Makes a child, and goes on when that has begun to run."""


@pytest.mark.parametrize("child", [FORK, "subprocess.Popen(['sleep', '60'])"])
def test_a_child_of_the_owner_does_not_keep_it(tmp_path, second, child):
    process = second(f"import os, time, subprocess; Waits.on_epoch_begin = lambda *_: {child}")
    process.kill()
    process.wait()
    fit([BackupAndRestore(tmp_path)])


def test_the_folder_is_free_after_an_error_too(tmp_path):
    for _ in range(2):
        with pytest.raises(Stop):
            fit([BackupAndRestore(tmp_path), Fails(1)])


def test_two_in_one_fit_on_one_folder_are_refused(tmp_path):
    with pytest.raises(RuntimeError, match=rf"is used by this process, pid {os.getpid()}, already: give each Backup"):
        fit([BackupAndRestore(tmp_path), BackupAndRestore(tmp_path)])


def test_two_in_one_fit_may_have_a_folder_each(tmp_path):
    fit([BackupAndRestore(tmp_path / "a"), BackupAndRestore(tmp_path / "b")])
    assert (tmp_path / "a" / "lock").read_text() == (tmp_path / "b" / "lock").read_text() == str(os.getpid())
