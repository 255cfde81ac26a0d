"""Labels and predictions in the shapes in which they are compared, and values by sample."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from ..data.targets import Shape

EPSILON = 1e-7  # Keras's backend.epsilon()


def aligned_shapes(y_true: Shape, y_pred: Shape) -> tuple[Shape, Shape]:
    """Return the shapes in which labels and predictions are compared, by Keras's rule: a last axis of 1 may be missing.

    `(n,)` is taken as `(n, 1)`; else an axis of 1 at the end of the longer one is dropped. The two still differ where
    labels and predictions don't go together.
    """
    y_true, y_pred = ((*shape, 1) if len(shape) == 1 else shape for shape in (y_true, y_pred))
    if len(y_true) == len(y_pred) + 1 and y_true[-1] == 1:
        y_true = y_true[:-1]
    if len(y_pred) == len(y_true) + 1 and y_pred[-1] == 1:
        y_pred = y_pred[:-1]
    return y_true, y_pred


def align(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Return labels and predictions in one shape and one floating dtype, at least float32.

    Raises:
        ValueError: If their shapes don't go together; nothing is ever broadcast.
    """
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    true_shape, pred_shape = aligned_shapes(y_true.shape, y_pred.shape)
    if true_shape != pred_shape:
        raise ValueError(f"labels of shape {y_true.shape} and predictions of shape {y_pred.shape} don't go together")
    y_pred = _at_least_float32(y_pred)
    return y_true.reshape(true_shape).astype(y_pred.dtype), y_pred.reshape(pred_shape)


def align_sparse(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Return class numbers of shape `(batch, …)` as int32, and predictions of `(batch, …, classes)` as floats.

    Labels may have an axis of 1 at the end, which is dropped.

    Raises:
        ValueError: If the shapes don't go together.
    """
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true.squeeze(-1)
    if y_true.shape != y_pred.shape[:-1]:
        raise ValueError(
            f"class numbers of shape {y_true.shape} don't go with predictions of shape {y_pred.shape}: "
            f"expected {y_pred.shape[:-1]}"
        )
    return y_true.astype(jnp.int32), _at_least_float32(y_pred)


def sample_means(values: Array) -> Array:
    """Return the mean over all axes but the first, `(batch, …)` → `(batch,)`: for losses of your own.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import sample_means
        >>> sample_means(jnp.array([[1.0, 3.0], [0.0, 0.0]]))
        Array([2., 0.], dtype=float32)
    """
    return values.mean(axis=tuple(range(1, values.ndim)))


def by_sample(name: str, found: object, shape: tuple[int, ...]) -> Array:
    """Return what a user's loss or metric returned, as one value a sample, or a step where steps have weights.

    One number stands for all samples; further axes are averaged.

    Args:
        name: The name of the loss or metric, for errors.
        found: What it returned.
        shape: `(batch,)`, or `(batch, steps)` where steps have weights.

    Raises:
        ValueError: If it returned anything else.
    """
    a_sample = f"one number a sample, ({shape[0]},)"
    wanted = (
        a_sample if len(shape) == 1 else f"one number a step, {shape}, since a mask or weights say what steps count"
    )
    if found is None or isinstance(found, (tuple, list, dict, str)):
        raise ValueError(f"{name} returned {found!r}: a loss or a metric is one number, or {wanted}")
    values = jnp.asarray(found)
    if values.ndim == 0:
        return jnp.broadcast_to(values, shape)
    if values.shape[: len(shape)] != shape:
        raise ValueError(
            f"{name} returned shape {values.shape} for a batch of {shape[0]}: a loss or a metric is one number, or "
            f"{wanted}"
        )
    return values.mean(axis=tuple(range(len(shape), values.ndim)))


def weighted_shape(sample_weight: Array | None, batch: int) -> tuple[int, ...]:
    """Return the shape of the values that weights belong to, `(batch,)` without weights.

    Raises:
        ValueError: If there are weights for another number of samples.
    """
    if sample_weight is None:
        return (batch,)
    if sample_weight.shape[:1] != (batch,):
        raise ValueError(f"sample_weight has shape {sample_weight.shape}; one weight a sample is ({batch},)")
    return sample_weight.shape


def _at_least_float32(values: Array) -> Array:
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))
