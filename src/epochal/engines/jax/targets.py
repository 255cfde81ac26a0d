"""Targets, outputs and weights in the form in which losses and metrics take them."""

from __future__ import annotations

import jax.numpy as jnp

from ...data.targets import lacks_last_axis, stay_integers
from .trees import Array, PyTree


def prepared(
    y: PyTree, y_pred: PyTree, weight: Array | None = None, mask: Array | None = None, steps_are_samples: bool = True
) -> tuple[PyTree, PyTree, Array | None]:
    """Return targets, outputs and weights as every loss and metric gets them, a user's own too.

    Targets are of the outputs' dtype, but for integers that number classes: those are of 32 bits. Where only a last
    axis of 1 is missing, in targets or outputs, it is added.

    Args:
        y: Targets, `(batch, …)`. A nest of them, or None, stays as it is.
        y_pred: Outputs, `(batch, …)`.
        weight: One weight a sample or a step, or None.
        mask: Which steps count, `(batch, steps)` and perhaps more such axes, or None if all do.
        steps_are_samples: Whether outputs whose steps have weights or a mask are taken as `(batch × steps, …)`.
    """
    weight = _weights_of_steps(weight, mask)
    if weight is not None and (mask is not None or weight.ndim > 1):
        for what, array in (("targets", y), ("outputs", y_pred)):
            if array.shape[: weight.ndim] != weight.shape:
                raise ValueError(
                    f"{what} of shape {array.shape} have other steps than what weighs them: {weight.shape}"
                )
        if steps_are_samples:
            steps = weight.ndim
            y, y_pred = (a.reshape(-1, *a.shape[steps:]) for a in (y, y_pred))
            weight = weight.reshape(-1)
    if not hasattr(y, "dtype") or not hasattr(y_pred, "dtype"):
        return y, y_pred, weight
    integers = not jnp.issubdtype(y.dtype, jnp.inexact)
    if integers and (stay_integers(y.shape, y_pred.shape) or not jnp.issubdtype(y_pred.dtype, jnp.inexact)):
        y = y.astype(jnp.promote_types(y.dtype, jnp.int32))
    elif jnp.issubdtype(y_pred.dtype, jnp.inexact):
        y = y.astype(y_pred.dtype)
    if lacks_last_axis(y.shape, y_pred.shape):
        y = y[..., None]
    elif lacks_last_axis(y_pred.shape, y.shape):
        y_pred = y_pred[..., None]
    return y, y_pred, weight


def _weights_of_steps(weight: Array | None, mask: Array | None) -> Array | None:
    """Return a weight for each step: its sample's or its own, and 0 where the mask says that it doesn't count."""
    if mask is None:
        return weight
    weights = mask.astype(jnp.float32)
    return weights if weight is None else weights * weight.reshape(*weight.shape, *[1] * (mask.ndim - weight.ndim))
