"""Checkpoints that can't be written: the error comes early, and what was saved stays."""

import contextlib
import errno
import os
import resource
import signal
import subprocess
import threading

import pytest
from checkpointing import Saved, names, train

from epochal.callbacks import Callback, ModelCheckpoint


@contextlib.contextmanager
def no_room_for(size):
    """Let no file of this process get larger than `size` bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)


class Grows(Callback):
    """Makes the model's files so many times larger after an epoch."""

    def __init__(self, times, after=0):
        self.times, self.after = times, after

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.after:
            self.model.times *= self.times


def test_without_room_the_best_file_and_the_best_stay_and_the_message_says_what_was_needed(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "best.h5", save_best_only=True)
    message = r"could not write .*best\.h5: File too large; about 160,000 bytes were needed"
    with pytest.raises(OSError, match=message) as caught, no_room_for(100_000):
        train(checkpoint, model=Saved(), more=[Grows(10_000)])
    assert caught.value.errno == errno.EFBIG
    assert checkpoint.best == 3.0
    assert names(tmp_path) == ["best.h5"]
    assert (tmp_path / "best.h5").stat().st_size == 16


def test_a_write_that_failed_is_an_error_before_another_epoch_is_over(tmp_path):
    class Counts(Callback):
        def on_epoch_end(self, epoch, logs=None):
            epochs.append(epoch)

    epochs = []
    logged = {"val_loss": [5.0, 4.0, 3.0, 2.0, 1.0]}
    checkpoint = ModelCheckpoint(tmp_path / "best.h5", save_best_only=True)
    with pytest.raises(OSError, match="could not write"), no_room_for(100_000):
        train(checkpoint, model=Saved(), more=[Grows(10_000), Counts()], logged=logged)
    assert epochs in ([0, 1], [0])
    assert checkpoint.best == 5.0


def test_comparisons_use_the_best_that_is_queued(tmp_path):
    gate = threading.Event()

    class Looks(Callback):
        def on_epoch_end(self, epoch, logs=None):
            bests.append((checkpoint.best, names(tmp_path)))
            gate.set()

    bests, checkpoint = [], ModelCheckpoint(tmp_path / "best.h5", save_best_only=True)
    train(checkpoint, epochs=1, model=Saved(gate=gate), more=[Looks()])
    assert bests == [(3.0, [])]
    assert names(tmp_path) == ["best.h5"]


def test_what_was_kept_before_a_failed_write_stays(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}.h5", keep=1)
    with pytest.raises(OSError, match="could not write"), no_room_for(100_000):
        train(checkpoint, model=Saved(), more=[Grows(10_000)])
    assert names(tmp_path) == ["1.h5"]
    assert [name for name, _ in checkpoint.state_dict()["kept"]] == ["1.h5"]


def test_a_reader_never_sees_half_a_file(tmp_path):
    sizes, path, over = set(), tmp_path / "best.h5", threading.Event()

    def read():
        while not over.is_set():
            with contextlib.suppress(FileNotFoundError):
                sizes.add(len(path.read_bytes()))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        train(ModelCheckpoint(path), epochs=30, model=Saved(times=100_000), logged={"val_loss": [1.0] * 30})
    finally:
        over.set()
        reader.join()
    assert sizes == {1_600_000}


@pytest.fixture
def read_only(tmp_path):
    """Return a folder that nothing can be written to."""
    folder = tmp_path / "read_only"
    folder.mkdir()
    if os.geteuid():
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "none", folder], capture_output=True, check=False
    ).returncode:
        pytest.skip("root may write anywhere, and can't mount here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", ["best.h5", "{epoch}.h5", "{epoch}/best.h5", "new/best.h5"])
def test_a_folder_that_cannot_be_written_to_is_an_error_before_the_first_batch(read_only, name):
    class Counts(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise AssertionError

    with pytest.raises(OSError, match="nothing can be written to .*read_only.*: (Read-only|Permission)"):
        train(ModelCheckpoint(read_only / name), more=[Counts()])


@pytest.mark.parametrize("name", ["a/b/best.h5", "a/{epoch}/best.h5"])
def test_missing_folders_are_made(tmp_path, name):
    train(ModelCheckpoint(tmp_path / name), epochs=1)
    assert names(tmp_path) == [name.format(epoch=1)]


def test_an_unknown_suffix_is_an_error_before_the_first_batch(tmp_path):
    with pytest.raises(ValueError, match=r"best\.pkl' has an unknown suffix"):
        train(ModelCheckpoint(tmp_path / "best.pkl"), epochs=1)
