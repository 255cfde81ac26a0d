"""Weights as they are now: the engine of a model may be ahead of the layers' own arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..core.dirty import DIRTY_STORES
from .weights import variable_of


def write_back(named: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Let variables hold what they are after the last finished batch of any model that trains them; return them."""
    DIRTY_STORES.write_back(id(variable_of(weight)) for _, weight in named)
    return named


def read(named: list[tuple[str, Any]]) -> list[np.ndarray]:
    """Return copies of what variables hold after the last finished batch of any model that trains them."""
    return [np.array(variable.get_value()) for _, variable in write_back(named)]


def write(named: list[tuple[str, Any]], values: Sequence[Any], owner: str) -> None:
    """Replace what variables hold; models that train them go on from it with the next batch.

    Raises:
        ValueError: If the number or a shape differs; then nothing is changed.
    """
    check(named, values, owner)
    write_back(named)
    for (_, variable), value in zip(named, values, strict=True):
        variable.set_value(jnp.asarray(value, variable.dtype))
    DIRTY_STORES.note_write()


def check(named: Sequence[tuple[str, Any]], values: Sequence[Any], owner: str) -> None:
    """Raise if values don't fit variables."""
    if len(values) != len(named):
        raise ValueError(f"{owner} has {len(named)} weights; got {len(values)}.")
    for (name, variable), value in zip(named, values, strict=True):
        if np.shape(value) != variable.shape:
            raise ValueError(f"{name} has shape {variable.shape}; got an array of shape {np.shape(value)}.")
