"""A small convolutional net from a fresh process to the end of its first epoch, against Keras on JAX.

Of our own layers, and of Keras's in our loop.
"""

import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

from benchmarks.contest import best_of, report

ROUNDS = 5

IMPORTS = {
    "epochal": "from epochal import layers; from epochal.models import Sequential",
    "keras": "from keras import layers, Sequential",
    "epochal.keras": "from keras import layers, Sequential; from epochal.keras import Model",
}

RUNS = {"epochal.keras": "Model(model)"}
"""Whose `fit` is called, if not the model's own."""

SCRIPT = """
import json, time
times = [time.perf_counter()]
{imports}
import jax
import numpy as np
times.append(time.perf_counter())
model = Sequential([
    layers.Input((28, 28, 1)),
    layers.Conv2D(16, 3, activation="relu"),
    layers.MaxPooling2D(),
    layers.Conv2D(32, 3, activation="relu"),
    layers.MaxPooling2D(),
    layers.Flatten(),
    layers.Dense(64, activation="relu"),
    layers.Dropout(0.2),
    layers.Dense(10, activation="softmax"),
])
model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
times.append(time.perf_counter())
programs = []

def note(event, seconds, **_):
    if event == "/jax/core/compile/backend_compile_duration":
        programs.append(seconds)

jax.monitoring.register_event_duration_secs_listener(note)
rng = np.random.default_rng(0)
x, y = rng.random((1000, 28, 28, 1), dtype=np.float32), rng.integers(0, 10, 1000)
{run}.fit(x, y, batch_size=32, epochs=1, verbose=0)  # 31 batches of 32 and one of 8
times.append(time.perf_counter())
parts = dict(zip(["import", "build", "fit"], np.diff(times).tolist()))
print(json.dumps(parts | {{"of it in XLA": sum(programs), "programs": len(programs)}}))
"""

CACHED = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}


class Start:
    """A contestant: a process that trains one epoch."""

    def __init__(self, library, cache=None):
        self.script = SCRIPT.format(imports=IMPORTS[library], run=RUNS.get(library, "model"))
        own = {"KERAS_BACKEND": "jax"} | (CACHED | {"JAX_COMPILATION_CACHE_DIR": cache} if cache else {})
        # Who installs a package compiles it; so does the first round.
        unset = {"PYTHONDONTWRITEBYTECODE", "JAX_COMPILATION_CACHE_DIR"}
        self.environment = {name: value for name, value in os.environ.items() if name not in unset} | own
        self.runs = []

    def __call__(self):
        start, before = time.perf_counter(), processor_seconds()
        command = [sys.executable, "-c", self.script]
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True)
        taken = time.perf_counter() - start
        used = {"processor seconds": processor_seconds() - before}
        self.runs.append((taken, json.loads(done.stdout.splitlines()[-1]) | used))
        return taken

    def best_parts(self):
        """Return the parts of the best time of the rounds that count."""
        return min(self.runs[1:], key=lambda run: run[0])[1]


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def race(what, limit, cache=None):
    has_keras = importlib.util.find_spec("keras") is not None
    starts = {name: Start(name, cache and f"{cache}/{name}") for name in IMPORTS if has_keras or name == "epochal"}
    best = best_of(starts, ROUNDS)
    for name, start in starts.items():
        parts = ", ".join(f"{part} {value:.3g}" for part, value in start.best_parts().items())
        print(f"{what}, {name}: {best[name]:.2f} s: {parts}")
    if "keras" in starts:
        report(f"{what}: epochal / Keras on JAX", best["epochal"] / best["keras"], limit)
        report(f"{what}: Keras's model in our fit / Keras on JAX", best["epochal.keras"] / best["keras"], 1.1)
    else:
        print("  Keras isn't installed here: nothing to compare with (pip install keras)")


def main():
    race("first start", 0.7)
    with tempfile.TemporaryDirectory() as cache:
        race("start with JAX's compilation cache", 0.45, cache)
