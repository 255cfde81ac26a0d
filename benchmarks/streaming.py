"""Training on batches that come one by one, or from a file that is not held in memory, against data on the device."""

import contextlib
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from benchmarks import workloads
from benchmarks.contest import best_of, report
from benchmarks.training import EpochTime, ReadsLoss, five
from epochal.data.chunks import BUDGET_BYTES

WORKLOAD = "softmax"
ROUNDS = 12


class Batches:
    """An iterable of batches that lie in memory, as a data loader gives them."""

    def __init__(self, x, y, size):
        self._parts = [(x[at : at + size], y[at : at + size]) for at in range(0, len(x), size)]

    def __len__(self):
        return len(self._parts)

    def __iter__(self):
        return iter(self._parts)


def mapped(array, folder, name):
    """Return an array as a file in memory."""
    path = Path(folder) / f"{name}.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def sources(folder):
    """Return by name the arguments of `fit` for the same data on the device, in files, and as batches."""
    x, y, batch = workloads.arrays(WORKLOAD)
    return {
        "device": {"x": x, "y": y, "batch_size": batch},
        "memmap": {"x": mapped(x, folder, "x"), "y": mapped(y, folder, "y"), "batch_size": batch},
        "batches": {"x": Batches(x, y, batch)},
    }


def fitting(given, callbacks=list):
    """Return a contestant that trains an epoch, in its second epoch, when all is compiled."""
    model = workloads.model(WORKLOAD)

    def epoch():
        timer = EpochTime()
        model.fit(**given, epochs=2, verbose=0, callbacks=[*callbacks(), timer])
        return timer.seconds

    return epoch


def private_bytes():
    """Return the memory of this process that is its own, pages of files left out."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


@contextlib.contextmanager
def highest(measure, seconds=0.001):
    """Give a list whose last item is the largest value of `measure` meanwhile."""
    found, done = [measure()], threading.Event()

    def look():
        while not done.wait(seconds):
            found.append(max(found[-1], measure()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def added_memory(source):
    """Print how much more memory a fit takes at its highest than before it; in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        given = sources(folder)[source]
        model = workloads.model(WORKLOAD)
        model.fit(**given, epochs=1, verbose=0)
        before = private_bytes()
        with highest(private_bytes) as found:
            model.fit(**given, epochs=3, verbose=0)
    print((found[-1] - before) / BUDGET_BYTES)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        attached = {
            "no callback": list,
            "five callbacks": lambda: five(folder),
            "each loss read": lambda: [ReadsLoss()],
        }
        for words, callbacks in attached.items():
            best = best_of({name: fitting(given, callbacks) for name, given in sources(folder).items()}, ROUNDS)
            print(f"{words}:", ", ".join(f"{name} {s * 1e3:.1f}" for name, s in best.items()), "ms an epoch")
            report("a file in memory / data on the device", best["memmap"] / best["device"], 1.3)
            report("an iterable of batches / data on the device", best["batches"] / best["device"], 1.3)
    for source in ("memmap", "batches"):
        script = f"from benchmarks.streaming import added_memory; added_memory({source!r})"
        printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
        report(f"memory added by {source}, in byte budgets of a span", float(printed), 3)
