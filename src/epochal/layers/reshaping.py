"""The same values in another shape or order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from flax import nnx

from .base import Layer, Shape
from .settings import positive


class Flatten(Layer):
    """All axes but the batch in one."""

    def call(self, x: jax.Array) -> jax.Array:
        return x.reshape(len(x), -1)


class Reshape(Layer):
    """Another shape for each sample.

    Args:
        target_shape: Without the batch axis; one number may be -1.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def call(self, x: jax.Array) -> jax.Array:
        return x.reshape(len(x), *self.target_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"target_shape": self.target_shape}


class Permute(Layer):
    """The axes of each sample in another order.

    Args:
        dims: The axes from 1, in the order in which they are to come: `(2, 1)` exchanges two.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"dims has every axis from 1 once, such as (2, 1); got {dims!r}.")

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        if len(shape) != len(self.dims):
            raise ValueError(f"dims {self.dims} are of {len(self.dims)} axes; got inputs of shape {shape}.")

    def call(self, x: jax.Array) -> jax.Array:
        return x.transpose(0, *self.dims)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"dims": self.dims}


class RepeatVector(Layer):
    """A vector as every step of a sequence: `(batch, features)` to `(batch, n, features)`.

    Args:
        n: How many steps.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive("n", n)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        if len(shape) != 1:
            raise ValueError(f"RepeatVector takes (features,); got inputs of shape {shape}.")

    def call(self, x: jax.Array) -> jax.Array:
        return x[:, None].repeat(self.n, axis=1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"n": self.n}
