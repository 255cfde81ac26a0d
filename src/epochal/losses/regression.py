"""Losses of labels that are numbers: how far predictions are from them.

Source: keras/src/losses/losses.py. Functions take labels and predictions of the same shape, `(batch, …)`.
"""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

from __future__ import annotations

from dataclasses import dataclass, field

import jax.numpy as jnp
import optax
from jax import Array

from ..messages.numeric import real
from .loss import LOSSES, BuiltinLoss
from .values import EPSILON, align, sample_means


def mean_squared_error(y_true: Array, y_pred: Array) -> Array:
    """Return the mean of (y_pred - y_true)².

    Args:
        y_true: Labels, `(batch, …)`.
        y_pred: Predictions of the same shape.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(optax.squared_error(y_pred, y_true))


def mean_absolute_error(y_true: Array, y_pred: Array) -> Array:
    """Return the mean of |y_pred - y_true|.

    Args:
        y_true: Labels, `(batch, …)`.
        y_pred: Predictions of the same shape.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(jnp.abs(y_pred - y_true))


def mean_absolute_percentage_error(y_true: Array, y_pred: Array) -> Array:
    """Return the mean of 100 × |y_pred - y_true| / |y_true|, in percent.

    Args:
        y_true: Labels, `(batch, …)`; as divisors they are at least 1e-7.
        y_pred: Predictions of the same shape.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    return 100.0 * sample_means(jnp.abs(y_pred - y_true) / jnp.maximum(jnp.abs(y_true), EPSILON))


def mean_squared_logarithmic_error(y_true: Array, y_pred: Array) -> Array:
    """Return the mean of (log(1 + y_pred) - log(1 + y_true))².

    Args:
        y_true: Labels, `(batch, …)`; those below 1e-7 count as 1e-7.
        y_pred: Predictions of the same shape; those below 1e-7 count as 1e-7.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(jnp.square(jnp.log1p(jnp.maximum(y_pred, EPSILON)) - jnp.log1p(jnp.maximum(y_true, EPSILON))))


def huber(y_true: Array, y_pred: Array, delta: float = 1.0) -> Array:
    """Return the mean of error² / 2 up to |error| = `delta`, and of delta × |error| - delta² / 2 beyond: Huber 1964.

    Args:
        y_true: Labels, `(batch, …)`.
        y_pred: Predictions of the same shape.
        delta: The size of an error from which on it counts linearly.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(optax.huber_loss(y_pred, y_true, delta=delta))


def log_cosh(y_true: Array, y_pred: Array) -> Array:
    """Return the mean of log(cosh(y_pred - y_true)).

    Args:
        y_true: Labels, `(batch, …)`.
        y_pred: Predictions of the same shape.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(optax.log_cosh(y_pred, y_true))


def cosine_similarity(y_true: Array, y_pred: Array) -> Array:
    """Return minus the cosine of the angle between labels and predictions along the last axis.

    -1 is the same direction, 1 the opposite one; a vector of zeros gives 0.

    Args:
        y_true: Labels, `(batch, …, components)`.
        y_pred: Predictions of the same shape.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    return -sample_means(optax.cosine_similarity(y_pred, y_true, epsilon=EPSILON**2))


@LOSSES.register("mse", function=mean_squared_error)
@dataclass(frozen=True)
class MeanSquaredError(BuiltinLoss):
    """The mean of squared errors: `mean_squared_error`.

    Args:
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import MeanSquaredError
        >>> MeanSquaredError()(jnp.array([[0.0, 1.0]]), jnp.array([[2.0, 1.0]]))
        Array(2., dtype=float32)
    """

    name: str = field(default="mean_squared_error", kw_only=True)
    fn = staticmethod(mean_squared_error)


@LOSSES.register("mae", function=mean_absolute_error)
@dataclass(frozen=True)
class MeanAbsoluteError(BuiltinLoss):
    """The mean of absolute errors: `mean_absolute_error`.

    Args:
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import MeanAbsoluteError
        >>> MeanAbsoluteError()(jnp.array([[0.0, 1.0]]), jnp.array([[2.0, 1.0]]))
        Array(1., dtype=float32)
    """

    name: str = field(default="mean_absolute_error", kw_only=True)
    fn = staticmethod(mean_absolute_error)


@LOSSES.register("mape", function=mean_absolute_percentage_error)
@dataclass(frozen=True)
class MeanAbsolutePercentageError(BuiltinLoss):
    """The mean error in percent of the label: `mean_absolute_percentage_error`.

    Args:
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import MeanAbsolutePercentageError
        >>> MeanAbsolutePercentageError()(jnp.array([[4.0]]), jnp.array([[5.0]]))
        Array(25., dtype=float32)
    """

    name: str = field(default="mean_absolute_percentage_error", kw_only=True)
    fn = staticmethod(mean_absolute_percentage_error)


@LOSSES.register("msle", function=mean_squared_logarithmic_error)
@dataclass(frozen=True)
class MeanSquaredLogarithmicError(BuiltinLoss):
    """The mean of squared errors of log(1 + y): `mean_squared_logarithmic_error`.

    Args:
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import MeanSquaredLogarithmicError
        >>> MeanSquaredLogarithmicError()(jnp.array([[0.0]]), jnp.array([[1.0]])).round(4)
        Array(0.4805, dtype=float32)
    """

    name: str = field(default="mean_squared_logarithmic_error", kw_only=True)
    fn = staticmethod(mean_squared_logarithmic_error)


@LOSSES.register("huber_loss", function=huber)
@dataclass(frozen=True)
class Huber(BuiltinLoss):
    """Squared for small errors, linear for large ones, which then weigh less: `huber`.

    Args:
        delta: The size of an error from which on it counts linearly.
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import Huber
        >>> Huber(delta=1.0)(jnp.array([[0.0, 0.0]]), jnp.array([[1.0, 3.0]]))
        Array(1.5, dtype=float32)
    """

    delta: float = 1.0
    name: str = field(default="huber_loss", kw_only=True)
    fn = staticmethod(huber)

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", real("delta", self.delta))


@LOSSES.register("logcosh", function=log_cosh)
@dataclass(frozen=True)
class LogCosh(BuiltinLoss):
    """log(cosh(error)), squared near zero and linear far away: `log_cosh`.

    Args:
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import LogCosh
        >>> LogCosh()(jnp.array([[0.0]]), jnp.array([[1.0]])).round(4)
        Array(0.4338, dtype=float32)
    """

    name: str = field(default="log_cosh", kw_only=True)
    fn = staticmethod(log_cosh)


@LOSSES.register("cosine_proximity", "cosine", function=cosine_similarity)
@dataclass(frozen=True)
class CosineSimilarity(BuiltinLoss):
    """Minus the cosine of the angle between label and prediction: `cosine_similarity`.

    Args:
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import CosineSimilarity
        >>> CosineSimilarity()(jnp.array([[0.0, 1.0]]), jnp.array([[0.0, 2.0]]))
        Array(-1., dtype=float32)
    """

    name: str = field(default="cosine_similarity", kw_only=True)
    fn = staticmethod(cosine_similarity)
