"""A Keras model's own steps in Keras's fit and in ours: an epoch, without callbacks and with an unmodified one."""

import importlib.util
import os
import time

from benchmarks.contest import best_of, report
from benchmarks.workloads import WORKLOADS, arrays

ROUNDS = 4

LIMITS = {"softmax": (0.6, 0.5), "tiny": (0.1, 0.15), "mlp512": (0.8, 0.8), "conv": (0.8, 0.8)}
"""What an epoch may take of Keras's own: without callbacks, and with one that is called after each batch."""


def model(name):
    """Return the compiled Keras model of a workload."""
    import keras
    from keras import layers

    _, features, hidden, classes, _ = WORKLOADS[name]
    inside = [layers.Dense(hidden, activation="relu")] if hidden else []
    if name == "conv":
        convolutions = [layers.Conv2D(filters, 3, activation="relu", use_bias=False) for filters in (16, 32)]
        inside = [layers.Reshape((8, 8, 1)), *convolutions, layers.Flatten()]
    made = keras.Sequential([keras.Input((features,)), *inside, layers.Dense(classes, activation="softmax")])
    made.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    return made


def losses():
    """Return a callback of Keras that keeps the loss of each batch, as users write it."""
    import keras

    class Losses(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.losses = []

        def on_train_batch_end(self, batch, logs=None):
            self.losses.append(logs["loss"])

    return Losses()


def epoch(fit, name, *callbacks):
    """Return a contestant that trains three epochs, and says how long the last two took, each."""
    import keras

    x, y, batch = arrays(name)
    ends = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))

    def run():
        fit(x, y, batch_size=batch, epochs=3, verbose=0, callbacks=[*callbacks, clock])
        return (ends[-1] - ends[-3]) / 2

    return run


def main():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    if importlib.util.find_spec("keras") is None:
        print("  Keras isn't installed here (pip install keras)")
        return
    from epochal.keras import Model

    for name, limits in LIMITS.items():
        steps = len(arrays(name)[0]) // arrays(name)[2]
        for what, limit, callbacks in zip(("no callbacks", "each batch"), limits, ((), (losses(),)), strict=True):
            best = best_of(
                {
                    "keras": epoch(model(name).fit, name, *callbacks),
                    "epochal": epoch(Model(model(name)).fit, name, *callbacks),
                },
                ROUNDS,
            )
            print(f"{name}, {what}: " + ", ".join(f"{who} {t / steps * 1e6:.0f} us a step" for who, t in best.items()))
            report(f"{name}, {what}: epochal / Keras's own fit", best["epochal"] / best["keras"], limit)
