"""What a training step costs with callbacks attached, against loops written by hand."""

import contextlib
import os
import pty
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import workloads
from benchmarks.contest import best_of, report
from epochal.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    Every,
    ReduceLROnPlateau,
    TerminateOnNaN,
)

ROUNDS = {"softmax": 6, "mlp512": 3, "tiny": 10, "conv": 6}


class EpochTime(Callback):
    """The time from an epoch's first hook to its last, other callbacks and validation included."""

    is_sink = True

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.started


class EpochBegins(Callback):
    """Notes when each epoch begins: from one begin to the next one all is in, saves too."""

    is_sink = True

    def on_train_begin(self, logs=None):
        self.begins = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begins.append(time.perf_counter())

    def state_dict(self):
        return {}


class ReadsLoss(Callback):
    """The reference's example: the loss of each batch."""

    def __init__(self, cadence=None):
        self.cadence = cadence

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])


class Looks(Callback):
    """Looks at the weights at each hundredth batch; with a cadence it is called for no other."""

    def __init__(self, cadence=None):
        self.cadence, self.count = cadence, 0

    def on_batch_end(self, batch, logs=None):
        self.count += 1 if self.cadence is None else self.cadence.n
        if self.count % 100 == 0:
            self.model.get_weights()


def five(folder):
    return [
        EarlyStopping("loss", patience=10**6),
        ReduceLROnPlateau("loss", patience=10**6),
        CSVLogger(Path(folder) / "log.csv"),
        TerminateOnNaN(),
    ]


def fitting(model, data, callbacks=list, verbose=0, around=contextlib.nullcontext):
    """Return a contestant that trains an epoch with `fit`, in its second epoch, when all is compiled."""
    x, y, batch = data

    def epoch():
        timer = EpochTime()
        with around():
            model.fit(x, y, batch_size=batch, epochs=2, verbose=verbose, callbacks=[*callbacks(), timer])
        return timer.seconds

    return epoch


@contextlib.contextmanager
def terminal():
    """Make standard output a terminal that nobody looks at, so that the bar is really drawn."""
    master, slave = pty.openpty()
    reader = subprocess.Popen(["cat"], stdin=master, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    old, sys.stdout = sys.stdout, os.fdopen(slave, "w")
    try:
        yield
    finally:
        sys.stdout.close()
        sys.stdout = old
        os.close(master)
        reader.terminate()
        reader.wait()


def contestants(name, folder):
    """Return by name what trains an epoch of a workload."""
    data = workloads.arrays(name)

    def fit(callbacks=list, **options):
        return fitting(workloads.model(name), data, callbacks, **options)

    return {
        "hand": workloads.hand(name),
        "float": workloads.hand(name, read_loss=True),
        "fused": workloads.fused(name),
        "none": fit(),
        "fit": fit(lambda: five(folder)),
        "bar": fit(lambda: five(folder), verbose=1, around=terminal),
        "reads": fit(lambda: [ReadsLoss()]),
        "woken": fit(lambda: [ReadsLoss(Every(1, "batch"))]),
        "looks": fit(lambda: [Looks()]),
        "exact": fit(lambda: [Looks(Every(100, "batch"))]),
    }


def steps(folder):
    limits = {"softmax": 0.85, "mlp512": 0.95, "tiny": 0.6, "conv": 1.0}
    for name, rounds in ROUNDS.items():
        x, _, batch = workloads.arrays(name)
        best = best_of(contestants(name, folder), rounds)
        print(f"{name}:", ", ".join(f"{k} {v / (len(x) // batch) * 1e6:.1f}" for k, v in best.items()), "us/step")
        # On a CPU a loop that isn't rewritten leaves convolutions to a slow path
        fused = min(best["hand"], best["fused"]) if name == "conv" else best["fused"]
        by_hand = "the faster of hand and fused" if name == "conv" else "fused"
        report(f"fit with five callbacks / {by_hand}", best["fit"] / fused, limits[name])
        report("progress bar adds", best["bar"] / best["fit"] - 1, 0.05)
        report(
            "a callback that reads each loss / no callback",
            best["reads"] / best["none"],
            1.4 if name == "tiny" else 1.05,
        )
        report(f"a callback that reads each loss / {by_hand}", best["reads"] / fused, 1)
        report("the same, woken at each batch / hand loop that reads it", best["woken"] / best["float"], 1)
        report("a look at each hundredth batch / a cadence that says so", best["looks"] / best["exact"], 1.2)


def overheads(folder):
    x, y, _ = workloads.arrays("tiny")
    model = workloads.model("tiny")
    model.fit(x[:32], y[:32], epochs=20, verbose=0, callbacks=five(folder))
    start = time.perf_counter()
    model.fit(x[:32], y[:32], epochs=500, verbose=0, callbacks=five(folder))
    report("an epoch of one batch, five callbacks", (time.perf_counter() - start) / 500 * 1e3, 1, "ms")
    model.fit(x[:3200], y[:3200], epochs=50, verbose=0, callbacks=five(folder))
    before = resident()
    model.fit(x[:3200], y[:3200], epochs=200, verbose=0, callbacks=five(folder))
    report("resident set grows over 200 epochs by", resident() - before, 5, "MB")


def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def copies():
    """How much memory a fit takes, in units of its training data."""
    script = (
        "import numpy as np, resource\n"
        "from benchmarks import workloads\n"
        "model = workloads.model('softmax')\n"
        "x, y, batch = workloads.arrays('softmax')\n"
        "model.fit(x[:256], y[:256], batch_size=batch, verbose=0)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak(); model.fit(x, y, batch_size=batch, epochs=2, verbose=0)\n"
        "print((peak() - before) / x.nbytes)"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    report("training data is copied", float(printed), 1.1, "x")


def imports():
    def importing(statement):
        def run():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            return time.perf_counter() - start

        return run

    best = best_of({"numpy": importing("import numpy"), "ours": importing("import epochal.callbacks")}, 7)
    report("import epochal.callbacks over import numpy", best["ours"] - best["numpy"], 0.15, "s")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        steps(folder)
        overheads(folder)
    copies()
    imports()
