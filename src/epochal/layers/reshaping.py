"""The same values in another shape or order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from flax import nnx

from .base import Layer
from .harmless import OF_SPATIAL
from .settings import check_axes, positive
from .types import Array, Config, LayerOptions, Shape


class Flatten(Layer):
    """Makes one axis of all but the batch: `(batch, …)` to `(batch, features)`.

        >>> Flatten()(np.ones((2, 3, 4))).shape
        (2, 12)

    Its arguments are `name`, `input_shape`, `input_dim` and `data_format="channels_last"`.
    """

    harmless = OF_SPATIAL

    def call(self, x: Array) -> Array:
        return x.reshape(len(x), -1)


class Reshape(Layer):
    """Gives each sample another shape: `(batch, …)` to `(batch, *target_shape)`.

        >>> Reshape((2, -1))(np.ones((5, 6))).shape
        (5, 2, 3)

    Args:
        target_shape: Without the batch axis; one number may be -1.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        TypeError: When called, if the values don't fit the shape.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def call(self, x: Array) -> Array:
        return x.reshape(len(x), *self.target_shape)

    def get_config(self) -> Config:
        return super().get_config() | {"target_shape": self.target_shape}


class Permute(Layer):
    """Puts the axes of each sample into another order.

        >>> Permute((2, 1))(np.ones((5, 3, 4))).shape
        (5, 4, 3)

    Args:
        dims: The axes from 1, in the order in which they are to come: `(2, 1)` exchanges two.
        **kwargs: `name`, `input_shape`.

    Raises:
        ValueError: If an axis is missing or twice in `dims` or, when built, samples have another number of axes.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"dims has every axis from 1 once, such as (2, 1); got {dims!r}.")

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        if len(shape) != len(self.dims):
            raise ValueError(f"dims {self.dims} are of {len(self.dims)} axes; got inputs of shape {shape}.")

    def call(self, x: Array) -> Array:
        return x.transpose(0, *self.dims)

    def get_config(self) -> Config:
        return super().get_config() | {"dims": self.dims}


class RepeatVector(Layer):
    """Makes a vector every step of a sequence: `(batch, features)` to `(batch, n, features)`.

        >>> RepeatVector(3)(np.ones((2, 4))).shape
        (2, 3, 4)

    Args:
        n: How many steps.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If `n` is no positive whole number or, when built, inputs aren't vectors.
    """

    def __init__(self, n: int, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.n = positive("n", n)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, "features")

    def call(self, x: Array) -> Array:
        return x[:, None].repeat(self.n, axis=1)

    def get_config(self) -> Config:
        return super().get_config() | {"n": self.n}
