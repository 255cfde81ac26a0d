"""What a contestant is: how its training is started, and what it says of it."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.peers.tasks import Task

VARIANTS = {
    "plain": "no callbacks",
    "losses": "a callback keeps each batch's loss",
    "validation": "validation after each epoch",
    "checkpoint": "a checkpoint after each epoch",
}


@dataclass
class Record:
    """What a fit tells of itself."""

    ends: list[float] = field(default_factory=list)
    """When each epoch had ended, by `time.perf_counter`."""

    losses: list[float] = field(default_factory=list)
    """The mean training loss of each epoch."""

    kept: int = 0
    """How many losses of batches a callback kept."""

    val_losses: list[float] = field(default_factory=list)

    def ended(self, loss: float) -> None:
        """Note an epoch's mean loss and that the epoch has ended."""
        self.losses.append(float(loss))
        self.ends.append(time.perf_counter())


Fit = Callable[[int, str, Path], Record]
"""Trains some more epochs in a variant, with a folder for its checkpoints."""

Make = Callable[[Task, dict[str, np.ndarray]], Fit]
"""Builds a task's network for its data."""


@dataclass(frozen=True)
class Contestant:
    """A way to train, as its own users would write it."""

    title: str
    module: str
    make: str
    """The name of a `Make` in the module, which is imported only in the process that trains."""

    libraries: tuple[str, ...]
    """The distributions whose versions are told."""

    per_call: int = 1
    """Batches for which a per-batch callback is called once."""

    def load(self) -> Make:
        """Import the libraries."""
        return getattr(importlib.import_module(self.module), self.make)


JAX = ("jax", "jaxlib", "flax", "optax")


def _of(file: str, make: str, title: str, libraries: tuple[str, ...], per_call: int = 1) -> Contestant:
    """Return a contestant of a file beside this one."""
    return Contestant(title, f"{__package__}.{file}", make, libraries, per_call)


CONTESTANTS = {
    "epochal": _of("with_keras_names", "epochal_layers", "epochal, its own layers", ("epochal", *JAX)),
    "epochal_nnx": _of("with_nnx", "epochal_nnx", "epochal, an NNX module", ("epochal", *JAX)),
    "epochal_keras": _of("with_keras_names", "epochal_keras", "epochal, a Keras model", ("epochal", "keras", *JAX)),
    "keras": _of("with_keras_names", "keras_fit", "Keras on JAX", ("keras", *JAX)),
    "keras_8": _of("with_keras_names", "keras_fit_8", "Keras, `steps_per_execution=8`", ("keras", *JAX), 8),
    "keras_64": _of("with_keras_names", "keras_fit_64", "Keras, `steps_per_execution=64`", ("keras", *JAX), 64),
    "jax": _of("by_hand_in_jax", "loop", "JAX by hand, a jitted step a batch", ("orbax-checkpoint", *JAX)),
    "torch": _of("by_hand_in_torch", "eager", "PyTorch by hand, eager", ("torch",)),
    "torch_compile": _of("by_hand_in_torch", "compiled", "PyTorch by hand, `torch.compile`", ("torch",)),
    "lightning": _of("with_lightning", "lightning", "Lightning", ("lightning", "torch")),
    "ignite": _of("with_ignite", "ignite", "Ignite", ("pytorch-ignite", "torch")),
}


def check(contestant: Contestant, task: Task, variant: str, epochs: int, record: Record, folder: Path) -> None:
    """Raise an AssertionError where a fit didn't do what the variant asks."""
    assert len(record.ends) == len(record.losses) == epochs, f"{len(record.ends)} epochs instead of {epochs}"
    assert np.isfinite(record.losses).all(), f"losses of {record.losses}"
    kept = epochs * -(-task.steps // contestant.per_call) if variant == "losses" else 0
    assert record.kept == kept, f"{record.kept} losses of batches were kept instead of {kept}"
    validated = epochs if variant == "validation" else 0
    assert len(record.val_losses) == validated, f"{len(record.val_losses)} validations instead of {validated}"
    saved = len(list(folder.iterdir()))
    assert saved >= epochs if variant == "checkpoint" else saved == 0, f"{saved} checkpoints of {epochs} epochs"
