"""What layers check and say of their settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flax import nnx

from .. import initializers
from ..messages.numeric import is_real, is_whole, real, whole
from .base import Layer, Shape


def initializer_settings(layer: Layer) -> dict[str, Any]:
    """Return the settings of a layer that say how its weights start."""
    return {name: initializers.describe(value) for name, value in vars(layer).items() if name.endswith("_initializer")}


def kernel_and_bias(inner: Any) -> list[tuple[str, nnx.Variable]]:
    """Return the weights of an inner module that has both, or only a kernel."""
    return present(kernel=inner.kernel, bias=inner.bias)


def present(**variables: Any) -> list[tuple[str, nnx.Variable]]:
    """Return the variables that there are, by name."""
    return [(name, variable) for name, variable in variables.items() if variable is not None]


def known(layer: Layer, shape: Shape, axis: int) -> int:
    """Return the size of an axis, without the batch axis; it must be known before weights can be made."""
    if not shape or (size := shape[axis]) is None:
        how = "" if shape else " Of one number a sample make x[..., None], of a single sample x[None]."
        raise ValueError(
            f"{type(layer).__name__} needs the size of axis {axis} of its input; got the shape {shape}.{how}"
        )
    return size


def sizes(what: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """Return a whole number for each of `rank` axes: all of them given, or one for all."""
    given: Any = value.tolist() if getattr(value, "ndim", 0) == 1 else value
    each: tuple[Any, ...] = tuple(given) if isinstance(given, (list, tuple)) else (given,) * rank
    if len(each) != rank or any(not is_whole(v, least) for v in each):
        kind = "positive" if least == 1 else "non-negative"
        wanted = f"a {kind} whole number" if rank == 1 else f"one or two {kind} whole numbers"
        raise ValueError(f"{what} is {wanted}; got {value!r}.")
    return tuple(whole(what, v) for v in each)


def positive(what: str, value: Any) -> int:
    """Return a positive whole number."""
    if not is_whole(value, 1):
        raise ValueError(f"{what} must be a positive whole number; got {value!r}.")
    return whole(what, value)


def other_axis(value: Any) -> int:
    """Return an axis other than the batch's."""
    if not is_whole(value) or value == 0:
        raise ValueError(f"axis is a whole number other than 0, which is the batch's; got {value!r}.")
    return whole("axis", value)


def one_of(what: str, value: Any, known: Sequence[Any]) -> Any:
    """Return a value if it is among those known."""
    if value not in known:
        raise ValueError(f"{what} must be {' or '.join(map(repr, known))}; got {value!r}.")
    return value


def share(what: str, value: Any) -> float:
    """Return the share of values that a dropout drops."""
    if not is_real(value) or not 0 <= value < 1:
        raise ValueError(f"{what} is the share of values that are dropped, from 0 to less than 1; got {value!r}.")
    return real(what, value)


def check_axes(layer: Layer, shape: Any, axes: str) -> None:
    """Raise a ValueError unless inputs have the axes that a layer's docstring names, without the batch."""
    if not isinstance(shape, tuple) or len(shape) != len(axes.split(", ")):
        missing = isinstance(shape, tuple) and len(shape) == len(axes.split(", ")) - 1
        how = (
            " x[..., None] adds a last axis of one value, x[None] that of samples around a single one."
            if missing
            else ""
        )
        raise ValueError(f"{type(layer).__name__} takes ({axes}); got inputs of shape {shape}.{how}")
