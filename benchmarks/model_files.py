"""Writing and reading a model of 400 MB, against plain h5py."""

import os
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from benchmarks.contest import best_of, report
from epochal.layers import Dense, Input
from epochal.models import Sequential

WIDTH, DEPTH, ROUNDS = 5000, 4, 5


def timed(work):
    def run():
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return run


def plain_write(path, arrays):
    """Write arrays as h5py does by itself, and wait for the disk."""
    with h5py.File(path, "w") as file:
        for number, array in enumerate(arrays):
            file.create_dataset(str(number), data=array)
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def plain_read(path):
    with h5py.File(path) as file:
        return [stored[()] for stored in file.values()]


def main():
    model = Sequential([Input((WIDTH,)), *(Dense(WIDTH, kernel_initializer="zeros") for _ in range(DEPTH))])
    random = np.random.default_rng(0)
    model.set_weights([random.random(w.shape, "float32") for w in model.get_weights()])
    model.predict(np.zeros((1, WIDTH), "float32"))  # from here on the weights are an engine's
    snapshot = model.snapshot(weights_only=True)
    arrays = [array for layer in snapshot.layers for array in layer.arrays.values()]
    with tempfile.TemporaryDirectory() as folder:
        plain, ours = Path(folder) / "plain.h5", Path(folder) / "ours.h5"
        contestants = {
            "plain write": timed(lambda: plain_write(plain, arrays)),
            "background write": timed(lambda: snapshot.save(ours)),
            "snapshot": timed(lambda: model.snapshot(weights_only=True, reuse=snapshot)),
            "save_weights": timed(lambda: model.save_weights(ours)),
            "plain read": timed(lambda: plain_read(plain)),
            "load_weights": timed(lambda: model.load_weights(ours)),
        }
        best = best_of(contestants, ROUNDS)
    for name, seconds in best.items():
        print(f"  {name:<58} {seconds:8.3f} s   ({snapshot.nbytes / seconds / 1e6:,.0f} MB/s)")
    report("background write / plain h5py write with fsync", best["background write"] / best["plain write"], 1.3)
    report("save_weights / plain h5py write with fsync", best["save_weights"] / best["plain write"], 1.3)
    report("blocked by the snapshot / plain h5py write with fsync", best["snapshot"] / best["plain write"], 0.25)
    report("load_weights / plain h5py read", best["load_weights"] / best["plain read"], 1.3)
