"""More steps or pixels: zeros at the edges, or every value more than once; or fewer, cut off at the edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import jax.numpy as jnp
from flax import nnx

from .base import Layer
from .harmless import OF_SPATIAL
from .nests import is_sequence
from .settings import check_axes, one_of, sizes
from .types import Array, Config, LayerOptions, Shape, SpatialOptions
from .untyped import pad, resize


class ZeroPadding1D(Layer):
    """Puts zeros before and after the steps: `(batch, steps, features)` to `(batch, more_steps, features)`.

        >>> ZeroPadding1D((1, 2))(np.ones((5, 4, 3))).shape
        (5, 7, 3)

    Args:
        padding: How many on each side, or `(before, after)`.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: If a number is negative or, when built, inputs have other axes.
    """

    harmless = OF_SPATIAL

    def __init__(self, padding: int | Sequence[int] = 1, **kwargs: Unpack[SpatialOptions]) -> None:
        super().__init__(**kwargs)
        self.padding = sizes("padding", padding, 2, least=0)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "steps, features")

    def call(self, x: Array) -> Array:
        return pad(x, ((0, 0), self.padding, (0, 0)))

    def get_config(self) -> Config:
        return super().get_config() | {"padding": self.padding}


class ZeroPadding2D(Layer):
    """Puts zeros around images: `(batch, height, width, channels)` to `(batch, more_rows, more_columns, channels)`.

        >>> ZeroPadding2D((1, 2))(np.ones((5, 4, 4, 3))).shape
        (5, 6, 8, 3)

    Args:
        padding: How many on all sides, `(rows, columns)`, or `((top, bottom), (left, right))`.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: If `padding` is anything else or, when built, inputs have other axes.
    """

    harmless = OF_SPATIAL

    def __init__(self, padding: int | Sequence[int | Sequence[int]] = 1, **kwargs: Unpack[SpatialOptions]) -> None:
        super().__init__(**kwargs)
        self.padding = _sides("padding", padding)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "height, width, channels")

    def call(self, x: Array) -> Array:
        return pad(x, ((0, 0), *self.padding, (0, 0)))

    def get_config(self) -> Config:
        return super().get_config() | {"padding": self.padding}


class Cropping1D(Layer):
    """Cuts steps off: `(batch, steps, features)` to `(batch, fewer_steps, features)`.

        >>> Cropping1D((1, 2))(np.ones((5, 7, 3))).shape
        (5, 4, 3)

    Args:
        cropping: How many on each side, or `(before, after)`.
        **kwargs: `name`, `input_shape`.

    Raises:
        ValueError: If a number is negative or, when built, inputs have other axes, or no step is left.
    """

    def __init__(self, cropping: int | Sequence[int] = 1, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.cropping = sizes("cropping", cropping, 2, least=0)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "steps, features")
        _check_something_left(self, shape, [self.cropping])

    def call(self, x: Array) -> Array:
        return x[:, _between(self.cropping)]

    def get_config(self) -> Config:
        return super().get_config() | {"cropping": self.cropping}


class Cropping2D(Layer):
    """Cuts edges of images off: `(batch, height, width, channels)` to `(batch, fewer_rows, fewer_columns, channels)`.

        >>> Cropping2D((1, 2))(np.ones((5, 6, 8, 3))).shape
        (5, 4, 4, 3)

    Args:
        cropping: How much on all sides, `(rows, columns)`, or `((top, bottom), (left, right))`.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: If `cropping` is anything else or, when built, inputs have other axes, or nothing is left.
    """

    harmless = OF_SPATIAL

    def __init__(self, cropping: int | Sequence[int | Sequence[int]] = 0, **kwargs: Unpack[SpatialOptions]) -> None:
        super().__init__(**kwargs)
        self.cropping = _sides("cropping", cropping)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "height, width, channels")
        _check_something_left(self, shape, self.cropping)

    def call(self, x: Array) -> Array:
        rows, columns = map(_between, self.cropping)
        return x[:, rows, columns]

    def get_config(self) -> Config:
        return super().get_config() | {"cropping": self.cropping}


class UpSampling1D(Layer):
    """Repeats every step: `(batch, steps, features)` to `(batch, steps × size, features)`.

        >>> UpSampling1D(3)(np.ones((5, 4, 2))).shape
        (5, 12, 2)

    Args:
        size: How many times.
        **kwargs: `name`, `input_shape`.

    Raises:
        ValueError: If `size` is no positive whole number or, when built, inputs have other axes.
    """

    def __init__(self, size: int = 2, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        (self.size,) = sizes("size", size, 1)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "steps, features")

    def call(self, x: Array) -> Array:
        return jnp.repeat(x, self.size, axis=1)

    def get_config(self) -> Config:
        return super().get_config() | {"size": self.size}


class UpSampling2D(Layer):
    """Makes images larger: `(batch, height, width, channels)` to `(batch, more_rows, more_columns, channels)`.

        >>> UpSampling2D((2, 3))(np.ones((5, 4, 4, 1))).shape
        (5, 8, 12, 1)

    Args:
        size: How many times as high and as wide; one number or two.
        interpolation: "nearest" repeats pixels, "bilinear" goes from one to the next.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: If an argument is anything else or, when built, inputs have other axes.
    """

    harmless = OF_SPATIAL

    def __init__(
        self, size: int | Sequence[int] = 2, interpolation: str = "nearest", **kwargs: Unpack[SpatialOptions]
    ) -> None:
        super().__init__(**kwargs)
        self.size = sizes("size", size, 2)
        self.interpolation = one_of("interpolation", interpolation, ("nearest", "bilinear"))

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "height, width, channels")

    def call(self, x: Array) -> Array:
        rows, columns = self.size
        if self.interpolation == "nearest":
            return x.repeat(rows, axis=1).repeat(columns, axis=2)
        batch, height, width, channels = x.shape
        return resize(x, (batch, height * rows, width * columns, channels), "bilinear")

    def get_config(self) -> Config:
        return super().get_config() | {"size": self.size, "interpolation": self.interpolation}


def _sides(argument: str, value: object) -> tuple[tuple[int, ...], ...]:
    """Return `((top, bottom), (left, right))` for one number, two, or two pairs; a ValueError for anything else."""
    each = value if is_sequence(value) else (value, value)
    if len(each) != 2:
        raise ValueError(f"{argument} is one number, two, or two pairs; got {value!r}.")
    return tuple(sizes(argument, sides, 2, least=0) for sides in each)


def _check_something_left(layer: Layer, shape: Shape, cropping: Sequence[Sequence[int]]) -> None:
    for size, sides in zip(shape, cropping, strict=False):
        if size is not None and sum(sides) >= size:
            raise ValueError(f"{type(layer).__name__}: cropping {tuple(sides)} leaves nothing of an axis of {size}.")


def _between(sides: Sequence[int]) -> slice:
    """Return the part of an axis that is left between what is cut off at both ends."""
    before, after = sides
    return slice(before, -after or None)
