"""How often values cross from the device to the host, counted in real fits."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from epochal.callbacks import Callback, CSVLogger, EarlyStopping, Every, TerminateOnNaN
from epochal.core import logs

from .drawing import Drawing
from .recording import BATCHES, compiled, data

EPOCHS = 5
LEFT, TOP, ROW, LONGEST = 366, 96, 46, 444


@contextlib.contextmanager
def counted() -> Iterator[list[object]]:
    """Return a list that gets an entry for each call of the one function that brings arrays to the host."""
    fetched: list[object] = []
    fetch = logs.fetch

    def noting(value: Any) -> Any:
        fetched.append(value)
        return fetch(value)

    modules = [m for name, m in sys.modules.items() if name.startswith("epochal.") and vars(m).get("fetch") is fetch]
    for module in modules:
        vars(module)["fetch"] = noting
    try:
        yield fetched
    finally:
        for module in modules:
            vars(module)["fetch"] = fetch


class LossHistory(Callback):
    """Keeps the loss of each batch."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin a list."""
        self.losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Read the loss."""
        self.losses.append(logs["loss"])


class Woken(LossHistory):
    """Keeps it before the next batch begins."""

    cadence = Every(1, "batch")


def fetches(folder: Path, *callbacks: Callback) -> int:
    """Return how often a fit of a model that is warm brings arrays to the host."""
    x, y = data()
    model = compiled()
    model.fit(x, y, batch_size=8, epochs=3, verbose=0)
    with counted() as fetched:
        model.fit(x, y, batch_size=8, epochs=EPOCHS, verbose=0, callbacks=list(callbacks))
    return len(fetched)


def fetches_by_hand() -> int:
    """Return how often a loop of jitted steps does that reads each loss."""
    x, y = (jnp.asarray(array) for array in data())
    step = jax.jit(jax.value_and_grad(lambda weights, x, y: jnp.mean((x @ weights - y) ** 2)))
    weights, losses = jnp.zeros((4, 1)), list[float]()
    for _ in range(EPOCHS):
        for batch in range(BATCHES):
            rows = slice(8 * batch, 8 * batch + 8)
            loss, gradient = step(weights, x[rows], y[rows])
            weights -= 0.01 * gradient
            losses.append(float(loss))
    return len(losses)


def counts(folder: Path) -> list[tuple[str, int]]:
    """Return what was watching, and how often values crossed.

    Args:
        folder: Where callbacks may write.
    """
    several = EarlyStopping("loss", patience=9), CSVLogger(folder / "log.csv"), TerminateOnNaN()
    return [
        ("a loop by hand, reading each loss", fetches_by_hand()),
        ("fit, woken at each batch, reading each loss", fetches(folder, Woken())),
        ("fit, LossHistory, reading each loss", fetches(folder, LossHistory())),
        ("fit, EarlyStopping, CSVLogger, TerminateOnNaN", fetches(folder, *several)),
        ("fit, without callbacks", fetches(folder)),
    ]


def draw(folder: Path) -> None:
    """Draw `lazy_logs.svg`."""
    with tempfile.TemporaryDirectory() as work:
        found = counts(Path(work))
    most = max(count for _, count in found)
    drawing = Drawing(LEFT + LONGEST + 90, TOP + ROW * len(found), "How often values cross from the device to the host")
    drawing.text(24, 36, "How often values cross from the device to the host", bold=True, size=17)
    drawing.text(24, 60, f"{EPOCHS} epochs of {BATCHES} batches, each with a loss", "faint", 13)
    for row, (name, count) in enumerate(found):
        y, width = TOP + ROW * row - 8, max(2.0, LONGEST * count / most)
        drawing.text(LEFT - 16, y + 18, name, size=13.5, anchor="end")
        drawing.rect(LEFT, y, width, 26, "pale", "blue", 2)
        drawing.text(LEFT + width + 10, y + 18, f"{count:,}", bold=True)
    drawing.save(folder / "lazy_logs.svg")
