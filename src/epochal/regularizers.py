"""Regularizers: penalties on weights, or on what a layer returns, by the names and with the defaults of Keras 3.

A layer takes one by name, ``Dense(64, kernel_regularizer="l2")``, as an object, ``L2(1e-4)``, or as a function of your
own that returns one number. A model adds the penalties to the loss that it minimises and logs.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .messages.extras import needed_by
from .messages.numeric import real
from .registry import Config, Configured, Registry, check_hash, serialized

with needed_by(__name__):
    import jax.numpy as jnp
    from jax import Array

Penalty: TypeAlias = Callable[[Array], Array]
"""A function of an array of any shape that returns one number; a `Regularizer` is one."""


class Regularizer(Configured):
    """The base of all regularizers, also of your own: `__call__` returns the penalty of an array, one number.

    A file holds the constructor's arguments that are attributes, or what your own `get_config` returns; it is loaded
    with ``custom_objects={"Spread": Spread}``.

    Example:
        >>> import jax.numpy as jnp
        >>> class Spread(Regularizer):
        ...     def __init__(self, factor=0.1):
        ...         self.factor = factor
        ...
        ...     def __call__(self, x):
        ...         return self.factor * jnp.var(x)
        >>> Spread(0.5)(jnp.array([1.0, 3.0])).item(), Spread(0.5).get_config()
        (0.5, {'factor': 0.5})
    """

    def __call__(self, x: Array) -> Array:
        """Return the penalty of an array: one number.

        Args:
            x: A weight, of any shape; an output `(batch, …)` where it is an `activity_regularizer`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `__call__(self, x)`, which returns the penalty of x.")


REGULARIZERS: Registry[Penalty] = Registry(
    "regularizer",
    "a regularizer is a name, a dict with class_name, a Regularizer, a function of one array, or None",
    Regularizer,
    of_function=lambda function: function,
)


@REGULARIZERS.register()
@dataclass(frozen=True)
class L1(Regularizer):
    """The sum of absolute values, times a factor: it makes weights 0 (lasso: Tibshirani 1996).

    Args:
        l1: The factor, ≥ 0.

    Raises:
        ValueError: If the factor isn't a number ≥ 0.

    Example:
        >>> import numpy as np
        >>> L1(0.5)(np.array([1.0, -3.0])).item()
        2.0
    """

    l1: float = 0.01

    def __post_init__(self) -> None:
        object.__setattr__(self, "l1", _factor("l1", self.l1))

    def __call__(self, x: Array) -> Array:
        return self.l1 * jnp.sum(jnp.abs(x))


@REGULARIZERS.register()
@dataclass(frozen=True)
class L2(Regularizer):
    """The sum of squares, times a factor: it makes weights small (ridge regression: Hoerl and Kennard 1970).

    Args:
        l2: The factor, ≥ 0. Its gradient is 2 × factor × weight.

    Raises:
        ValueError: If the factor isn't a number ≥ 0.

    Example:
        >>> import numpy as np
        >>> L2(0.5)(np.array([1.0, -3.0])).item()
        5.0
    """

    l2: float = 0.01

    def __post_init__(self) -> None:
        object.__setattr__(self, "l2", _factor("l2", self.l2))

    def __call__(self, x: Array) -> Array:
        return self.l2 * jnp.sum(jnp.square(x))


@REGULARIZERS.register(name="l1_l2")
@dataclass(frozen=True)
class L1L2(Regularizer):
    """The penalties of `L1` and of `L2`, added (elastic net: Zou and Hastie 2005).

    The name "l1_l2" stands for factors of 0.01, as in Keras 2.

    Args:
        l1: The factor of the absolute values, ≥ 0.
        l2: The factor of the squares, ≥ 0.

    Raises:
        ValueError: If a factor isn't a number ≥ 0.

    Example:
        >>> import numpy as np
        >>> L1L2(l1=0.5, l2=0.5)(np.array([1.0, -3.0])).item()
        7.0
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "l1", _factor("l1", self.l1))
        object.__setattr__(self, "l2", _factor("l2", self.l2))

    def __call__(self, x: Array) -> Array:
        return self.l1 * jnp.sum(jnp.abs(x)) + self.l2 * jnp.sum(jnp.square(x))


@REGULARIZERS.register()
@dataclass(frozen=True)
class OrthogonalRegularizer(Regularizer):
    """The mean size of the cosines between the rows of a matrix, or its columns, times a factor.

    Args:
        factor: The factor, ≥ 0.
        mode: "rows" or "columns": what is to be orthogonal. A `Dense` has a row for each input, a column for each unit.

    Raises:
        ValueError: If the factor isn't a number ≥ 0, the mode another one or, when called, the weight is no matrix of
            two rows (columns) at least.

    Example:
        >>> import numpy as np
        >>> OrthogonalRegularizer(0.5)(np.array([[3.0, 4.0], [1.0, 0.0]])).round(3).item()
        0.3
    """

    factor: float = 0.01
    mode: str = "rows"

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", _factor("factor", self.factor))
        if self.mode not in ("rows", "columns"):
            raise ValueError(f"mode must be 'rows' or 'columns'; got {self.mode!r}.")

    def __call__(self, x: Array) -> Array:
        rows = jnp.asarray(x) if self.mode == "rows" else jnp.asarray(x).T
        if rows.ndim != 2 or len(rows) < 2:
            raise ValueError(f"OrthogonalRegularizer takes a matrix of two {self.mode} at least; got shape {x.shape}.")
        length = jnp.sqrt(jnp.maximum(jnp.sum(jnp.square(rows), 1, keepdims=True), 1e-12))
        cosines = (rows / length) @ (rows / length).T
        others = jnp.abs(cosines * (1 - jnp.eye(len(rows), dtype=cosines.dtype)))
        return self.factor * jnp.sum(others) / (len(rows) * (len(rows) - 1))


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer
"""The classes by their names of Keras 2."""


def _factor(name: str, value: object) -> float:
    factor = real(name, value)
    if not 0 <= factor < float("inf"):
        raise ValueError(f"{name} must be a number ≥ 0; got {value!r}.")
    return factor


def get(identifier: str | Mapping[str, Any] | type[Regularizer] | Penalty | None) -> Penalty | None:
    """Return the regularizer that an identifier stands for.

    Args:
        identifier: A Keras name in either spelling ("l2", "L2", "l1_l2"), what Keras saves
            (``{"class_name": …, "config": {…}}``), a class, which is called for its defaults, a function of one array,
            which is returned as it came, or None for none.

    Raises:
        ValueError: If the name is unknown; the nearest names are listed.
        TypeError: If it is anything else, or of a class of your own without a hash, such as a dataclass may be.

    Example:
        >>> from epochal import regularizers
        >>> regularizers.get("l2")
        L2(l2=0.01)
        >>> regularizers.get({"class_name": "L1L2", "config": {"l1": 0.5}})
        L1L2(l1=0.5, l2=0.0)
    """
    if identifier is None:
        return None
    found = REGULARIZERS.get(identifier)
    check_hash("regularizer", found)
    # Without its settings it would do nothing.
    return L1L2(0.01, 0.01) if isinstance(identifier, str) and isinstance(found, L1L2) else found


def is_known(name: str) -> bool:
    """Return whether `get` takes a name, in any spelling."""
    return name in REGULARIZERS


def serialize(regularizer: Penalty | None) -> Config | None:
    """Return what Keras saves for a regularizer, for a `get_config`; a function of your own is saved by its name.

    Example:
        >>> from epochal import regularizers
        >>> regularizers.serialize(regularizers.L2(0.5))
        {'class_name': 'L2', 'config': {'l2': 0.5}}
    """
    return serialized(regularizer)
