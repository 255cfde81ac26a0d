"""Losses of predictions that are the parameters of a distribution.

Source: `kl_divergence` and `poisson` in keras/src/losses/losses.py.
"""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

from __future__ import annotations

from dataclasses import dataclass, field

import jax.numpy as jnp
import optax
from jax import Array

from .loss import LOSSES, BuiltinLoss
from .values import EPSILON, align, sample_means


def kl_divergence(y_true: Array, y_pred: Array) -> Array:
    """Return the sum of y_true × log(y_true / y_pred) over the last axis: Kullback and Leibler 1951.

    Args:
        y_true: Probabilities, `(batch, …, classes)`; clipped to [1e-7, 1].
        y_pred: Probabilities of the same shape; clipped too.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = (jnp.clip(values, EPSILON, 1.0) for values in align(y_true, y_pred))
    return sample_means(optax.kl_divergence(jnp.log(y_pred), y_true))


def poisson(y_true: Array, y_pred: Array) -> Array:
    """Return the mean of y_pred - y_true × log(y_pred + 1e-7): minus the log-likelihood, but for a constant.

    Args:
        y_true: Counts, `(batch, …)`.
        y_pred: Expected counts of the same shape, positive.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    return sample_means(y_pred - y_true * jnp.log(y_pred + EPSILON))


@LOSSES.register("kld", "kullback_leibler_divergence", function=kl_divergence)
@dataclass(frozen=True)
class KLDivergence(BuiltinLoss):
    """The Kullback-Leibler divergence of two distributions: `kl_divergence`.

    Args:
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import KLDivergence
        >>> KLDivergence()(jnp.array([[0.5, 0.5]]), jnp.array([[0.25, 0.75]])).round(4)
        Array(0.1438, dtype=float32)
    """

    name: str = field(default="kl_divergence", kw_only=True)
    fn = staticmethod(kl_divergence)


@LOSSES.register(function=poisson)
@dataclass(frozen=True)
class Poisson(BuiltinLoss):
    """The Poisson loss of counts: `poisson`.

    Args:
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import Poisson
        >>> Poisson()(jnp.array([[0.0], [3.0]]), jnp.array([[1.0], [1.0]])).round(4)
        Array(1., dtype=float32)
    """

    name: str = field(default="poisson", kw_only=True)
    fn = staticmethod(poisson)
