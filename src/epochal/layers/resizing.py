"""More steps or pixels: zeros at the edges, or every value more than once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .base import Layer, Shape
from .settings import check_axes, one_of, sizes


class ZeroPadding1D(Layer):
    """Zeros before and after the steps; inputs `(batch, steps, features)`.

    Args:
        padding: How many on each side, or `(before, after)`.
    """

    def __init__(self, padding: int | Sequence[int] = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = sizes("padding", padding, 2, least=0)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "steps, features")

    def call(self, x: jax.Array) -> jax.Array:
        return jnp.pad(x, ((0, 0), self.padding, (0, 0)))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"padding": self.padding}


class ZeroPadding2D(Layer):
    """Zeros around images; inputs `(batch, height, width, channels)`.

    Args:
        padding: How many on all sides, `(rows, columns)`, or `((top, bottom), (left, right))`.
    """

    def __init__(self, padding: int | Sequence[int | Sequence[int]] = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        each = padding if isinstance(padding, (list, tuple)) else (padding, padding)
        if len(each) != 2:
            raise ValueError(f"padding is one number, two, or two pairs; got {padding!r}.")
        self.padding = tuple(sizes("padding", sides, 2, least=0) for sides in each)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "height, width, channels")

    def call(self, x: jax.Array) -> jax.Array:
        return jnp.pad(x, ((0, 0), *self.padding, (0, 0)))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"padding": self.padding}


class UpSampling1D(Layer):
    """Every step several times; inputs `(batch, steps, features)`.

    Args:
        size: How many times.
    """

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        (self.size,) = sizes("size", size, 1)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "steps, features")

    def call(self, x: jax.Array) -> jax.Array:
        return jnp.repeat(x, self.size, axis=1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"size": self.size}


class UpSampling2D(Layer):
    """Larger images; inputs `(batch, height, width, channels)`.

    Args:
        size: How many times as high and as wide; one number or two.
        interpolation: "nearest" repeats pixels, "bilinear" goes from one to the next.
    """

    def __init__(self, size: int | Sequence[int] = 2, interpolation: str = "nearest", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = sizes("size", size, 2)
        self.interpolation = one_of("interpolation", interpolation, ("nearest", "bilinear"))

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "height, width, channels")

    def call(self, x: jax.Array) -> jax.Array:
        rows, columns = self.size
        if self.interpolation == "nearest":
            return x.repeat(rows, axis=1).repeat(columns, axis=2)
        batch, height, width, channels = x.shape
        return jax.image.resize(x, (batch, height * rows, width * columns, channels), "bilinear")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"size": self.size, "interpolation": self.interpolation}
