"""Transforms of optax as optimizers."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Iterable, Mapping

import optax

from ..registry import Config
from .learning_rates import LearningRates, SeveralRates
from .optimizer import Optimizer


class OptaxOptimizer(Optimizer):
    """A transform of optax as it was given; `compile` makes one of any transform.

    Its learning rate can be read and set only if it was made with `optax.inject_hyperparams`: the engine, which holds
    the state, then calls `expose_rates` with what is in there. Else reading and setting it is an AttributeError. Of
    several rates each is read and set in `learning_rates`, by the name of its group.

    Args:
        transform: The transform.

    Example:
        >>> import optax
        >>> from epochal.optimizers import OptaxOptimizer
        >>> optimizer = OptaxOptimizer(optax.sgd(0.1))
        >>> optimizer.name, hasattr(optimizer, "learning_rate")
        ('optax', False)
    """

    def __init__(self, transform: optax.GradientTransformation) -> None:
        super().__init__(0.0, name="optax")
        self._transform = transform
        self.expose_rates({})

    def transform(self) -> optax.GradientTransformation:
        """Return the transform."""
        return self._transform

    def expose_rates(self, rates: Mapping[str, float], scheduled: Iterable[str] = ()) -> None:
        """Let the learning rates that are in the state be read and set from now on.

        Args:
            rates: All of them, by the names of their groups.
            scheduled: The names of those that a schedule sets.
        """
        self._scheduled = frozenset(scheduled)
        self._names = tuple(rates)
        self._rates = LearningRates({name: rate for name, rate in rates.items() if name not in self._scheduled})

    def get_config(self) -> Config:
        """Return the name only: a file can't hold a transform."""
        return {"name": self.name}

    @property
    def _knows_all_settings(self) -> bool:
        return type(self) is OptaxOptimizer

    def _only_rate(self) -> str:
        if len(self._names) > 1:
            raise SeveralRates(self._which())
        if not self._rates:
            raise AttributeError(self._no_rate())
        return next(iter(self._names))

    def _which(self) -> str:
        rates = ", ".join(f"{name!r}" + " (a schedule)" * (name in self._scheduled) for name in self._names)
        return (
            f"the optimizer has several learning rates: {rates}. Read and set each by its name: "
            f"optimizer.learning_rates[{self._names[-1]!r}] = 0.001."
        )

    def _no_rate(self) -> str:
        if self._names:
            return (
                "the schedule given to optax.inject_hyperparams as learning_rate is in charge of it, so it can't be "
                "read or set: inject a number instead, or leave it to the schedule"
            )
        return (
            "the learning rate of a bare optax transform can't be read or set: make it with "
            "optax.inject_hyperparams(optax.adam)(learning_rate=0.001), or use optimizer='adam'"
        )
