"""A model at one moment, copied to the host, so that it can be written while training goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..core.logs import fetch
from ..storage.files import write_durably
from . import extras, layout, sealed
from .extras import Extras
from .layout import LayerWeights


@dataclass(frozen=True)
class Snapshot:
    """Host copies of a model's weights and, of a whole model, of everything else it is.

    Attributes:
        layers: The layers with their weights.
        descriptions: The JSON objects that Keras keeps as attributes of a whole model: `model_config` and, if the
            model is compiled, `training_config`.
        extras: What only epochal reads; None for weights alone.
    """

    layers: list[LayerWeights]
    descriptions: Mapping[str, Any]
    extras: Extras | None

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays."""
        return sum(array.nbytes for array in self._arrays())

    def _arrays(self) -> list[np.ndarray]:
        weights = [array for layer in self.layers for array in layer.arrays.values()]
        return weights + (self.extras.arrays if self.extras is not None else [])

    def save(self, path: str | PathLike[str]) -> None:
        """Write it durably to a file, whose suffix decides the layout; the file is replaced as a whole.

        Raises:
            ValueError: If the suffix is unknown, or can't hold a whole model.
            OSError: If it can't be written; then the file is as it was.
        """
        chosen = layout.check_suffix(path, weights_only=self.extras is None)
        write_durably(path, lambda temporary: self.write(temporary, chosen), self.nbytes)

    def write(self, path: Path, layout_name: str = "keras") -> None:
        """Write it as HDF5, with a checksum, in the layout that `check_suffix` returned for the file's final name."""
        sealed.write(path, lambda file: self._write(file, layout_name))

    def _write(self, file: h5py.File, layout_name: str) -> None:
        layout.write(file, self.layers, layout_name, whole=self.extras is not None)
        for name, description in self.descriptions.items():
            layout.write_description(file, name, json.dumps(description))
        if self.extras is not None:
            extras.write(file, self.extras)


def take(
    layers: Sequence[LayerWeights],
    descriptions: Mapping[str, Any],
    beside: Extras | None,
    reuse: Snapshot | None = None,
) -> Snapshot:
    """Return a snapshot of arrays that may be anywhere.

    Args:
        layers: The layers with their weights.
        descriptions: As in `Snapshot`; taken as they are.
        beside: As in `Snapshot`, with arrays that may be anywhere.
        reuse: An older snapshot that nobody needs any more; its arrays are overwritten where shapes agree.
    """
    room = iter(reuse._arrays() if reuse is not None else ())
    return _made(layers, descriptions, beside, lambda array: _copied(array, next(room, None)))


def view(layers: Sequence[LayerWeights], descriptions: Mapping[str, Any], beside: Extras | None) -> Snapshot:
    """Return what `take` does without copies where the host sees the arrays; to be written before they change."""
    return _made(layers, descriptions, beside, fetch)


def _made(
    layers: Sequence[LayerWeights],
    descriptions: Mapping[str, Any],
    beside: Extras | None,
    bring: Callable[[Any], np.ndarray],
) -> Snapshot:
    def brought(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {name: bring(array) for name, array in arrays.items()}

    on_host = [replace(layer, arrays=brought(layer.arrays)) for layer in layers]
    if beside is not None:
        beside = replace(beside, streams=brought(beside.streams), optimizer=brought(beside.optimizer))
    return Snapshot(on_host, descriptions, beside)


def _copied(array: Any, room: np.ndarray | None) -> np.ndarray:
    value = fetch(array)
    if room is None or room.shape != value.shape or room.dtype != value.dtype:
        return np.array(value, order="C")
    np.copyto(room, value)
    return room
