"""File systems that can't do everything, and processes that share a path or a folder."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest
from numpy_engine import fit

from epochal.callbacks import BackupAndRestore, Callback, CSVLogger, LambdaCallback, TensorBoard
from epochal.storage import files, generation
from epochal.storage.files import make_folder, write_durably


def fails_with(number, only=lambda *_: True, otherwise=None):
    def fails(*arguments):
        if only(*arguments):
            raise OSError(number, os.strerror(number))
        return otherwise(*arguments)

    return fails


def is_folder(handle):
    return os.path.isdir(f"/proc/self/fd/{handle}")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_folder_that_cannot_be_synced_is_told_once_and_the_run_is_saved(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", fails_with(number, is_folder, os.fsync))
    with pytest.warns(UserWarning, match=r"can't be synced \(.*\): what is written may be lost in a power cut") as told:
        fit([BackupAndRestore(tmp_path / "run")], epochs=3)
    assert len(told) == 1
    assert generation.read(max((tmp_path / "run").glob("*.run")))["end"]


def test_a_sync_that_fails_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", fails_with(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        write_durably(tmp_path / "a", lambda path: path.write_bytes(b"a"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_folder_that_cannot_be_locked_is_told_once_and_used(tmp_path, monkeypatch, number):
    monkeypatch.setattr(fcntl, "flock", fails_with(number))
    with pytest.warns(UserWarning, match=r"can't be locked \(.*\): see to it that no other process uses it") as told:
        fit([BackupAndRestore(tmp_path)], epochs=2)
    assert len(told) == 1


def test_without_locks_two_in_one_process_are_refused_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", fails_with(errno.ENOLCK))
    with (
        pytest.warns(UserWarning, match="can't be locked"),
        pytest.raises(RuntimeError, match="is used by this process"),
    ):
        fit([BackupAndRestore(tmp_path / "run"), BackupAndRestore(tmp_path / "run" / ".." / "run")])


# Writing to one path


WRITES = """
import sys
from epochal.storage.files import write_durably
for n in range(60):
    write_durably(sys.argv[1], lambda path: path.write_bytes(sys.argv[2].encode() * 200_000))
"""


def test_of_two_processes_that_write_to_one_path_a_reader_sees_whole_files_only(tmp_path):
    path = tmp_path / "model"
    both = [subprocess.Popen([sys.executable, "-c", WRITES, path, letter]) for letter in "ab"]
    seen = set()
    while any(process.poll() is None for process in both):
        if path.exists():
            content = path.read_bytes()
            seen.add((len(content), *set(content)))
    assert [process.wait() for process in both] == [0, 0]
    assert seen <= {(200_000, ord("a")), (200_000, ord("b"))}
    assert seen
    assert os.listdir(tmp_path) == ["model"]


def test_two_threads_may_write_to_one_path(tmp_path):
    path = tmp_path / "model"
    work = lambda letter: [write_durably(path, lambda p: p.write_bytes(letter * 1000)) for _ in range(20)]
    threads = [threading.Thread(target=work, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(path.read_bytes())) == 1
    assert os.listdir(tmp_path) == ["model"]


def test_only_what_a_kill_left_is_removed(tmp_path):
    mine = [".model.partial", ".model.notes.partial", ".other.1-2-3.partial", "model.partial"]
    living = f".model.{files._HOST}-{os.getppid()}-0.partial"
    elsewhere = ".model.00000000-1-0.partial"
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in [*mine, living, elsewhere, f".model.{files._HOST}-{dead.pid}-0.partial"]:
        (tmp_path / name).write_bytes(b"x")
    write_durably(tmp_path / "model", lambda path: path.write_bytes(b"a"))
    assert sorted(os.listdir(tmp_path)) == sorted([*mine, living, elsewhere, "model"])


def test_a_symbolic_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "best").symlink_to(tmp_path / "disk" / "best")
    write_durably(tmp_path / "best", lambda path: path.write_bytes(b"a"))
    assert (tmp_path / "best").is_symlink()
    assert (tmp_path / "disk" / "best").read_bytes() == b"a"


def test_a_name_may_be_as_long_as_the_file_system_lets_it(tmp_path):
    path = tmp_path / ("ü" * 120)
    write_durably(path, lambda temporary: temporary.write_bytes(b"a"))
    assert path.read_bytes() == b"a"


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EEXIST, errno.ENOENT])
def test_a_folder_is_made_although_others_make_and_remove_it(tmp_path, monkeypatch, number):
    calls, mkdir = [], os.mkdir

    def flaky(*arguments, **more):
        calls.append(1)
        if len(calls) < 4:
            raise OSError(number, os.strerror(number))
        return mkdir(*arguments, **more)

    monkeypatch.setattr(os, "mkdir", flaky)
    make_folder(tmp_path / "a")
    assert (tmp_path / "a").is_dir()


# The folder of a run


@pytest.mark.parametrize("nothing", ["", " ", None])
def test_a_folder_needs_a_name(nothing):
    with pytest.raises(ValueError, match=r"backup_dir is the path of a folder, one a run; got"):
        BackupAndRestore(nothing)


def test_a_folder_may_be_a_link_to_one_that_is_not_there_yet(tmp_path):
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    fit([BackupAndRestore(tmp_path / "run")])
    assert list((tmp_path / "disk").glob("*.run"))


def test_a_run_goes_on_in_its_folder_when_a_hook_changes_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    fit([LambdaCallback(on_epoch_end=lambda *_: os.chdir(tmp_path / "other")), BackupAndRestore("run")], epochs=3)
    assert os.listdir(tmp_path / "other") == []
    assert generation.read(max((tmp_path / "run").glob("*.run")))["end"]


class At(Callback):
    """Does something at the end of the second epoch, when what was saved before is on the disk."""

    def __init__(self, backup, does):
        self.backup, self.does = backup, does

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self.backup.wait()
            self.does()

    def state_dict(self):
        return {}


def test_a_folder_that_is_taken_away_is_made_and_locked_again(tmp_path):
    folder, backup = tmp_path / "run", BackupAndRestore(tmp_path / "run")
    locked = []

    def look(*_):
        with pytest.raises(RuntimeError, match=rf"is used by this process, pid {os.getpid()}"):
            fit([BackupAndRestore(folder)])
        locked.append(1)

    last = LambdaCallback(on_epoch_begin=lambda epoch, logs: epoch == 3 and (backup.wait(), look()))
    fit([At(backup, lambda: shutil.move(folder, tmp_path / "away")), last, backup], epochs=4)
    assert locked == [1]
    assert generation.read(max(folder.glob("*.run")))["end"]
    assert generation.read(max((tmp_path / "away").glob("*.run")))["epoch"] == 1


def test_a_folder_that_another_run_has_taken_meanwhile_is_left_to_it(tmp_path):
    folder, backup = tmp_path / "run", BackupAndRestore(tmp_path / "run")

    def replace():
        shutil.rmtree(folder)
        fit([BackupAndRestore(folder, keep=9)], epochs=5)

    with pytest.raises(
        RuntimeError, match=r"run was replaced while it was in use, and has generation 6 of another run"
    ):
        fit([At(backup, replace), backup], epochs=9)
    assert generation.read(max(folder.glob("*.run")))["epochs"] == 5


def test_two_folders_are_both_checked_and_the_one_that_got_furthest_decides(tmp_path):
    often, seldom = tmp_path / "often", tmp_path / "seldom"
    fit([BackupAndRestore(seldom), BackupAndRestore(often)], epochs=2)
    fit([BackupAndRestore(often)], epochs=3)
    begun = []
    watch = LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch))
    fit([watch, BackupAndRestore(seldom), BackupAndRestore(often)], epochs=4)
    assert begun == [3]
    assert [generation.read(max(folder.glob("*.run")))["epoch"] for folder in (often, seldom)] == [4, 4]


def test_one_folder_twice_is_an_error_also_by_another_path(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with pytest.raises(RuntimeError, match=r"give each BackupAndRestore a folder of its own"):
        fit([BackupAndRestore(tmp_path / "run"), BackupAndRestore(tmp_path / "link")])


def test_generations_are_sorted_as_numbers_whatever_their_length(tmp_path):
    fit([BackupAndRestore(tmp_path)], epochs=2)
    max(tmp_path.glob("*.run")).rename(tmp_path / "generation-99999999.run")
    (tmp_path / "generation-100000000000.run.d").mkdir()
    for old in tmp_path.glob("generation-0*.run"):
        old.unlink()
    history = fit([BackupAndRestore(tmp_path)], epochs=4)
    assert history.epoch == [0, 1, 2, 3]
    names = sorted(path.name for path in tmp_path.glob("*.run"))
    assert names == ["generation-100000001.run", "generation-100000002.run"]
    assert fit([BackupAndRestore(tmp_path)], epochs=5).epoch == [0, 1, 2, 3, 4]


def test_a_run_of_another_version_says_what_to_do(tmp_path):
    generation.Generation({"identity": {}, "epoch": 1}).write(tmp_path / "generation-00000001.run")
    with pytest.raises(
        ValueError, match=r"version of epochal saved \(.*format None, and 3 can be read\)\. Finish it with"
    ):
        fit([BackupAndRestore(tmp_path)])


def test_the_first_state_is_on_the_disk_before_the_first_epoch_also_where_disks_are_slow(tmp_path, monkeypatch):
    real, there = files.sync, []
    monkeypatch.setattr(files, "sync", lambda path: (time.sleep(0.1), real(path)))
    look = LambdaCallback(on_epoch_begin=lambda epoch, logs: there.append(len([*tmp_path.glob("run/*.run")])))
    fit([BackupAndRestore(tmp_path / "run"), look], epochs=1)
    assert there == [1]


@pytest.mark.parametrize(("kind", "argument"), [(CSVLogger, "filename"), (TensorBoard, "log_dir")])
def test_two_of_a_kind_that_write_to_one_path_are_told(tmp_path, kind, argument):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.warns(UserWarning, match=rf"two {kind.__name__} write to .*link/a: give each a {argument} of its own"):
        fit([kind(tmp_path / "a"), kind(tmp_path / "link" / "a"), kind(tmp_path / "b")], epochs=1)
