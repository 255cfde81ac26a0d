"""What each callback costs: fits with it and without, by turns; writes the table of docs/callbacks/index.md.

Several contestants have no callback: as far as they are from each other, as far may any other figure be off. An epoch
lasts from its begin to the begin of the next one, saves included; what is written in the background has the same cores.
A fit's figure is the median of its epochs, a contestant's the best of its fits.
"""

import contextlib
import itertools
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import figures, machine, workloads
from benchmarks.contest import best_of
from benchmarks.monitor_server import start
from benchmarks.training import EpochBegins, ReadsLoss, terminal
from epochal.callbacks import (
    BackupAndRestore,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    Every,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgbarLogger,
    ReduceLROnPlateau,
    RemoteMonitor,
    SwapEMAWeights,
    TensorBoard,
    TerminateOnNaN,
)

EPOCHS = 6  # of a fit; the first one, in which things are compiled, doesn't count
ROUNDS = {"tiny": 12, "softmax": 8}
NOTHING, BAR = "nothing", "ProgbarLogger on a terminal"
BATCHES = 2_000  # of a loop by hand
FOREVER = 10**6  # epochs of patience


def listed(folder, port):
    """Return by name what makes the callbacks of a fit; each fit has a folder of its own where that matters."""
    numbers, root = itertools.count(), f"http://127.0.0.1:{port}"
    new = lambda: folder / str(next(numbers))
    everyday = lambda: [
        EarlyStopping("loss", patience=FOREVER),
        ReduceLROnPlateau("loss", patience=FOREVER),
        ModelCheckpoint(folder / "best.h5", "loss", save_best_only=True),
        CSVLogger(folder / "log.csv"),
        TerminateOnNaN(),
        BackupAndRestore(new()),
    ]
    return {
        "EarlyStopping": lambda: [EarlyStopping("loss", patience=FOREVER)],
        "EarlyStopping, restore_best_weights": lambda: [
            EarlyStopping("loss", patience=FOREVER, restore_best_weights=True)
        ],
        "ReduceLROnPlateau": lambda: [ReduceLROnPlateau("loss", patience=FOREVER)],
        "LearningRateScheduler": lambda: [LearningRateScheduler(lambda epoch: 1e-3 * 0.9**epoch)],
        "ModelCheckpoint": lambda: [ModelCheckpoint(folder / "model.h5")],
        "ModelCheckpoint, save_weights_only": lambda: [
            ModelCheckpoint(folder / "model.weights.h5", save_weights_only=True)
        ],
        "BackupAndRestore": lambda: [BackupAndRestore(new())],
        "SwapEMAWeights": lambda: [SwapEMAWeights()],
        "TerminateOnNaN": lambda: [TerminateOnNaN()],
        "CSVLogger": lambda: [CSVLogger(folder / "log.csv")],
        "TensorBoard": lambda: [TensorBoard(new())],
        "TensorBoard, update_freq='batch'": lambda: [TensorBoard(new(), update_freq="batch")],
        "RemoteMonitor": lambda: [RemoteMonitor(root)],
        "RemoteMonitor, Every(100, 'batch')": lambda: [RemoteMonitor(root, every=Every(100, "batch"))],
        BAR: lambda: [ProgbarLogger()],
        "History": lambda: [History()],
        "LambdaCallback, on_epoch_end": lambda: [LambdaCallback(on_epoch_end=lambda epoch, logs: logs["loss"])],
        "LambdaCallback, on_batch_end": lambda: [LambdaCallback(on_batch_end=lambda batch, logs: logs["loss"])],
        "one for every batch, called at once": lambda: [ReadsLoss(Every(1, "batch"))],
        "six of these": everyday,
    }


def fitting(model, data, callbacks, bar):
    """Return a contestant that fits, and returns the seconds of one of its epochs: the median of some."""
    x, y, batch = data

    def seconds():
        begins = EpochBegins()
        with terminal() if bar else contextlib.nullcontext():
            model.fit(x, y, batch_size=batch, epochs=EPOCHS, verbose=int(bar), callbacks=[*callbacks(), begins])
        return statistics.median(b - a for a, b in itertools.pairwise(begins.begins[1:]))

    return seconds


def compared(name, folder, port):
    """Return the ms of an epoch of a workload: of several contestants without callbacks, and with each callback."""
    data, model, contestants = workloads.arrays(name), workloads.model(name), {}
    for number, (what, callbacks) in enumerate(listed(folder, port).items()):
        if number % 5 == 0:
            contestants[f"{NOTHING} {number}"] = fitting(model, data, list, bar=False)
        contestants[what] = fitting(model, data, callbacks, bar=what == BAR)
    best = {what: seconds * 1e3 for what, seconds in best_of(contestants, ROUNDS[name]).items()}
    bare = [best.pop(what) for what in [*best] if what.startswith(NOTHING)]
    print(f"{name}: {min(bare):.2f} to {max(bare):.2f} ms an epoch without callbacks")
    for what, taken in best.items():
        print(f"  {what:<40} {taken - min(bare):+8.2f} ms", flush=True)
    return {"steps": len(data[0]) // data[2], "without": bare, "with": best}


def looping(callbacks):
    """Return a contestant that goes through the hooks of a loop by hand, and returns the seconds of a batch."""

    def seconds():
        with CallbackList(callbacks(), steps=BATCHES, verbose=0) as hooks:
            hooks.on_train_begin()
            hooks.on_epoch_begin(0)
            began = time.perf_counter()
            for batch in range(BATCHES):
                hooks.on_train_batch_begin(batch, {"size": 32})
                hooks.on_train_batch_end(batch, {"loss": 0.5, "size": 32})
            taken = time.perf_counter() - began
            hooks.on_epoch_end(0)
            hooks.on_train_end()
        return taken / BATCHES

    return seconds


def loops():
    """Print what a CallbackList costs in a loop by hand."""
    watching = lambda: [EarlyStopping("loss"), TerminateOnNaN(), ReadsLoss(Every(100, "batch"))]
    best = best_of({"CallbackList()": looping(list), "CallbackList of three": looping(watching)}, 20)
    for name, seconds in best.items():
        print(f"{name}: {seconds * 1e6:.1f} µs a batch")


def main() -> None:
    results = {
        "command": "python -m benchmarks callbacks",
        "machine": machine.description(["epochal", "jax", "jaxlib", "numpy", "h5py"]),
        "began": machine.moment(),
    }
    with tempfile.TemporaryDirectory() as folder:
        server, port = start(Path(folder) / "runs.db")
        try:
            results["fits"] = {name: compared(name, Path(folder) / name, port) for name in ROUNDS}
        finally:
            server.terminate()
            server.wait(10)
    results["ended"] = machine.moment()
    figures.save("callbacks", results)
    loops()
