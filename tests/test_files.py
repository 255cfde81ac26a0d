"""Durable writes: whole files or none."""

import errno
import os
import subprocess
import sys

import pytest

from epochal.storage.files import check_writable, write_durably


def writes(content):
    return lambda path: path.write_bytes(content)


def breaks(error):
    def write(path):
        path.write_bytes(b"half")
        raise error

    return write


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "best.h5"
    write_durably(path, writes(b"one"))
    with path.open("rb") as reader:
        write_durably(path, writes(b"two"))
        assert reader.read() == b"one"
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["best.h5"]


def test_missing_folders_are_made(tmp_path):
    write_durably(tmp_path / "a" / "b" / "best.h5", writes(b"one"))
    assert (tmp_path / "a" / "b" / "best.h5").read_bytes() == b"one"


def test_a_path_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_durably("best.h5", writes(b"one"))
    assert (tmp_path / "best.h5").read_bytes() == b"one"


@pytest.mark.parametrize("error", [OSError("broken"), RuntimeError("broken"), KeyboardInterrupt("broken")])
def test_a_failed_write_leaves_the_file_as_it_was_and_nothing_else(tmp_path, error):
    path = tmp_path / "best.h5"
    path.write_bytes(b"one")
    with pytest.raises(type(error), match="broken"):
        write_durably(path, breaks(error))
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["best.h5"]


def test_an_os_error_says_which_file_and_how_much_room_was_needed(tmp_path):
    with pytest.raises(
        OSError, match=r"could not write .*best\.h5: No space left on device; about 1,234 bytes were needed"
    ) as caught:
        write_durably(tmp_path / "best.h5", breaks(OSError(errno.ENOSPC, "a long\nstory")), 1234)
    assert caught.value.errno == errno.ENOSPC


def test_what_a_kill_left_is_overwritten_by_the_next_write(tmp_path):
    script = (
        "import os, signal, sys; from epochal.storage.files import write_durably\n"
        "def write(path): path.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_durably(sys.argv[1], write)"
    )
    path = tmp_path / "best.h5"
    assert subprocess.run([sys.executable, "-c", script, path], check=False).returncode == -9
    assert [name.endswith(".partial") for name in os.listdir(tmp_path)] == [True]
    write_durably(path, writes(b"one"))
    assert os.listdir(tmp_path) == ["best.h5"]


def test_a_folder_is_checked_by_making_it_and_leaves_nothing_in_it(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a").rglob("*")) == [tmp_path / "a" / "b"]


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "runs").write_bytes(b"")
    with pytest.raises(OSError, match=r"nothing can be written to .*runs: Not a directory"):
        check_writable(tmp_path / "runs")
