"""Kills, failing calls, full disks and power losses: what was saved is whole, and a run goes on bit for bit."""

import contextlib
import dataclasses
import errno
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from folders import SCRIPTS
from killed_runs import outcome
from numpy_engine import Model, fit

from epochal.callbacks import BackupAndRestore, LambdaCallback, ModelCheckpoint
from epochal.storage import files, generation
from epochal.storage.generation import Damaged, Generation

pytestmark = pytest.mark.faults


# Killed at any instant


def test_killed_at_random_instants_it_ends_as_if_it_had_not_been(forks, golden, tmp_path, long):
    rng, killed, runs = random.Random(0), 0, 26 if long else 1
    for run in range(runs):
        folder = tmp_path / str(run)
        for _ in range(2):
            before = begun(folder)
            process = forks.start(folder, save_freq=1)
            while begun(folder) == before and Path(f"/proc/{process}").exists():
                time.sleep(0.002)
            time.sleep(rng.random() * 0.4)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            killed += forks.wait() == -signal.SIGKILL
        assert forks.run(folder, save_freq=1) == 0, (folder / "output").read_text()
        assert outcome(folder) == golden(), f"run {run}"
        shutil.rmtree(folder)
    assert killed >= runs


def begun(folder):
    """Return how many processes have trained a batch."""
    return len((folder / "begun").read_text().split()) if (folder / "begun").exists() else 0


# Failing calls


@pytest.fixture
def strace(tmp_path):
    """Return a function that saves a run under strace, and what it printed and traced."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")

    def save(folder, *options):
        log = tmp_path / "trace"
        command = ["strace", "-f", "-y", "-o", log, *options, sys.executable, SCRIPTS / "save.py", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done, log.read_text()

    if "ptrace" in save(tmp_path / "probe")[0].stderr.lower():
        pytest.skip("strace may not trace here")
    return save


CALLS = "write,fsync,rename,unlink,close"


def points(trace, folder):
    """Return the calls of the third save: each its name, the path it is about, and its number among such calls."""
    partial, old = folder / ".generation-00000003.run.partial", folder / "generation-00000001.run"
    found = [("rename", partial, 1), ("unlink", old, 1)]
    for call, path in (
        ("write", partial),
        ("fsync", partial),
        ("close", partial),
        ("fsync", folder),
        ("close", folder),
    ):
        threads = re.findall(rf"^(\d+) +{call}\(\d+<{re.escape(str(path))}>", trace, re.MULTILINE)
        number = threads.count(threads[-1])  # strace counts calls of each thread; the last one is the writer's
        numbers = range(1, number + 1) if path == partial else (number * 3 // 4, number)
        found += [(call, path, n) for n in numbers]
    return found


@pytest.mark.parametrize("fault", ["signal=SIGKILL", "error=EIO", "error=ENOSPC"])
def test_whichever_call_of_a_save_fails_the_newest_or_the_one_before_is_whole(strace, tmp_path, long, fault):
    done, trace = strace(tmp_path / "whole", "-e", f"trace={CALLS}")
    assert done.stdout.split() == ["0", "1", "2", "finished"], done.stderr
    chosen = points(trace, tmp_path / "whole")
    for i, (call, path, number) in enumerate(chosen if long else chosen[:3]):
        folder = tmp_path / str(i)
        path = folder / path.relative_to(tmp_path / "whole")
        inject = f"inject={call}:{fault}:when={number}"
        done, trace = strace(folder, "-P", path, "-e", f"trace={CALLS}", "-e", inject)
        assert "INJECTED" in trace or "killed by SIGKILL" in trace, (call, path, number)
        said = done.stdout.split()
        assert "finished" not in said or call == "close", (call, path, done.stdout)
        acknowledged = len(said) - 1 if "finished" not in said else 4
        state = generation.read(newest_whole(folder))
        assert state["epoch"] >= min(acknowledged, 3), (call, path, said)
        if fault != "signal=SIGKILL":
            assert list(folder.glob(".*.partial")) == []
        fit([BackupAndRestore(folder)], epochs=3)
        assert generation.read(newest_whole(folder))["end"]


def newest_whole(folder):
    for path in sorted(folder.glob("generation-*.run"), reverse=True):
        try:
            generation.read(path)
        except Damaged:
            continue
        return path
    raise AssertionError(f"none is whole: {os.listdir(folder)}")


# Power loss


class Disk:
    """Records what is done to a folder, and tells what may be on the disk if the power goes at any moment.

    Data that weren't synced may be there, wholly or in part, be zeros, or be missing. A file that was made, renamed or
    removed may be so on the disk, or not yet, as long as the folder wasn't synced; such changes come in order.
    """

    def __init__(self, folder, monkeypatch):
        self.folder, self.operations = folder, []
        fsync, replace, unlink, write, durably = os.fsync, os.replace, os.unlink, Generation.write, files.write_durably

        def written(generation, path):
            write(generation, path)
            self.operations.append(("write", path.name, path.read_bytes()))

        def synced(handle):
            fsync(handle)
            path = Path(os.readlink(f"/proc/self/fd/{handle}"))
            if folder in (path, path.parent):
                self.operations.append(("sync folder",) if path == folder else ("sync", path.name))

        def replaced(source, target, **options):
            replace(source, target, **options)
            self.operations.append(("rename", Path(source).name, Path(target).name))

        def unlinked(path, **options):
            unlink(path, **options)
            self.operations.append(("unlink", Path(path).name))

        def acknowledged(*arguments):
            durably(*arguments)
            self.operations.append(("acknowledged",))

        monkeypatch.setattr(files, "write_durably", acknowledged)
        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(os, "replace", replaced)
        monkeypatch.setattr(os, "unlink", unlinked)
        monkeypatch.setattr(Generation, "write", written)

    def states(self, start):
        """Yield after which operation the power went, and a dict of the files then on the disk."""
        contents, unsynced, pending = dict(start), set(), []
        names = {name: name for name in start}  # what the disk has, by name: the content's key
        seen = dict(names)  # what programs see
        for at, operation in enumerate([("begin",), *self.operations]):
            match operation:
                case ("write", name, content):
                    key = f"{name} {at}"
                    contents[key] = content
                    unsynced.add(key)
                    pending.append(("link", name, key))
                    seen[name] = key
                case ("sync", name):
                    unsynced.discard(seen[name])
                case ("rename", source, target):
                    seen[target] = seen.pop(source)
                    pending.append(("rename", source, target))
                case ("unlink", name):
                    seen.pop(name)
                    pending.append(("unlink", name))
                case ("sync folder",):
                    names, pending = dict(seen), []
            for done in range(len(pending) + 1):
                on_disk = dict(names)
                for change in pending[:done]:
                    match change:
                        case ("link", name, key):
                            on_disk[name] = key
                        case ("rename", source, target):
                            on_disk[target] = on_disk.pop(source)
                        case ("unlink", name):
                            on_disk.pop(name)
                damaged = [key for key in on_disk.values() if key in unsynced]
                for damages in itertools.product(DAMAGES, repeat=len(damaged)):
                    lost = dict(zip(damaged, damages, strict=True))
                    yield at, {name: lost.get(key, bytes)(contents[key]) for name, key in on_disk.items()}


DAMAGES = (
    bytes,
    lambda content: b"",
    lambda content: bytes(len(content)),
    lambda content: content[: len(content) // 2],
    lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
    lambda content: bytes(512) + content[512:],
)


def lose_power(tmp_path, monkeypatch):
    """Return how many states were possible on the disk, and in how many of them nothing acknowledged could be loaded."""
    folder = tmp_path / "run"
    fit([BackupAndRestore(folder)], epochs=2)  # generations 2 and 3
    start = {path.name: path.read_bytes() for path in folder.glob("generation-*.run")}
    disk = Disk(folder, monkeypatch)
    fit([BackupAndRestore(folder)], epochs=4)  # three more
    saves = [i for i, operation in enumerate(disk.operations, 1) if operation == ("acknowledged",)]
    monkeypatch.undo()
    states = bad = 0
    tried = tmp_path / "tried"
    for at, on_disk in disk.states(start):
        shutil.rmtree(tried, ignore_errors=True)
        tried.mkdir()
        for name, content in on_disk.items():
            (tried / name).write_bytes(content)
        acknowledged = 2 + sum(i <= at for i in saves[:2])
        try:
            bad += generation.read(newest_whole(tried))["epoch"] < acknowledged
        except AssertionError:
            bad += 1
        states += 1
    return states, bad


def test_after_a_power_loss_what_was_acknowledged_can_be_loaded(tmp_path, monkeypatch):
    states, bad = lose_power(tmp_path, monkeypatch)
    assert states > 30
    assert bad == 0


@pytest.mark.parametrize("left_out", ["file", "folder"])
def test_without_one_of_the_syncs_it_could_not(tmp_path, monkeypatch, left_out):
    sync, wanted = files.sync, {"file": Path.is_file, "folder": Path.is_dir}[left_out]
    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", lambda path: None if wanted(path) else sync(path))
        _, bad = lose_power(tmp_path, patch)
    assert bad > 0


# Full disks


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder with room for 256 KB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", folder], check=True)


class Large(Model):
    """A model whose real file has `numbers` float32."""

    numbers = 40_000

    def snapshot(self, weights_only=False, reuse=None):
        from epochal.saving import LayerWeights, Snapshot

        weights = np.full(self.numbers, self.weights[0], np.float32)
        return Snapshot([LayerWeights("dense", "Dense", {"kernel": weights})], {}, None)


def test_on_a_full_disk_the_best_file_stays_the_temporary_one_goes_and_the_message_says_what_was_needed(small_disk):
    checkpoint = ModelCheckpoint(small_disk / "best.h5", "loss", save_best_only=True, save_weights_only=True)
    bests, before = [], []

    def remember(epoch, logs):
        checkpoint._writing.wait()
        bests.append(checkpoint.best)
        before.append((small_disk / "best.h5").read_bytes())

    message = r"could not write .*best\.h5: No space left on device; about 160,000 bytes were needed"
    with pytest.raises(OSError, match=message) as caught:
        fit([checkpoint, LambdaCallback(on_epoch_end=remember)], epochs=3, model=Large())
    assert caught.value.errno == errno.ENOSPC
    assert checkpoint.best == bests[0]
    assert (small_disk / "best.h5").read_bytes() == before[0]
    assert os.listdir(small_disk) == ["best.h5"]


def test_on_a_full_disk_the_saved_run_stays(small_disk):
    class Fills(BackupAndRestore):
        def save_run(self, state):
            large = np.zeros(150_000, np.uint8)
            super().save_run(dataclasses.replace(state, logs={**state.logs, "large": large}))

    with pytest.raises(
        OSError, match=r"could not write .*generation-00000001\.run: No space left on device; about 15\d,\d\d\d"
    ):
        fit([Fills(small_disk)], epochs=3)
    assert sorted(os.listdir(small_disk)) == ["generation-00000000.run", "lock"]
    assert generation.read(small_disk / "generation-00000000.run")["epoch"] == 0
