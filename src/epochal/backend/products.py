"""Products of arrays, and crossentropies."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import Array

from ..layers.untyped import asarray
from .of_arrays import Value, binary, of_arrays
from .settings import epsilon

dot = binary("dot", jnp.dot, "Return products over the last axis of x and the last but one of y.")


@of_arrays
def batch_dot(x: Value, y: Value, axes: int | tuple[int, int] | list[int] | None = None) -> Array:
    """Return for each sample the products over an axis of x and one of y.

    Args:
        x: Of shape `(batch, …)`.
        y: Of shape `(batch, …)`.
        axes: The axes that are added up over, of x and of y, or one number for both; the last of x and the last but one
            of y, or its only one, if None.

    Returns:
        The other axes of x, then those of y; `(batch, 1)` if there are none.

    Raises:
        ValueError: If an array has no axis beside the batch's, or the axis is that one.
    """
    x, y = asarray(x), asarray(y)
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError(f"batch_dot takes arrays of at least 2 axes; got shapes {x.shape} and {y.shape}.")
    one, other = (x.ndim - 1, max(y.ndim - 2, 1)) if axes is None else (axes, axes) if isinstance(axes, int) else axes
    one, other = one % x.ndim, other % y.ndim
    if 0 in (one, other):
        raise ValueError(f"batch_dot can't add up over the batch axis; got axes={axes!r}.")
    products = jax.vmap(functools.partial(jnp.tensordot, axes=((one - 1,), (other - 1,))))(x, y)
    return products[:, None] if products.ndim == 1 else products


@of_arrays
def binary_crossentropy(target: Value, output: Value, from_logits: bool = False) -> Array:
    """Return the crossentropy of each element.

    Args:
        target: 0, 1 or a probability.
        output: Probabilities, which are clipped to [1e-7, 1 - 1e-7].
        from_logits: Whether `output` is what a sigmoid would be applied to.
    """
    target, output = asarray(target), asarray(output)
    if from_logits:
        return jnp.maximum(output, 0) - output * target + jnp.log1p(jnp.exp(-jnp.abs(output)))
    output = jnp.clip(output, epsilon(), 1 - epsilon())
    return -(target * jnp.log(output) + (1 - target) * jnp.log1p(-output))


@of_arrays
def categorical_crossentropy(target: Value, output: Value, from_logits: bool = False, axis: int = -1) -> Array:
    """Return the crossentropy along an axis of classes.

    Args:
        target: Probabilities, one-hot vectors mostly.
        output: Probabilities, which are made to add up to 1 and clipped to [1e-7, 1 - 1e-7].
        from_logits: Whether `output` is what a softmax would be applied to.
        axis: Of the classes.
    """
    return -jnp.sum(asarray(target) * _log_probabilities(asarray(output), from_logits, axis), axis)


@of_arrays
def sparse_categorical_crossentropy(target: Value, output: Value, from_logits: bool = False, axis: int = -1) -> Array:
    """Return the crossentropy along an axis of classes, whose targets are class numbers.

    Args:
        target: Class numbers, of the shape of `output` without the classes, or with an axis of 1 in their place.
        output: See `categorical_crossentropy`.
        from_logits: See `categorical_crossentropy`.
        axis: Of the classes.
    """
    target, logs = asarray(target).astype("int32"), _log_probabilities(asarray(output), from_logits, axis)
    target = target if target.ndim == logs.ndim else jnp.expand_dims(target, axis)
    return -jnp.squeeze(jnp.take_along_axis(logs, target, axis), axis)


def _log_probabilities(output: Array, from_logits: bool, axis: int) -> Array:
    if from_logits:
        return jax.nn.log_softmax(output, axis)
    return jnp.log(jnp.clip(output / jnp.sum(output, axis, keepdims=True), epsilon(), 1 - epsilon()))
