"""A batch's gradients in parts, for batches whose activations don't fit the memory."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from .logged_metrics import Predicted
from .module_state import ModuleState
from .trees import Array, DeviceBatch, PyTree, map_leaves, map_pairs


class Evaluated(NamedTuple):
    """The objective at some weights.

    Attributes:
        gradients: Of the loss; `()` where none are asked for.
        values: The objective's, scalars of which the first is the loss.
        params: The weights, but for what the module itself has written into them.
        other: The module's other state after the batch.
        predicted: What the module made of the batch.
    """

    gradients: PyTree
    values: tuple[Array, ...]
    params: ModuleState
    other: ModuleState
    predicted: Predicted


Evaluate: TypeAlias = Callable[[ModuleState, ModuleState, DeviceBatch], Evaluated]
"""`(params, other, batch)`: evaluate an objective that is a mean over the batch."""

Carry: TypeAlias = tuple[PyTree, tuple[ModuleState, ModuleState]]
"""The means of gradients and values so far, and the module's state."""


def in_parts(evaluate: Evaluate, parts: int) -> Evaluate:
    """Return a function that evaluates the objective for a batch cut into parts, one after the other.

    Gradients and values are the parts' means, weighted by their sizes: those of the whole batch, but for rounding.
    What the module writes (batch statistics, random streams) goes from part to part. Outputs are put together again.

    Args:
        evaluate: Evaluates a whole batch.
        parts: Into how many parts a batch is cut, at most.
    """

    def evaluate_parts(params: ModuleState, other: ModuleState, batch: DeviceBatch) -> Evaluated:
        samples = _samples(batch)
        size = -(-samples // min(parts, samples))
        whole = samples // size

        def add(carry: Carry, part: DeviceBatch) -> tuple[Carry, Predicted]:
            means, (params, other) = carry
            found = evaluate(params, other, part)
            share = _samples(part) / samples
            means = map_pairs(lambda total, value: total + share * value, means, (found.gradients, found.values))
            return (means, (found.params, found.other)), found.predicted

        # Part k has the rows k, k + whole, …: devices that a batch is dealt out over have their shares of every part
        stacked = map_leaves(lambda a: a[: whole * size].reshape(size, whole, *a.shape[1:]).swapaxes(0, 1), batch)
        like = jax.eval_shape(evaluate, params, other, map_leaves(lambda a: a[0], stacked))
        zeros = map_leaves(lambda a: jnp.zeros(a.shape, a.dtype), (like.gradients, like.values))
        carry, predicted = lax.scan(add, (zeros, (params, other)), stacked)
        predicted = map_leaves(lambda a: a.swapaxes(0, 1).reshape(whole * size, *a.shape[2:]), predicted)
        if samples > whole * size:
            carry, last = add(carry, map_leaves(lambda a: a[whole * size :], batch))
            predicted = map_pairs(lambda first, end: jnp.concatenate([first, end]), predicted, last)
        (gradients, values), (params, other) = carry
        return Evaluated(gradients, values, params, other, predicted)

    return evaluate_parts


def _samples(batch: DeviceBatch) -> int:
    return len(jax.tree.leaves(batch)[0])
