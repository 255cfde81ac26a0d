"""Optimizers by their names."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeGuard, cast

import optax

from .optax_optimizer import OptaxOptimizer
from .optimizer import OPTIMIZERS, Optimizer
from .schedules import SCHEDULES


class TransformLike(Protocol):
    """Anything with the two functions of a transform, such as an `optax.MultiSteps`."""

    @property
    def init(self) -> Callable[..., Any]:
        """The function that makes the first state of the weights."""
        ...

    @property
    def update(self) -> Callable[..., Any]:
        """The function that changes gradients and state."""
        ...


OptimizerIdentifier: TypeAlias = str | Mapping[str, Any] | Optimizer | type[Optimizer] | TransformLike
"""What `get` takes."""


def get(identifier: OptimizerIdentifier) -> Optimizer:
    """Return the optimizer that an identifier stands for.

    Args:
        identifier: A Keras name in any case, for its defaults; what Keras saves
            (``{"class_name": …, "config": {…}}``); an `Optimizer`; a class, which is called for its defaults; or a
            transform of optax, which trains as it was given.

    Raises:
        ValueError: If the name is unknown (the nearest names are listed), or the config was saved with a function (a
            schedule, a bare transform), which a file can't hold.
        TypeError: If it is anything else.

    Example:
        >>> from epochal import optimizers
        >>> optimizers.get("adam").learning_rate
        0.001
        >>> optimizers.get({"class_name": "SGD", "config": {"learning_rate": 0.1, "momentum": 0.9}}).momentum
        0.9
    """
    if isinstance(identifier, optax.GradientTransformation):
        return OptaxOptimizer(identifier)
    if not isinstance(identifier, (Optimizer, type)) and _works_as_transform(identifier):
        return OptaxOptimizer(optax.GradientTransformationExtraArgs(identifier.init, identifier.update))
    if isinstance(identifier, (str, Mapping)):
        name, config = OPTIMIZERS.parse(identifier)
        rate = config.get("learning_rate")
        saved = cast("Mapping[str, object]", rate) if isinstance(rate, Mapping) else None
        if name == OptaxOptimizer.__name__ or (saved is not None and "config" not in saved):
            raise ValueError(f"{name} was saved with a function, which a file can't hold: compile again with your own")
        if saved is not None:
            return OPTIMIZERS.make(name, {**config, "learning_rate": SCHEDULES.get(saved)})
    return OPTIMIZERS.get(identifier)


def is_known(name: str) -> bool:
    """Return whether `get` takes a name, in any spelling."""
    return name in OPTIMIZERS


def _works_as_transform(identifier: object) -> TypeGuard[TransformLike]:
    return all(callable(getattr(identifier, name, None)) for name in ("init", "update"))
