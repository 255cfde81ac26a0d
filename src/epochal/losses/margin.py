"""Losses of labels -1 and 1 that ask for a margin between the classes.

Source: `hinge` and `squared_hinge` in keras/src/losses/losses.py. A batch whose labels are all 0 or 1 is converted.
"""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

from __future__ import annotations

from dataclasses import dataclass, field

import jax.numpy as jnp
import optax
from jax import Array

from .loss import LOSSES, BuiltinLoss
from .values import align, sample_means


def hinge(y_true: Array, y_pred: Array) -> Array:
    """Return the mean of max(1 - y_true × y_pred, 0): Cortes and Vapnik 1995.

    Args:
        y_true: Labels -1 and 1, or 0 and 1, `(batch, …)`.
        y_pred: Predictions of the same shape, positive for 1.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(optax.hinge_loss(y_pred, _minus_one_or_one(y_true)))


def squared_hinge(y_true: Array, y_pred: Array) -> Array:
    """Return the mean of max(1 - y_true × y_pred, 0)².

    Args:
        y_true: Labels -1 and 1, or 0 and 1, `(batch, …)`.
        y_pred: Predictions of the same shape, positive for 1.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(jnp.square(optax.hinge_loss(y_pred, _minus_one_or_one(y_true))))


def _minus_one_or_one(y_true: Array) -> Array:
    zero_or_one = jnp.all((y_true == 0) | (y_true == 1))
    return jnp.where(zero_or_one, 2.0 * y_true - 1.0, y_true)


@LOSSES.register(function=hinge)
@dataclass(frozen=True)
class Hinge(BuiltinLoss):
    """The hinge loss of labels -1 and 1, or 0 and 1: `hinge`.

    Args:
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import Hinge
        >>> Hinge()(jnp.array([[-1.0], [1.0]]), jnp.array([[-2.0], [0.5]]))
        Array(0.25, dtype=float32)
    """

    name: str = field(default="hinge", kw_only=True)
    fn = staticmethod(hinge)


@LOSSES.register(function=squared_hinge)
@dataclass(frozen=True)
class SquaredHinge(BuiltinLoss):
    """The squared hinge loss of labels -1 and 1, or 0 and 1: `squared_hinge`.

    Args:
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import SquaredHinge
        >>> SquaredHinge()(jnp.array([[-1.0], [1.0]]), jnp.array([[-2.0], [0.5]]))
        Array(0.125, dtype=float32)
    """

    name: str = field(default="squared_hinge", kw_only=True)
    fn = staticmethod(squared_hinge)
