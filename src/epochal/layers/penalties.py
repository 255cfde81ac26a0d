"""What regularizers make of weights and of outputs: one number each."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp

from .types import Array, Nest
from .untyped import asarray, is_variable


def weight_penalties(weights: Iterable[object]) -> list[Array]:
    """Return the penalties of the variables that have a regularizer, each for the value that it holds now.

    Raises:
        ValueError: If a regularizer returns anything but one number.
    """
    return [
        _penalty(regularizer, variable.get_value())
        for variable in filter(is_variable, weights)
        if (regularizer := variable.get_metadata("regularizer", None)) is not None
    ]


def activity_penalties(regularizer: Callable[[Array], object], outputs: Nest) -> list[Array]:
    """Return the penalties of the arrays in a nest of outputs, each divided by the batch's size; raises likewise."""
    return [_of_output(regularizer, output) for output in jax.tree.leaves(outputs) if hasattr(output, "astype")]


def _of_output(regularizer: Callable[[Array], object], output: Array) -> Array:
    # In float32 at least: a sum over a batch is more than half precision holds.
    penalty = _penalty(regularizer, output.astype(jnp.promote_types(output.dtype, jnp.float32)))
    return penalty / len(output) if output.ndim else penalty


def _penalty(regularizer: Callable[[Array], object], x: Array) -> Array:
    value: Nest = regularizer(x)
    if value is None or jnp.shape(value) != ():
        what = "nothing" if value is None else f"an array of shape {jnp.shape(value)}"
        name = getattr(regularizer, "__name__", type(regularizer).__name__)
        raise ValueError(f"a regularizer returns one number, such as a sum; {name} returned {what}.")
    return asarray(value)
