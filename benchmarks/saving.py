"""What saving costs: ModelCheckpoint on a large model, BackupAndRestore on mlp512, and the memory they take."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from benchmarks import workloads
from benchmarks.contest import best_of, report
from benchmarks.training import EpochBegins
from epochal.callbacks import BackupAndRestore, ModelCheckpoint

ROUNDS = 4


def large():
    """Return a model of 100 M parameters, 400 MB, and a little to train it on for about a second an epoch."""
    from epochal.layers import Dense
    from epochal.models import Sequential

    model = Sequential([Dense(10_000, use_bias=False, input_dim=5_000), Dense(5_000, use_bias=False)])
    model.compile(loss="mse", optimizer="sgd")
    model.build((None, 5_000))
    rng = np.random.default_rng(0)
    return model, rng.random((64, 5_000), dtype=np.float32), rng.random((64, 5_000), dtype=np.float32)


def plain_write(path, weights):
    """Write weights as one would without thinking of anything, and wait for the disk."""
    start = time.perf_counter()
    with h5py.File(path, "w") as file:
        for i, weight in enumerate(weights):
            file.create_dataset(str(i), data=weight)
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    return time.perf_counter() - start


class Timed(ModelCheckpoint):
    """Times how long training is blocked by a save, and how long the write takes in the background."""

    def on_epoch_end(self, epoch, logs=None):
        start = time.perf_counter()
        super().on_epoch_end(epoch, logs)
        self.blocked = time.perf_counter() - start
        self._writing.wait()  # so that the write has the machine to itself, as the plain one has
        self.written = time.perf_counter() - start - self.blocked


def checkpoints(folder):
    model, x, y = large()
    checkpoint = Timed(folder / "model.weights.h5", save_weights_only=True)

    def save():
        model.fit(x, y, batch_size=32, epochs=2, verbose=0, callbacks=[checkpoint])
        return checkpoint

    best = best_of(
        {
            "plain": lambda: plain_write(folder / "plain.h5", model.get_weights()),
            "blocked": lambda: save().blocked,
            "background": lambda: save().written,
        },
        ROUNDS,
    )
    print("400 MB:", ", ".join(f"{name} {seconds * 1e3:.0f} ms" for name, seconds in best.items()))
    report("ModelCheckpoint blocks training / a plain h5py write with fsync", best["blocked"] / best["plain"], 0.25)
    report("its background write / the plain one", best["background"] / best["plain"], 1.3)


def backups(folder):
    x, y, batch = workloads.arrays("mlp512")
    model, number = workloads.model("mlp512"), iter(range(1000))

    def epoch(callbacks):
        timer = EpochBegins()
        model.fit(x, y, batch_size=batch, epochs=4, verbose=0, callbacks=[timer, *callbacks()])
        return min(np.diff(timer.begins))

    without = lambda: epoch(list)
    saving = lambda: epoch(lambda: [BackupAndRestore(folder / f"run{next(number)}")])
    best = best_of({"without": without, "saving": saving}, 2 * ROUNDS)
    print("mlp512:", ", ".join(f"{name} {seconds:.3f} s/epoch" for name, seconds in best.items()))
    report("BackupAndRestore each epoch adds to an epoch of 5 s", (best["saving"] - best["without"]) / 5, 0.02)


PEAK = """
import re, sys, tempfile
from pathlib import Path
from benchmarks.saving import large
from epochal.callbacks import BackupAndRestore, ModelCheckpoint

def peak(callbacks):
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest resident set so far
    model.fit(x, y, batch_size=32, epochs=4, verbose=0, callbacks=callbacks)
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

model, x, y = large()
peak([])
with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    path = folder / "model.weights.h5"
    checkpoint, backup = ModelCheckpoint(path, save_weights_only=True), BackupAndRestore(folder)
    without, saving = peak([]), peak([checkpoint if sys.argv[1] == "ModelCheckpoint" else backup])
    print((saving - without) / max(p.stat().st_size for p in folder.iterdir()))
"""


def peaks():
    """How much memory saving takes at its peak, in units of the bytes that are saved."""
    for name in ("ModelCheckpoint", "BackupAndRestore"):
        command = [sys.executable, "-c", PEAK, name]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        report(f"peak memory that {name} adds / bytes saved", float(printed.split()[-1]), 1.2)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkpoints(Path(folder))
        backups(Path(folder))
    peaks()
