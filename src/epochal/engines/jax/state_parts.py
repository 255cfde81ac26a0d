"""The arrays of a state as each process has its part of them, on their way to a folder and back."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...core.parts import PARTS
from . import sharded_files
from .device_state import DeviceState, storable
from .trees import Array


class StateParts:
    """The arrays of a state, in parts over the devices of all processes; see `core.parts.Parts`.

    Args:
        state: The state; the next step may consume its arrays once `save` has returned.
    """

    def __init__(self, state: DeviceState[Any]) -> None:
        self._arrays = {path: storable(leaf) for path, leaf in zip(state.paths, state.leaves, strict=True)}
        self._state, self._leaves = state, state.leaves

    def lend(self) -> None:
        """Keep the arrays from being consumed, since `save` is called later."""
        self._state.lend(self._leaves)

    def save(self, folder: Path) -> sharded_files.Save:
        """Begin to save them, and return when the next step may be done; every process must call it."""
        return sharded_files.save(folder, self._arrays)

    def remove(self, folder: Path) -> None:
        """Remove what was saved in a folder; the primary's to call."""
        sharded_files.remove(folder)

    def remove_leftovers(self, parent: Path) -> None:
        """Remove what kills have left in the folder of the folders; the primary's to call."""
        sharded_files.remove_leftovers(parent)


def snapshot(state: DeviceState[Any], in_parts: bool) -> dict[str, Any]:
    """Return the arrays of a state as an engine's `state_dict` has them; see `core.engine.Engine`."""
    if in_parts:
        return {"arrays": {}, PARTS: StateParts(state), "finite": _is_finite(state)}
    return {"arrays": state.snapshot()}


def restore(state: DeviceState[Any], saved: Mapping[str, Any]) -> None:
    """Restore what `snapshot` returned, bit for bit; if it lies in parts in a folder every process must call it.

    Args:
        state: What is restored into; its arrays may lie on other devices than those that were saved.
        saved: `arrays`, or as `parts` the folder that has them, and their checksums.

    Raises:
        ValueError: If a name or a shape differs.
        Damaged: If the folder isn't what was saved.
    """
    if (parts := saved.get(PARTS)) is None:
        state.restore(saved["arrays"])
        return
    state.check_names(parts["checksums"])
    shardings = {path: storable(leaf).sharding for path, leaf in zip(state.paths, state.leaves, strict=True)}
    for path, array in sharded_files.restore(parts["folder"], parts["checksums"], shardings).items():
        state.hold(path, array)


def host_arrays(saved: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
    """Return the arrays of a saved state by path.

    Raises:
        ValueError: If they lie in parts in a folder, where only a state like the one that was saved finds them.
    """
    if PARTS in saved:
        raise ValueError("a run that was saved in parts goes on as it was only: with the same layers and optimizer.")
    return saved["arrays"]


def _is_finite(state: DeviceState[Any]) -> bool:
    params = [leaf for path, leaf in zip(state.paths, state.leaves, strict=True) if path.startswith("params/")]
    floats = [leaf for leaf in params if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return bool(state.devices.read(_all_finite(floats)))


@jax.jit
def _all_finite(arrays: list[Array]) -> Array:
    return jnp.stack([jnp.isfinite(array).all() for array in arrays]).all() if arrays else jnp.bool_(True)
