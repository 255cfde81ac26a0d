"""Restoring what fits of the state of a model that was another one, by names and shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...messages.names import first_few
from .device_state import DeviceState

OPTIMIZER = "optimizer/"
"""How the paths of the optimizer's state begin."""


def restore_compatible(
    state: DeviceState[Any], arrays: Mapping[str, np.ndarray], stays: Callable[[str], bool] = lambda path: False
) -> tuple[bool, list[str]]:
    """Restore what fits; return whether the optimizer's state does, as a whole, and sentences about what is left out.

    Args:
        state: What is restored into.
        arrays: A snapshot of another state, by path.
        stays: Whether a path of the optimizer's state keeps the value that it has.
    """
    left_out: list[str] = []
    optimizer = {path: array for path, array in arrays.items() if path.startswith(OPTIMIZER)}
    own = {path for path in state.paths if path.startswith(OPTIMIZER)}
    matches = own == {*optimizer} and all(_fits(state, path, array) for path, array in optimizer.items())
    if not matches:
        left_out.append("the optimizer's state is left out: it is another optimizer, or of other weights")
    elsewhere = {path for path in optimizer if not matches or stays(path)}
    if other_shapes := _restored(state, {path: array for path, array in arrays.items() if path not in elsewhere}):
        left_out.append(f"these have other shapes and start afresh: {first_few(sorted(other_shapes), 6)}")
    return matches, left_out


def _restored(state: DeviceState[Any], arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Restore the arrays that have the name, shape and dtype of a leaf; return the names of weights that don't."""
    destinations = {path: _destination(state, path, array) for path, array in arrays.items()}
    for path, destination in destinations.items():
        if destination is not None:
            state.write(destination, arrays[path])
    homeless = {path for path, destination in destinations.items() if destination is None}
    missing = {*state.paths} - {*destinations.values()}
    return [path for path in homeless | missing if path.startswith(("params/", "other/"))]


def _destination(state: DeviceState[Any], path: str, array: np.ndarray) -> str | None:
    """Return the path that an array goes to: a weight may have been trained then and be frozen now, or the reverse."""
    part, _, rest = path.partition("/")
    counterpart = {"params": "other", "other": "params"}.get(part, part)
    return next((own for own in (path, f"{counterpart}/{rest}") if _fits(state, own, array)), None)


def _fits(state: DeviceState[Any], path: str, array: np.ndarray) -> bool:
    if path not in state:
        return False
    own = state.device_value(path)
    return (own.shape, own.dtype) == (array.shape, array.dtype)
