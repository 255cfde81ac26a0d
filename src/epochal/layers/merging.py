"""Several arrays made one."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .base import Layer


class _Merging(Layer):
    """Takes a list of at least two inputs."""

    def build(self, shape: Any, rngs: nnx.Rngs) -> None:
        if not isinstance(shape, list) or len(shape) < 2:
            raise ValueError(f"{type(self).__name__} takes a list of at least two inputs; got one of shape {shape}.")

    def output_mask(self, x: Sequence[jax.Array], mask: Sequence[jax.Array | None]) -> jax.Array | None:
        """Return the steps that count in any of the inputs, if each says which of its own do."""
        there = [m for m in mask if m is not None]
        return functools.reduce(jnp.logical_or, there) if len(there) == len(x) else None


class Add(_Merging):
    """The sum of its inputs, which are broadcast as arrays are."""

    def call(self, x: Sequence[jax.Array]) -> jax.Array:
        return functools.reduce(operator.add, x)


class Multiply(_Merging):
    """The product of its inputs, which are broadcast as arrays are."""

    def call(self, x: Sequence[jax.Array]) -> jax.Array:
        return functools.reduce(operator.mul, x)


class Average(_Merging):
    """The mean of its inputs, which are broadcast as arrays are."""

    def call(self, x: Sequence[jax.Array]) -> jax.Array:
        return functools.reduce(operator.add, x) / len(x)


class Concatenate(_Merging):
    """Its inputs one after the other along an axis.

    Args:
        axis: With the batch axis as 0; the other axes must agree.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, int) or axis == 0:
            raise ValueError(f"axis is a whole number other than 0, which is the batch's; got {axis!r}.")
        self.axis = axis

    def call(self, x: Sequence[jax.Array]) -> jax.Array:
        return jnp.concatenate(list(x), self.axis)

    def output_mask(self, x: Sequence[jax.Array], mask: Sequence[jax.Array | None]) -> jax.Array | None:
        """Return the inputs' masks one after the other, or in features side by side the steps that count in any."""
        if all(m is None for m in mask):
            return None
        full = [
            jnp.ones(a.shape, bool) if m is None else jnp.broadcast_to(_deepened(m.astype(bool), a.ndim), a.shape)
            for a, m in zip(x, mask, strict=True)
        ]
        return jnp.concatenate(full, self.axis).any(axis=-1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"axis": self.axis}


def _deepened(mask: jax.Array, axes: int) -> jax.Array:
    return mask.reshape(*mask.shape, *(1,) * (axes - mask.ndim))


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Return `Add(**kwargs)(inputs)`."""
    return Add(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Return `Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Return `Average(**kwargs)(inputs)`."""
    return Average(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """Return `Concatenate(axis, **kwargs)(inputs)`."""
    return Concatenate(axis, **kwargs)(inputs)
