"""Sums over batches: the states of most metrics."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Sums = dict[str, Array]
"""Arrays of float32 by name."""


def zeros(*names: str, shape: tuple[int, ...] = ()) -> Sums:
    """Return sums before the first batch, each of a shape."""
    return {name: jax.device_put(np.zeros(shape, np.float32)) for name in names}


def add(sums: Sums, more: Mapping[str, Array]) -> Sums:
    """Return the sums after one more batch."""
    return {name: sums[name] + more[name].astype(jnp.float32) for name in sums}


def divide(a: Array, b: Array) -> Array:
    """Return a / b, and 0 where b is 0."""
    return jnp.where(b == 0, 0.0, a / jnp.where(b == 0, 1.0, b))


def weights_of(values: Array, sample_weight: Array | None) -> Array:
    """Return the weight of each of `values`, `(batch, …)`.

    Args:
        values: What is summed.
        sample_weight: `(batch,)`, or of more of the first axes of `values`; None means 1 for all.

    Raises:
        ValueError: If weights have another shape.
    """
    if sample_weight is None:
        return jnp.ones(values.shape, jnp.float32)
    if sample_weight.shape != values.shape[: sample_weight.ndim]:
        raise ValueError(f"sample_weight has shape {sample_weight.shape}; one weight a sample is {values.shape[:1]}")
    weights = sample_weight.astype(jnp.float32).reshape(*sample_weight.shape, *[1] * (values.ndim - sample_weight.ndim))
    return jnp.broadcast_to(weights, values.shape)
