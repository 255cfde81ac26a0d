"""What a step asks of an optimizer."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import optax


class LearningRatesLike(Protocol):
    """Learning rates by name, plain floats, to read and to set."""

    changes: int
    """How often one was set to another value."""

    def as_dict(self) -> dict[str, float]:
        """Return a copy."""
        ...

    def __setitem__(self, name: str, rate: float, /) -> None: ...


class OptimizerLike(Protocol):
    """Makes the transform of gradients into what is added to the weights, and holds the learning rates for it."""

    @property
    def name(self) -> str:
        """What identifies the kind of optimizer in a saved run."""
        ...

    @property
    def is_known(self) -> bool:
        """Whether the transform's `update` takes gradients and weights only, and keeps all dtypes and shapes."""
        ...

    @property
    def learning_rates(self) -> LearningRatesLike:
        """The learning rates that can be set; they are written into the state before a span of steps."""
        ...

    def transform(self) -> optax.GradientTransformation:
        """Return the transform; its learning rates are hyperparameters of `optax.inject_hyperparams` in its state."""
        ...

    def expose_rates(self, rates: Mapping[str, float], scheduled: Iterable[str] = ()) -> None:
        """Let the learning rates that were found in the state be read and set under these names.

        Args:
            rates: All of them, by name.
            scheduled: The names of those that a schedule sets, before each step.
        """
        ...

    def count_by(self, count: Callable[[], int]) -> None:
        """Let `iterations` be what a bound method returns, as long as its owner lives."""
        ...

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as values that JSON can hold."""
        ...
