"""Settings of layers: the checks that they have in common, and their values in a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeGuard, TypeVar

from .. import initializers
from ..messages.numeric import is_real, is_whole, real, whole
from .nests import is_sequence
from .shapes import is_shape
from .types import Config, NamedWeights, Nest, NumpyArray, Shape, Variable

T = TypeVar("T")


class KernelAndBias(Protocol):
    """A module of flax that has a kernel and perhaps a bias."""

    @property
    def kernel(self) -> Variable:
        """Its matrix."""
        ...

    @property
    def bias(self) -> Variable | None:
        """Its vector, None if it has none."""
        ...


def initializer_settings(layer: object) -> Config:
    """Return the settings of a layer that say how its weights start."""
    return {name: initializers.describe(value) for name, value in vars(layer).items() if name.endswith("_initializer")}


def kernel_and_bias(inner: KernelAndBias) -> NamedWeights:
    """Return the weights of an inner module that has both, or only a kernel."""
    return present(kernel=inner.kernel, bias=inner.bias)


def present(**variables: Variable | None) -> NamedWeights:
    """Return the variables that aren't None, by name."""
    return [(name, variable) for name, variable in variables.items() if variable is not None]


def known(layer: object, shape: Shape, axis: int) -> int:
    """Return the size of an axis, without the batch axis; it must be known before weights can be made."""
    if not has_axis(shape, axis) or (size := shape[axis]) is None:
        how = "" if shape else " Of one number a sample make x[..., None], of a single sample x[None]."
        raise ValueError(
            f"{type(layer).__name__} needs the size of axis {axis} of its input; got the shape {shape}.{how}"
        )
    return size


def has_axis(shape: Shape, axis: int) -> bool:
    """Return whether a shape has an axis of this number, counted from the last one if it is negative."""
    return -len(shape) <= axis < len(shape)


def sizes(argument: str, value: object, rank: int, least: int = 1) -> tuple[int, ...]:
    """Return a whole number for each of `rank` axes: all of them given, or one for all.

    Args:
        argument: What an error calls it, such as "kernel_size".
        value: A whole number, or a list, a tuple or an array of them.
        rank: How many.
        least: The smallest that is allowed, 0 or 1.

    Raises:
        ValueError: If it is anything else.
    """
    listed: Nest = value.tolist() if _is_vector(value) else value
    each: tuple[Nest, ...] = tuple(listed) if is_sequence(listed) else (listed,) * rank
    if len(each) != rank or any(not is_whole(v, least) for v in each):
        kind = "positive" if least == 1 else "non-negative"
        wanted = f"a {kind} whole number" if rank == 1 else f"one or two {kind} whole numbers"
        raise ValueError(f"{argument} is {wanted}; got {value!r}.")
    return tuple(whole(argument, v) for v in each)


def _is_vector(value: object) -> TypeGuard[NumpyArray]:
    return getattr(value, "ndim", 0) == 1


def positive(argument: str, value: object) -> int:
    """Return a positive whole number; anything else is a ValueError that names the argument."""
    if not is_whole(value, 1):
        raise ValueError(f"{argument} must be a positive whole number; got {value!r}.")
    return whole(argument, value)


def other_axis(value: object) -> int:
    """Return an axis other than the batch's; anything else is a ValueError."""
    if not is_whole(value) or value == 0:
        raise ValueError(f"axis is a whole number other than 0, which is the batch's; got {value!r}.")
    return whole("axis", value)


def one_of(argument: str, value: T, known: Sequence[T]) -> T:
    """Return a value if it is among those known; any other is a ValueError that lists them."""
    if value not in known:
        raise ValueError(f"{argument} must be {' or '.join(map(repr, known))}; got {value!r}.")
    return value


def share(argument: str, value: object) -> float:
    """Return the share of values that a dropout drops; anything but a number from 0 to less than 1 is a ValueError."""
    if not is_real(value) or not 0 <= real(argument, value) < 1:
        raise ValueError(f"{argument} is the share of values that are dropped, from 0 to less than 1; got {value!r}.")
    return real(argument, value)


def checked_seed(value: object) -> int | None:
    """Return the seed of a layer's random numbers, None if it has none; anything but a whole number is a ValueError."""
    if value is not None and not (is_whole(value, 0) and whole("seed", value) < 2**32):
        raise ValueError(f"seed is a whole number from 0 to 2**32 - 1, or None; got {value!r}.")
    return None if value is None else whole("seed", value)


def check_axes(layer: object, shape: Nest, axes: str) -> None:
    """Raise a ValueError unless inputs have the axes that a layer's docstring names.

    Args:
        layer: Named in the error.
        shape: Of a sample, without the batch axis.
        axes: Their names, such as "height, width, channels".
    """
    wanted, rank = axes.count(",") + 1, len(shape) if is_shape(shape) else -1
    if rank != wanted:
        how = " x[..., None] adds a last axis of one value, x[None] that of samples around a single one."
        hint = how if rank == wanted - 1 else ""
        named = axes if wanted > 1 else f"{axes},"
        raise ValueError(f"{type(layer).__name__} takes ({named}); got inputs of shape {shape}.{hint}")
