"""A user's script: data, a model, callbacks and one of their own. It runs, and type checkers accept it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from epochal.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    Every,
    History,
    ModelCheckpoint,
    ReduceLROnPlateau,
    RemoteMonitor,
)
from epochal.layers import Dense, Dropout, Input
from epochal.models import Model, Sequential, load_model


class Peaks(Callback):
    """Remembers the greatest loss of a batch, also when the run is resumed."""

    cadence = Every(10, "batch")

    def on_train_begin(self, logs: Any = None) -> None:
        self.peak = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.peak = max(self.peak, float(logs["loss"]))

    def state_dict(self) -> dict[str, Any]:
        return {"peak": self.peak}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.peak = state["peak"]


rng = np.random.default_rng(0)
x = rng.normal(size=(320, 8)).astype("float32")
y = (x.sum(1) > 0).astype("int32")

model = Sequential([Input((8,)), Dense(16, activation="relu"), Dropout(0.1), Dense(2, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history: History = model.fit(
    x,
    y,
    batch_size=32,
    epochs=3,
    validation_split=0.2,
    callbacks=[
        Peaks(),
        EarlyStopping(patience=5, restore_best_weights=True),
        ReduceLROnPlateau(factor=0.5, patience=2),
        ModelCheckpoint("best.h5", monitor="val_accuracy", save_best_only=True),
        CSVLogger("log.csv"),
        RemoteMonitor(sys.argv[1]),
        BackupAndRestore("run"),
    ],
)
losses: list[float] = history.history["loss"]
assert len(losses) == 3
scores = model.evaluate(x, y, verbose=0)
guesses: np.ndarray[Any, Any] = model.predict(x[:2], verbose=0)
assert guesses.shape == (2, 2)
loaded = load_model("best.h5")

left, right = Input((8,)), Input((8,))
pair = Model([left, right], Dense(1)(left + right))
pair.compile("sgd", "mse")
pair.fit([x, x], y, verbose=0)
