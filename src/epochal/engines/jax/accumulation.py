"""A batch's gradients in parts, for batches whose activations don't fit the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Differentiated = Callable[[Any, Any, Any], tuple[Any, Any, Any, Any, Any]]
"""`(params, other, batch) -> (gradients, values, params, other, made)` of a mean over the batch."""


def in_parts(differentiated: Differentiated, parts: int) -> Differentiated:
    """Return what does the same with a batch cut into parts, one after the other.

    Gradients and values are the parts' means, weighted by their sizes: those of the whole batch, but for rounding.
    What the module writes (batch statistics, random streams) goes from part to part. Outputs are put together again.
    """

    def of_parts(params: Any, other: Any, batch: Any) -> tuple[Any, Any, Any, Any, Any]:
        samples = len(jax.tree.leaves(batch)[0])
        size = -(-samples // min(parts, samples))
        whole = samples // size

        def add(carry: Any, part: Any) -> Any:
            sums, (params, other) = carry
            gradients, values, params, other, made = differentiated(params, other, part)
            share = len(jax.tree.leaves(part)[0]) / samples
            added = jax.tree.map(lambda total, value: total + share * value, sums, (gradients, values))
            return (added, (params, other)), made

        stacked = jax.tree.map(lambda a: a[: whole * size].reshape(whole, size, *a.shape[1:]), batch)
        like = jax.eval_shape(differentiated, params, other, jax.tree.map(lambda a: a[0], stacked))
        carry = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), like[:2]), (params, other)
        carry, made = lax.scan(add, carry, stacked)
        made = jax.tree.map(lambda a: a.reshape(whole * size, *a.shape[2:]), made)
        if samples > whole * size:
            carry, last = add(carry, jax.tree.map(lambda a: a[whole * size :], batch))
            made = jax.tree.map(lambda *ends: jnp.concatenate(ends), made, last)
        (gradients, values), (params, other) = carry
        return gradients, values, params, other, made

    return of_parts
