"""Constraints: what weights become after each step of the optimizer, by the names and with the defaults of Keras 3.

A layer takes one by name, ``Dense(64, kernel_constraint="non_neg")``, as an object, ``MaxNorm(3)``, or as a function of
your own that returns an array like the one that it gets. Norms are taken along `axis`: 0 for the vector that leads to
each unit of a `Dense`, ``[0, 1, 2]`` for that of each filter of a `Conv2D`.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from .messages.extras import needed_by
from .messages.numeric import real, whole
from .registry import Config, Configured, Registry, check_hash, serialized

with needed_by(__name__):
    import jax.numpy as jnp
    from jax import Array

Projection: TypeAlias = Callable[[Array], Array]
"""A function of a weight that returns an array of its shape; a `Constraint` is one."""

Axis: TypeAlias = int | Sequence[int]
"""The number of an axis, or a list of such numbers."""

EPSILON = 1e-7
"""Added to a norm that a weight is divided by, as Keras does."""


class Constraint(Configured):
    """The base of all constraints, also of your own: `__call__` returns what a weight becomes.

    A file holds the constructor's arguments that are attributes, or what your own `get_config` returns; it is loaded
    with ``custom_objects={"Clip": Clip}``.

    Example:
        >>> import jax.numpy as jnp
        >>> class Clip(Constraint):
        ...     def __init__(self, most=1.0):
        ...         self.most = most
        ...
        ...     def __call__(self, w):
        ...         return jnp.clip(w, -self.most, self.most)
        >>> Clip(2.0)(jnp.array([1.0, -3.0])).tolist(), Clip(2.0).get_config()
        ([1.0, -2.0], {'most': 2.0})
    """

    def __call__(self, w: Array) -> Array:
        """Return what a weight becomes, an array of the same shape."""
        raise NotImplementedError(f"{type(self).__name__} has no `__call__(self, w)`, which returns what w becomes.")


CONSTRAINTS: Registry[Projection] = Registry(
    "constraint",
    "a constraint is a name, a dict with class_name, a Constraint, a function of one array, or None",
    Constraint,
    of_function=lambda function: function,
)


@CONSTRAINTS.register()
@dataclass(frozen=True)
class MaxNorm(Constraint):
    """Scales vectors down to at most a norm: Srivastava et al. 2014, section 5.1.

    Args:
        max_value: The largest norm, ≥ 0.
        axis: The axis of the vectors, or a list of axes.

    Raises:
        ValueError: If `max_value` isn't a number ≥ 0, or an axis no whole number.

    Example:
        >>> import numpy as np
        >>> MaxNorm(5)(np.array([[6.0, 0.0], [8.0, 2.0]])).round(3).tolist()
        [[3.0, 0.0], [4.0, 2.0]]
    """

    max_value: float = 2
    axis: Axis = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_value", _not_negative("max_value", self.max_value))
        object.__setattr__(self, "axis", _axis(self.axis))

    def __call__(self, w: Array) -> Array:
        norms = _norms(w, self.axis)
        return w * (jnp.clip(norms, 0, self.max_value) / (EPSILON + norms))


@CONSTRAINTS.register()
@dataclass(frozen=True)
class NonNeg(Constraint):
    """Makes negative weights 0.

    Example:
        >>> import numpy as np
        >>> NonNeg()(np.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __call__(self, w: Array) -> Array:
        return jnp.maximum(w, 0)


@CONSTRAINTS.register()
@dataclass(frozen=True)
class UnitNorm(Constraint):
    """Scales vectors to norm 1.

    Args:
        axis: The axis of the vectors, or a list of axes.

    Raises:
        ValueError: If an axis is no whole number.

    Example:
        >>> import numpy as np
        >>> UnitNorm()(np.array([[0.0], [2.0]])).tolist()
        [[0.0], [1.0]]
    """

    axis: Axis = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", _axis(self.axis))

    def __call__(self, w: Array) -> Array:
        return w / (EPSILON + _norms(w, self.axis))


@CONSTRAINTS.register()
@dataclass(frozen=True)
class MinMaxNorm(Constraint):
    """Scales vectors to a norm between two bounds, at once or step by step.

    Args:
        min_value: The smallest norm, ≥ 0.
        max_value: The largest norm.
        rate: How far a norm outside goes towards the bounds in a step: 1 is all the way.
        axis: The axis of the vectors, or a list of axes.

    Raises:
        ValueError: If a bound or the rate isn't a number ≥ 0, the bounds are the wrong way round, or an axis is no
            whole number.

    Example:
        >>> import numpy as np
        >>> MinMaxNorm(max_value=2.0, rate=0.5)(np.array([[4.0]])).tolist()
        [[3.0]]
    """

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: Axis = 0

    def __post_init__(self) -> None:
        for name in ("min_value", "max_value", "rate"):
            object.__setattr__(self, name, _not_negative(name, getattr(self, name)))
        if self.min_value > self.max_value:
            raise ValueError(f"min_value {self.min_value} is above max_value {self.max_value}: no norm is between.")
        object.__setattr__(self, "axis", _axis(self.axis))

    def __call__(self, w: Array) -> Array:
        norms = _norms(w, self.axis)
        wanted = self.rate * jnp.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (EPSILON + norms))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
maxnorm, nonneg, unitnorm = MaxNorm, NonNeg, UnitNorm
"""The classes by their names of Keras 2."""


def _norms(w: Array, axis: Axis) -> Array:
    axes = axis if isinstance(axis, int) else tuple(axis)
    return jnp.sqrt(jnp.sum(jnp.square(w), axis=axes, keepdims=True))


def _axis(axis: object) -> int | tuple[int, ...]:
    if isinstance(axis, (list, tuple)):
        return tuple(whole("axis", each) for each in cast("Sequence[object]", axis))
    return whole("axis", axis)


def _not_negative(name: str, value: object) -> float:
    number = real(name, value)
    if not number >= 0:
        raise ValueError(f"{name} must be a number ≥ 0; got {value!r}.")
    return number


def get(identifier: str | Mapping[str, Any] | type[Constraint] | Projection | None) -> Projection | None:
    """Return the constraint that an identifier stands for.

    Args:
        identifier: A Keras name in any spelling ("max_norm", "MaxNorm", "maxnorm"), what Keras saves
            (``{"class_name": …, "config": {…}}``), a class, which is called for its defaults, a function of one array,
            which is returned as it came, or None for none.

    Raises:
        ValueError: If the name is unknown; the nearest names are listed.
        TypeError: If it is anything else, or of a class of your own without a hash, such as a dataclass may be.

    Example:
        >>> from epochal import constraints
        >>> constraints.get("max_norm")
        MaxNorm(max_value=2.0, axis=0)
    """
    if identifier is None:
        return None
    found = CONSTRAINTS.get(identifier)
    check_hash("constraint", found)
    return found


def is_known(name: str) -> bool:
    """Return whether `get` takes a name, in any spelling."""
    return name in CONSTRAINTS


def serialize(constraint: Projection | None) -> Config | None:
    """Return what Keras saves for a constraint, for a `get_config`; a function of your own is saved by its name.

    Example:
        >>> from epochal import constraints
        >>> constraints.serialize(constraints.MaxNorm(3, axis=[0, 1]))
        {'class_name': 'MaxNorm', 'config': {'max_value': 3.0, 'axis': [0, 1]}}
    """
    return serialized(constraint)
