"""Functions over an axis, several, or all."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from ..layers.untyped import asarray
from .of_arrays import Value, of_arrays, reduction

all = reduction("all", jnp.all, "Return whether all are true")
any = reduction("any", jnp.any, "Return whether one is true")
logsumexp = reduction("logsumexp", jax.nn.logsumexp, "Return the logarithm of the sum of exponentials")
max = reduction("max", jnp.max, "Return the largest")
mean = reduction("mean", jnp.mean, "Return the mean")
min = reduction("min", jnp.min, "Return the smallest")
prod = reduction("prod", jnp.prod, "Return the product")
std = reduction("std", jnp.std, "Return the standard deviation")
sum = reduction("sum", jnp.sum, "Return the sum")
var = reduction("var", jnp.var, "Return the variance")


@of_arrays
def argmax(x: Value, axis: int = -1) -> Array:
    """Return the index of the largest along an axis."""
    return jnp.argmax(asarray(x), axis)


@of_arrays
def argmin(x: Value, axis: int = -1) -> Array:
    """Return the index of the smallest along an axis."""
    return jnp.argmin(asarray(x), axis)


@of_arrays
def cumsum(x: Value, axis: int = 0) -> Array:
    """Return sums up to each place along an axis."""
    return jnp.cumsum(asarray(x), axis)


@of_arrays
def cumprod(x: Value, axis: int = 0) -> Array:
    """Return products up to each place along an axis."""
    return jnp.cumprod(asarray(x), axis)


@of_arrays
def softmax(x: Value, axis: int = -1) -> Array:
    """Return exp(x) / sum(exp(x)) along an axis."""
    return jax.nn.softmax(asarray(x), axis)


@of_arrays
def l2_normalize(x: Value, axis: int | None = None) -> Array:
    """Return x divided by its Euclidean norm along an axis, or by that of all; the norm's square is at least 1e-12."""
    x = asarray(x)
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(x * x, axis=axis, keepdims=True), 1e-12))
