"""A long fit with every callback attached, and whether anything of it grows: `python tests/soaking.py [EPOCHS [SETTLED]]`.

What should be constant is measured after SETTLED epochs (50), when all is warm, and after the last of EPOCHS (2,000). In between
the monitor that the fit posts to hangs for a part of the time. Says what is measured; exits with 1 if anything grew.

What may grow, and how much:

memory           by 5 %, and by twice what the history takes (the lists of all epochs, and the copy that a saved run is made of)
Python objects   by 2 %
open files       by one socket: the connection to the monitor may just be there or not
JAX arrays, their bytes, threads, files: not at all
models           the bytes of models on the disk: by 1 %
run              the bytes of the saved run: by the history, as text
logs             CSV, events: by as much an epoch as until SETTLED, and 25 %
"""

import collections
import contextlib
import gc
import os
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import psutil
from monitoring import running

import epochal
from epochal import callbacks
from epochal.callbacks import Callback, Every
from epochal.layers import BatchNormalization, Dense, Dropout
from epochal.models import Sequential

HANGS = [(0.2, 0.35), (0.5, 0.6)]
"""When the monitor hangs, in parts of the run."""


# Measuring


def _folder_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _open_files():
    """Return how often each file, pipe or socket is open."""
    found = collections.Counter()
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[os.readlink(f"/proc/self/fd/{entry}").partition(":[")[0]] += 1
    return found


@dataclass(frozen=True)
class Measures:
    """What is there after an epoch; countable things by their names."""

    epoch: int
    memory: int
    history: int
    objects: collections.Counter
    arrays: collections.Counter
    array_bytes: int
    threads: collections.Counter
    open_files: collections.Counter
    files: collections.Counter
    models: int
    run: int
    logs: int
    seconds: float

    @classmethod
    def taken(cls, epoch, folder, history, seconds):
        gc.collect()
        arrays = jax.live_arrays()
        kept = (history.epoch, *history.history.values(), *history._epochs.values())
        names = [path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file()]
        return cls(
            epoch=epoch,
            memory=psutil.Process().memory_info().rss,
            history=sum(sys.getsizeof(values) + 32 * len(values) for values in kept),
            objects=collections.Counter(type(thing).__qualname__ for thing in gc.get_objects()),
            arrays=collections.Counter(f"{array.dtype}{list(array.shape)}" for array in arrays),
            array_bytes=sum(array.nbytes for array in arrays),
            threads=collections.Counter(thread.name for thread in threading.enumerate()),
            open_files=_open_files(),
            files=collections.Counter(names),
            models=_folder_bytes(folder / "models"),
            run=_folder_bytes(folder / "run"),
            logs=_folder_bytes(folder / "logs"),
            seconds=seconds,
        )


def growth(settled, end):
    """Return a line for each thing that has grown by more than it may."""
    rate = settled.logs / (settled.epoch + 1)
    may = {
        "memory": 1.05 * settled.memory + 2 * (end.history - settled.history),
        "objects": 1.02 * settled.objects.total(),
        "array_bytes": settled.array_bytes,
        "models": 1.01 * settled.models,
        "run": settled.run + 2 * (end.history - settled.history),
        "logs": settled.logs + 1.25 * rate * (end.epoch - settled.epoch),
        "open_files": settled.open_files.total() + (end.open_files["socket"] > settled.open_files["socket"]),
    } | {name: getattr(settled, name).total() for name in ("arrays", "threads", "files")}
    grown = []
    for name, most in may.items():
        before, after = getattr(settled, name), getattr(end, name)
        more = ""
        if isinstance(after, collections.Counter):
            added = ", ".join(f"{count:,} {kind}" for kind, count in (after - before).most_common(3))
            before, after, more = before.total(), after.total(), f": {added} more"
        if after > most:
            line = f"{name.replace('_', ' ')} grew from {before:,} to {after:,}, and may be {most:,.0f}{more}"
            grown.append(line)
    return grown


class Measuring(Callback):
    """Measures after two epochs, with everything written that was to be written; lets the monitor hang now and then.

    The very last epoch isn't measured: no other follows it, for which data would be made ready in the place of its own.

    Args:
        settled: After how many epochs the first time; the second time after the last but one.
        folder: Whose files are counted.
        monitor: The process of the monitor, or None.
    """

    is_sink = True  # which comes when all others have seen the epoch

    def __init__(self, settled, folder, monitor=None):
        self.settled, self.folder, self.monitor = settled, folder, monitor
        self.times, self.found = [], []

    def on_epoch_begin(self, epoch, logs=None):
        at = epoch / self.params["epochs"]
        if self.monitor is not None:
            hangs = any(first <= at < last for first, last in HANGS)
            self.monitor.send_signal(signal.SIGSTOP if hangs else signal.SIGCONT)

    def on_epoch_end(self, epoch, logs=None):
        self.times.append(time.perf_counter())
        del self.times[:-26]
        if epoch + 1 in (self.settled, self.params["epochs"] - 1):
            self.writer.put(lambda: None).wait()
            seconds = (self.times[-1] - self.times[0]) / (len(self.times) - 1)
            self.found.append(Measures.taken(epoch, self.folder, self.model.history, seconds))

    def state_dict(self):
        return {}


# The fit


class Follows(Callback):
    """A user's callback for every batch, which now and then looks at the weights."""

    def on_train_begin(self, logs=None):
        self.losses = collections.deque(maxlen=8)

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])
        if batch == 2:
            self.norm = float(abs(self.model.get_weights()[0]).sum())

    def state_dict(self):
        return {"losses": list(self.losses)}

    def load_state_dict(self, state):
        self.losses.extend(state["losses"])


class Wakes(Callback):
    """A user's callback that is woken, evaluates, and adds to the logs."""

    cadence = Every(3, "batch")

    def __init__(self, data):
        self.data, self.values = data, []

    def on_train_batch_begin(self, batch, logs=None):
        self.values = self.values[-2:]

    def on_train_batch_end(self, batch, logs=None):
        self.values.append(self.model.evaluate(*self.data, verbose=0)[0])

    def on_epoch_end(self, epoch, logs=None):
        logs["woken"] = len(self.values)

    def state_dict(self):
        return {"values": self.values}

    def load_state_dict(self, state):
        self.values = state["values"]


def everything(folder, data, root=None):
    """Return every callback there is, so set that none ends the fit."""
    listed = [
        callbacks.EarlyStopping("val_loss", patience=10**6, restore_best_weights=True),
        callbacks.ReduceLROnPlateau("val_loss", patience=5, cooldown=2, min_lr=1e-4),
        callbacks.LearningRateScheduler(lambda epoch, rate: 0.01 if epoch % 40 == 0 else rate),
        callbacks.ModelCheckpoint(folder / "models" / "{epoch:05d}.h5", keep=3),
        callbacks.ModelCheckpoint(folder / "models" / "best.weights.h5", "val_loss", save_best_only=True, save_weights_only=True),
        callbacks.BackupAndRestore(folder / "run"),
        callbacks.SwapEMAWeights(0.9),
        callbacks.TerminateOnNaN(),
        callbacks.CSVLogger(folder / "logs" / "log.csv"),
        callbacks.TensorBoard(folder / "logs", histogram_freq=1, write_grads=True, write_images=True, update_freq="batch"),
        callbacks.LambdaCallback(on_batch_end=lambda batch, logs: logs["loss"]),
        callbacks.ProgbarLogger(),
        callbacks.History(),
        Follows(),
        Wakes(data),
    ]  # fmt: skip
    if root is not None:
        monitor = callbacks.RemoteMonitor(root, every=Every(2, "batch"), system=True)
        monitor.deadline = 0.5
        listed.append(monitor)
    return listed


def soak(epochs, settled, listed, folder, monitor=None):
    """Fit a small model with callbacks, and return both measures.

    Args:
        epochs: After how many it is measured for the last time; there is one more.
        settled: After how many it is measured for the first time.
        listed: Returns the callbacks of data to validate on.
        folder: Whose files are counted.
        monitor: The process of the monitor, or None.
    """
    epochal.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 6)).astype(np.float32), rng.integers(0, 3, 60)
    model = Sequential([Dense(8, activation="relu", input_dim=6), BatchNormalization(), Dropout(0.2), Dense(3, activation="softmax")])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    measuring = Measuring(settled, folder, monitor)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        model.fit(
            x, y, batch_size=16, epochs=epochs + 1, verbose=1, validation_data=(x[:20], y[:20]),
            callbacks=[*listed((x[:20], y[:20])), measuring],
        )  # fmt: skip
    return measuring.found


def report(settled, end):
    """Print what was measured."""
    print(f"{'':12} {'epoch':>14} {settled.epoch + 1:>8,} {'epoch':>8} {end.epoch + 1:>8,}")
    for name in ("memory", "history", "objects", "arrays", "array_bytes", "threads", "open_files", "files", "models", "run", "logs"):  # fmt: skip
        before, after = (getattr(measures, name) for measures in (settled, end))
        if isinstance(after, collections.Counter):
            before, after = before.total(), after.total()
        print(f"{name.replace('_', ' '):12} {before:>23,} {after:>17,}")
    print(f"{'ms an epoch':12} {1000 * settled.seconds:>23.1f} {1000 * end.seconds:>17.1f}")


def main(epochs=2000, settled=50):
    with tempfile.TemporaryDirectory() as name, running(Path(name, "runs.db")) as monitor:
        folder = Path(name, "fit")
        folder.mkdir()
        since = time.monotonic()
        try:
            found = soak(epochs, settled, lambda data: everything(folder, data, monitor.root), folder, monitor.process)
        finally:
            monitor.process.send_signal(signal.SIGCONT)
        report(*found)
        grown = growth(*found)
        print(*(grown or ["Nothing grew."]), sep="\n")
        print(f"{epochs:,} epochs took {time.monotonic() - since:.0f} s.")
        return bool(grown)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
