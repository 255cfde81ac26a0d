"""The largest or the mean value of each window, or of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .base import Layer, Shape
from .settings import check_axes, one_of, sizes


class _Pooling(Layer):
    """Takes windows over the axes between the batch and the channels; `axes` are those of a sample."""

    axes: str

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        rank = self.axes.count(",")
        self.pool_size = sizes("pool_size", pool_size, rank)
        self.strides = self.pool_size if strides is None else sizes("strides", strides, rank)
        self.padding = one_of("padding", padding, ("valid", "same"))

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, self.axes)

    def get_config(self) -> dict[str, Any]:
        settings = {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}
        return super().get_config() | settings


class _MaxPooling(_Pooling):
    def call(self, x: jax.Array) -> jax.Array:
        return nnx.max_pool(x, self.pool_size, self.strides, self.padding.upper())


class _AveragePooling(_Pooling):
    def call(self, x: jax.Array) -> jax.Array:
        return nnx.avg_pool(x, self.pool_size, self.strides, self.padding.upper(), count_include_pad=False)


class MaxPooling1D(_MaxPooling):
    """The largest value of each window; inputs `(batch, steps, channels)`.

    Args:
        pool_size: How many steps a window has.
        strides: By how many steps it moves; the pool size if None.
        padding: "valid" or "same".
    """

    axes = "steps, channels"


class AveragePooling1D(_AveragePooling):
    """The mean of each window, padding not counted; inputs and arguments as in `MaxPooling1D`."""

    axes = "steps, channels"


class MaxPooling2D(_MaxPooling):
    """The largest value of each window; inputs `(batch, height, width, channels)`.

    Args:
        pool_size: One number or two.
        strides: One number or two; the pool size if None.
        padding: "valid" or "same".
    """

    axes = "height, width, channels"


class AveragePooling2D(_AveragePooling):
    """The mean of each window, padding not counted; inputs and arguments as in `MaxPooling2D`."""

    axes = "height, width, channels"


class GlobalAveragePooling1D(Layer):
    """The mean over steps, masked ones left out: `(batch, steps, features)` to `(batch, features)`.

    Where no step counts the mean is 0. (Keras's isn't a number.)
    """

    uses_mask = True

    def call(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        if mask is None:
            return x.mean(axis=1)
        counts = mask[..., None]
        return jnp.where(counts, x, 0).sum(axis=1) / jnp.maximum(counts.sum(axis=1), 1).astype(x.dtype)


class GlobalAveragePooling2D(Layer):
    """The mean over height and width: `(batch, height, width, channels)` to `(batch, channels)`."""

    def call(self, x: jax.Array) -> jax.Array:
        return x.mean(axis=(1, 2))


class GlobalMaxPooling1D(Layer):
    """The largest value over steps: `(batch, steps, features)` to `(batch, features)`."""

    def call(self, x: jax.Array) -> jax.Array:
        return x.max(axis=1)


class GlobalMaxPooling2D(Layer):
    """The largest value over height and width: `(batch, height, width, channels)` to `(batch, channels)`."""

    def call(self, x: jax.Array) -> jax.Array:
        return x.max(axis=(1, 2))
