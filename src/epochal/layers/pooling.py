"""The largest or the mean value of each window, or of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import jax.numpy as jnp
from flax import nnx

from .base import Layer
from .harmless import OF_SPATIAL
from .settings import check_axes, one_of, sizes
from .types import Array, Config, Mask, Shape, SpatialOptions
from .untyped import avg_pool, max_pool


class _OverAxes(Layer):
    """Makes fewer values of those along the axes between the batch and the channels.

    Attributes:
        axes: The axes of a sample, as an error names them.
    """

    axes: str
    harmless = OF_SPATIAL

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, self.axes)


class _Pooling(_OverAxes):
    """Takes windows."""

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        **kwargs: Unpack[SpatialOptions],
    ) -> None:
        super().__init__(**kwargs)
        rank = self.axes.count(",")
        self.pool_size = sizes("pool_size", pool_size, rank)
        self.strides = self.pool_size if strides is None else sizes("strides", strides, rank)
        self.padding = one_of("padding", padding, ("valid", "same"))

    def get_config(self) -> Config:
        settings = {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}
        return super().get_config() | settings


class _GlobalPooling(_OverAxes):
    """Makes one value of all along these axes."""

    def __init__(self, keepdims: bool = False, **kwargs: Unpack[SpatialOptions]) -> None:
        super().__init__(**kwargs)
        self.keepdims = keepdims

    @property
    def pooled_axes(self) -> tuple[int, ...]:
        """The axes that become one value, with the batch axis as 0."""
        return tuple(range(1, self.axes.count(",") + 1))

    def get_config(self) -> Config:
        return super().get_config() | {"keepdims": self.keepdims}


class _MaxPooling(_Pooling):
    def call(self, x: Array) -> Array:
        return max_pool(x, self.pool_size, self.strides, self.padding.upper())


class _AveragePooling(_Pooling):
    def call(self, x: Array) -> Array:
        return avg_pool(x, self.pool_size, self.strides, self.padding.upper(), count_include_pad=False)


class MaxPooling1D(_MaxPooling):
    """Takes the largest value of each window: `(batch, steps, channels)` to `(batch, fewer_steps, channels)`.

        >>> MaxPooling1D(2)(np.array([[[1.0], [5.0], [3.0], [2.0]]])).tolist()
        [[[5.0], [3.0]]]

    Args:
        pool_size: How many steps a window has.
        strides: By how many steps it moves; the pool size if None.
        padding: "valid" has whole windows only, "same" as many as fit with padding at both ends.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: If a number isn't positive, there is no such padding or, when built, inputs have other axes.
    """

    axes = "steps, channels"


class AveragePooling1D(_AveragePooling):
    """Takes the mean of each window: `(batch, steps, channels)` to `(batch, fewer_steps, channels)`.

    Padding isn't counted.

        >>> AveragePooling1D(2)(np.array([[[1.0], [5.0], [3.0], [2.0]]])).tolist()
        [[[3.0], [2.5]]]

    Args:
        pool_size: How many steps a window has.
        strides: By how many steps it moves; the pool size if None.
        padding: "valid" has whole windows only, "same" as many as fit with padding at both ends.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: If a number isn't positive, there is no such padding or, when built, inputs have other axes.
    """

    axes = "steps, channels"


class MaxPooling2D(_MaxPooling):
    """Takes the largest value of each window: `(batch, height, width, channels)`, fewer rows and columns.

        >>> MaxPooling2D(2)(np.ones((2, 8, 6, 3))).shape
        (2, 4, 3, 3)

    Args:
        pool_size: How many rows and columns a window has; one number or two.
        strides: By how many it moves, one number or two; the pool size if None.
        padding: "valid" has whole windows only, "same" as many as fit with padding on all sides.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: If a number isn't positive, there is no such padding or, when built, inputs have other axes.
    """

    axes = "height, width, channels"


class AveragePooling2D(_AveragePooling):
    """Takes the mean of each window: `(batch, height, width, channels)`, fewer rows and columns.

    Padding isn't counted.

        >>> AveragePooling2D(2)(np.ones((2, 8, 6, 3))).shape
        (2, 4, 3, 3)

    Args:
        pool_size: How many rows and columns a window has; one number or two.
        strides: By how many it moves, one number or two; the pool size if None.
        padding: "valid" has whole windows only, "same" as many as fit with padding on all sides.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: If a number isn't positive, there is no such padding or, when built, inputs have other axes.
    """

    axes = "height, width, channels"


class GlobalAveragePooling1D(_GlobalPooling):
    """Takes the mean over steps, masked ones left out: `(batch, steps, features)` to `(batch, features)`.

    Where no step counts the mean is 0. (Keras's isn't a number.)

        >>> GlobalAveragePooling1D()(np.ones((2, 4, 3))).shape
        (2, 3)

    Args:
        keepdims: Whether the axes stay, with size 1.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: When built, if inputs have other axes.
    """

    axes = "steps, features"
    uses_mask = True

    def call(self, x: Array, mask: Mask = None) -> Array:
        if mask is None:
            return x.mean(axis=1, keepdims=self.keepdims)
        counts = mask[..., None]
        total, steps = (a.sum(axis=1, keepdims=self.keepdims) for a in (jnp.where(counts, x, 0), counts))
        return total / jnp.maximum(steps, 1).astype(x.dtype)


class GlobalAveragePooling2D(_GlobalPooling):
    """Takes the mean over height and width: `(batch, height, width, channels)` to `(batch, channels)`.

        >>> GlobalAveragePooling2D()(np.ones((2, 8, 6, 3))).shape
        (2, 3)

    Args:
        keepdims: Whether the axes stay, with size 1.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: When built, if inputs have other axes.
    """

    axes = "height, width, channels"

    def call(self, x: Array) -> Array:
        return x.mean(axis=self.pooled_axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(_GlobalPooling):
    """Takes the largest value over steps: `(batch, steps, features)` to `(batch, features)`.

        >>> GlobalMaxPooling1D()(np.array([[[1.0, 4.0], [3.0, 2.0]]])).tolist()
        [[3.0, 4.0]]

    Args:
        keepdims: Whether the axes stay, with size 1.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: When built, if inputs have other axes.
    """

    axes = "steps, features"

    def call(self, x: Array) -> Array:
        return x.max(axis=self.pooled_axes, keepdims=self.keepdims)


class GlobalMaxPooling2D(_GlobalPooling):
    """Takes the largest value over height and width: `(batch, height, width, channels)` to `(batch, channels)`.

        >>> GlobalMaxPooling2D()(np.ones((2, 8, 6, 3))).shape
        (2, 3)

    Args:
        keepdims: Whether the axes stay, with size 1.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: When built, if inputs have other axes.
    """

    axes = "height, width, channels"

    def call(self, x: Array) -> Array:
        return x.max(axis=self.pooled_axes, keepdims=self.keepdims)
