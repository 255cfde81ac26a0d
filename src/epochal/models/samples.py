"""Samples, targets and weights as a model can use them."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ..data.targets import Shape, weighs_steps
from ..data.wide import Taken, narrowed


def kept(array: np.ndarray, taken: Taken, what: str) -> np.ndarray:
    """Return an array whose numbers keep their value on the device; see `narrowed`. JAX may be told to have 64 bits."""
    return array if jax.config.read("jax_enable_x64") else narrowed(array, taken, what)


def taken_as(dtype: str | None) -> Taken:
    """Return the kind of numbers that an input cast to a dtype takes: any, if the dtype is None."""
    if dtype is None:
        return "any"
    return "floats" if jnp.issubdtype(dtype, jnp.floating) else "ids"


def weights_for(output: Shape, weight: np.ndarray) -> np.ndarray:
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
