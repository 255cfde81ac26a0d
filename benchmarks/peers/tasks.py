"""What every contestant trains: the same data, sizes and settings.

Data can be learned, so that losses tell who trains otherwise than the rest. An epoch is a whole number of batches:
nobody is compiled a second time for a smaller last one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

LEARNING_RATE, BETAS, EPSILON = 1e-3, (0.9, 0.999), 1e-7
"""Of Adam, which everyone uses."""

TOKENS, WIDTH, HEADS, BLOCKS, VOCABULARY = 32, 64, 4, 2, 256
"""Of the transformer, whose blocks are normalization, causal attention, normalization, and two dense layers."""

NORM_EPSILON = 1e-6


@dataclass(frozen=True)
class Task:
    """A network's kind and sizes, and how much of which data it sees."""

    name: str
    title: str
    kind: str
    """"dense", "conv" or "transformer"."""

    batch: int
    steps: int
    """Batches an epoch; a quarter as many are validated."""

    features: int = 0
    hidden: int = 0
    classes: int = 0
    starts: int = 1
    """How often each contestant is started from nothing."""

    @property
    def held_out(self) -> int:
        """The number of samples that are validated."""
        return self.batch * self.steps // 4

    def data(self) -> dict[str, np.ndarray]:
        """Return `x` and `y` to train on, `val_x` and `val_y` to validate on."""
        x, y = {"dense": _planted, "conv": _digits, "transformer": _chain}[self.kind](self)
        parts = {"x": x[self.held_out :], "y": y[self.held_out :]}
        return parts | {"val_x": x[: self.held_out], "val_y": y[: self.held_out]}


TASKS = {
    task.name: task
    for task in (
        Task("softmax", "softmax regression, 784 → 10, batch 128", "dense", 128, 192, 784, 0, 10),
        Task("mlp512", "dense 784 → 512 → 10, batch 128", "dense", 128, 192, 784, 512, 10),
        Task("tiny", "dense 8 → 16 → 2, batch 32", "dense", 32, 1024, 8, 16, 2),
        Task("conv", "two 3 × 3 convolutions on digits, batch 32", "conv", 32, 192, classes=10, starts=3),
        Task("transformer", "two transformer blocks, 32 tokens, width 64, batch 32", "transformer", 32, 64),
    )
}


def save(task: Task, folder: Path) -> None:
    """Write the task's data into a folder, one file an array."""
    for name, array in task.data().items():
        np.save(folder / f"{name}.npy", array)


def load(folder: Path) -> dict[str, np.ndarray]:
    """Return the data that `save` wrote."""
    return {name: np.load(folder / f"{name}.npy") for name in ("x", "y", "val_x", "val_y")}


def _planted(task):
    """Return random samples whose class is the largest of random linear functions of them."""
    rng, samples = np.random.default_rng(0), task.batch * task.steps + task.held_out
    x = rng.random((samples, task.features), dtype=np.float32)
    scores = (x - 0.5) @ rng.normal(size=(task.features, task.classes)).astype(np.float32)
    return x, scores.argmax(1).astype(np.int32)


def _digits(task):
    """Return scikit-learn's images, 8 x 8 pixels, each about five times: one epoch of few is over too soon."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(np.arange(task.batch * task.steps + task.held_out) % len(x))
    return (x[rows] / 16).astype(np.float32).reshape(-1, 8, 8, 1), y[rows].astype(np.int32)


def _chain(task):
    """Return texts in which one of four tokens follows each token, and the same texts one token on."""
    rng, samples = np.random.default_rng(0), task.batch * task.steps + task.held_out
    successors = rng.integers(0, VOCABULARY, (VOCABULARY, 4))
    texts = np.empty((samples, TOKENS + 1), np.int32)
    texts[:, 0] = rng.integers(0, VOCABULARY, samples)
    for at in range(TOKENS):
        texts[:, at + 1] = successors[texts[:, at], rng.integers(0, 4, samples)]
    return np.ascontiguousarray(texts[:, :-1]), np.ascontiguousarray(texts[:, 1:])
