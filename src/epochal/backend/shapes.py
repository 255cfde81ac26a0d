"""Functions that make arrays, and those that move elements."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from ..layers.untyped import asarray
from .of_arrays import Axes, Value, of_arrays, unary

Shape = Sequence[int]

batch_flatten = unary("batch_flatten", lambda x: x.reshape(x.shape[0], -1), "Return one axis behind the batch axis.")
flatten = unary("flatten", jnp.ravel, "Return all elements along one axis.")
transpose = unary("transpose", jnp.transpose, "Return the axes in the opposite order.")


@of_arrays
def shape(x: Value) -> tuple[int, ...]:
    """Return the sizes of an array; within a `Lambda`, that of the batch too."""
    return asarray(x).shape


@of_arrays
def arange(start: int, stop: int | None = None, step: int = 1, dtype: str = "int32") -> Array:
    """Return numbers from a first one up to another one, or from 0 up to the first."""
    return jnp.arange(start, stop, step, dtype)


@of_arrays
def constant(value: Value, dtype: str | None = None, shape: Shape | None = None) -> Array:
    """Return an array of a value, as float32 if nobody says else, spread over a shape if there is one."""
    array = asarray(value, dtype or "float32")
    return array if shape is None else jnp.broadcast_to(array, tuple(shape))


@of_arrays
def eye(size: int, dtype: str | None = None) -> Array:
    """Return the identity matrix."""
    return jnp.eye(size, dtype=dtype or "float32")


@of_arrays
def ones(shape: Shape, dtype: str | None = None) -> Array:
    """Return ones, as float32 if nobody says else."""
    return jnp.ones(tuple(shape), dtype or "float32")


@of_arrays
def ones_like(x: Value, dtype: str | None = None) -> Array:
    """Return ones in the shape of an array, in its dtype if nobody says else."""
    return jnp.ones_like(asarray(x), dtype)


@of_arrays
def zeros(shape: Shape, dtype: str | None = None) -> Array:
    """Return zeros, as float32 if nobody says else."""
    return jnp.zeros(tuple(shape), dtype or "float32")


@of_arrays
def zeros_like(x: Value, dtype: str | None = None) -> Array:
    """Return zeros in the shape of an array, in its dtype if nobody says else."""
    return jnp.zeros_like(asarray(x), dtype)


@of_arrays
def one_hot(indices: Value, num_classes: int) -> Array:
    """Return for each index a vector with a 1 there."""
    return jax.nn.one_hot(asarray(indices), num_classes)


@of_arrays
def gather(reference: Value, indices: Value) -> Array:
    """Return the rows with these indices; NaN for one that isn't there."""
    return jnp.take(asarray(reference), asarray(indices).astype("int32"), axis=0)


@of_arrays
def concatenate(tensors: Sequence[Value], axis: int = -1) -> Array:
    """Return arrays behind one another along an axis."""
    return jnp.concatenate([asarray(tensor) for tensor in tensors], axis)


@of_arrays
def stack(x: Sequence[Value], axis: int = 0) -> Array:
    """Return arrays along a new axis."""
    return jnp.stack([asarray(tensor) for tensor in x], axis)


@of_arrays
def expand_dims(x: Value, axis: int = -1) -> Array:
    """Return an array with a new axis of size 1."""
    return jnp.expand_dims(asarray(x), axis)


@of_arrays
def squeeze(x: Value, axis: int) -> Array:
    """Return an array without an axis of size 1."""
    return jnp.squeeze(asarray(x), axis)


@of_arrays
def reshape(x: Value, shape: Shape) -> Array:
    """Return the elements in another shape, of which one size may be -1."""
    return asarray(x).reshape(tuple(shape))


@of_arrays
def permute_dimensions(x: Value, pattern: Sequence[int]) -> Array:
    """Return the axes in another order."""
    return jnp.transpose(asarray(x), tuple(pattern))


@of_arrays
def repeat(x: Value, n: int) -> Array:
    """Return vectors, `(samples, features)`, n times each: `(samples, n, features)`."""
    return jnp.repeat(asarray(x)[:, None, :], n, axis=1)


@of_arrays
def repeat_elements(x: Value, rep: int, axis: int) -> Array:
    """Return each element so many times, one after the other, along an axis."""
    return jnp.repeat(asarray(x), rep, axis=axis)


@of_arrays
def tile(x: Value, n: int | Sequence[int]) -> Array:
    """Return the whole array n times, along the last axis, or along each axis as often as a list says."""
    return jnp.tile(asarray(x), n)


@of_arrays
def reverse(x: Value, axes: Axes) -> Array:
    """Return an array backwards along one axis, or several."""
    return jnp.flip(asarray(x), tuple(axes) if isinstance(axes, list) else axes)
