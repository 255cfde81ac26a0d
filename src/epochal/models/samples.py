"""Samples, targets and weights as a model can use them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ..data.targets import Shape, weighs_steps
from ..data.wide import Taken, narrowed


def kept(array: Any, taken: Taken, what: str) -> Any:
    """Return an array whose numbers keep their value on the device; see `narrowed`. JAX may be told to have 64 bits."""
    return array if jax.config.read("jax_enable_x64") else narrowed(array, taken, what)


def taken_as(dtype: str | None) -> Taken:
    """Return what an input's numbers become that is cast to a dtype; None if they stay as they come."""
    if dtype is None:
        return "any"
    return "floats" if jnp.issubdtype(dtype, jnp.floating) else "ids"


def weights_for(output: Shape, weight: Any) -> Any:
    """Return sample weights as `(samples,)`, or as `(samples, steps)` if they go with an output's steps.

    Raises:
        ValueError: If they have any other shape; an axis of 1 at the end is left out.
    """
    if weight.ndim == 1:
        return weight
    if weight.shape[1:] == (1,):
        return weight[:, 0]
    for found in (weight, weight[..., 0]) if weight.shape[-1] == 1 else (weight,):
        if weighs_steps(found.shape, output):
            return found
    steps = f", or one a step, {(weight.shape[0], *output[1:-1])}" if len(output) > 2 else ""
    raise ValueError(
        f"sample_weight is one number a sample, {weight.shape[:1]}{steps}; got an array of shape {weight.shape}."
    )
