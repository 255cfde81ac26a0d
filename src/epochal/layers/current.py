"""Weights as they are now: the engine of a model may be ahead of the layers' own arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike

from ..core.dirty import DIRTY_STORES
from ..core.logs import fetch
from .types import AnyWeight, NamedWeights, NumpyArray
from .untyped import asarray
from .weights import variable_of


def write_back(named: NamedWeights) -> NamedWeights:
    """Let weights hold their values after the last finished batch of any model that trains them; return them."""
    DIRTY_STORES.write_back(id(variable_of(weight)) for _, weight in named)
    return named


def read(named: NamedWeights) -> list[NumpyArray]:
    """Return copies of weights after the last finished batch of any model that trains them."""
    return [np.array(fetch(weight.get_value())) for _, weight in write_back(named)]


def write(named: NamedWeights, values: Sequence[ArrayLike], owner: str) -> None:
    """Replace the values of weights; models that train them go on from these with the next batch.

    Args:
        named: The weights.
        values: Arrays of their shapes.
        owner: What errors call the layer.

    Raises:
        ValueError: If the number or a shape differs; then nothing is changed.
    """
    check(named, values, owner)
    write_back(named)
    for (_, weight), value in zip(named, values, strict=True):
        weight.set_value(asarray(value, weight.dtype))
    DIRTY_STORES.note_write()


def check(named: Sequence[tuple[str, AnyWeight]], values: Sequence[ArrayLike], owner: str) -> None:
    """Raise a ValueError if values don't fit weights, in number or in shape."""
    if len(values) != len(named):
        raise ValueError(f"{owner} has {len(named)} weights; got {len(values)}.")
    for (name, weight), value in zip(named, values, strict=True):
        if np.shape(value) != weight.shape:
            raise ValueError(f"{name} has shape {weight.shape}; got an array of shape {np.shape(value)}.")
