"""A model at one moment, copied to the host, so that it can be written while training goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import cast

import numpy as np

from ..core.logs import fetch
from ..storage.files import write_durably
from . import sealed
from .extras import Extras, write_extras
from .formats import FileFormat, check_suffix
from .hdf5 import Array, Group
from .keras_h5 import KerasH5
from .layer_weights import LayerWeights, Shaped


@dataclass(frozen=True)
class Snapshot:
    """Host copies of a model's weights and, of a whole model, of everything else in its file.

    >>> import tempfile
    >>> from epochal.saving import read_weights
    >>> weights = Snapshot([LayerWeights("dense", "dense", {"kernel": np.ones((3, 2))})], {}, None)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     weights.save(f"{folder}/dense.weights.h5")
    ...     read_weights(f"{folder}/dense.weights.h5", weights.layers)[0].shape
    (3, 2)

    Attributes:
        layers: The layers with their weights.
        descriptions: The JSON objects that Keras keeps of a whole model: `model_config` and, if the model is compiled,
            `training_config`.
        extras: What only epochal reads; None for weights alone.
    """

    layers: list[LayerWeights]
    descriptions: Mapping[str, object]
    extras: Extras | None

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays)

    @property
    def arrays(self) -> list[Array]:
        """All arrays, in the order in which they are written."""
        weights = [array for layer in self.layers for array in layer.arrays.values()]
        return cast("list[Array]", weights + (self.extras.arrays if self.extras is not None else []))

    def save(self, path: str | PathLike[str]) -> None:
        """Write it durably to a file, whose suffix decides the format; the file is replaced as a whole.

        Raises:
            ValueError: If the suffix is unknown, or can't hold a whole model.
            OSError: If it can't be written; then the file is as it was.
        """
        chosen = check_suffix(path, weights_only=self.extras is None)
        write_durably(path, lambda temporary: self.write(temporary, chosen), self.nbytes)

    def write(self, path: Path, format: FileFormat | None = None) -> None:
        """Write it, with a checksum, in a format: that of a `.h5` file if None."""
        sealed.write(path, lambda file: self._write(file, format or KerasH5()))

    def _write(self, file: Group, format: FileFormat) -> None:
        format.write(file, self.layers, None if self.extras is None else self.descriptions)
        if self.extras is not None:
            write_extras(file, self.extras)


def take(
    layers: Sequence[LayerWeights],
    descriptions: Mapping[str, object],
    beside: Extras | None,
    reuse: Snapshot | None = None,
) -> Snapshot:
    """Return a snapshot, copies of arrays that may be on any device.

    Args:
        layers: The layers with their weights.
        descriptions: See `Snapshot`.
        beside: The extras of a whole model; see `Snapshot`.
        reuse: An older snapshot that nobody needs any more; its arrays are overwritten where shapes agree.
    """
    spare = iter(reuse.arrays if reuse is not None else ())
    return _made(layers, descriptions, beside, lambda array: _copied(array, next(spare, None)))


def view(layers: Sequence[LayerWeights], descriptions: Mapping[str, object], beside: Extras | None) -> Snapshot:
    """Return a snapshot without copies of arrays that the host sees; to be written before they change."""
    return _made(layers, descriptions, beside, fetch)


def _made(
    layers: Sequence[LayerWeights],
    descriptions: Mapping[str, object],
    beside: Extras | None,
    bring: Callable[[Shaped], Array],
) -> Snapshot:
    def brought(arrays: Mapping[str, Shaped]) -> dict[str, Array]:
        return {name: bring(array) for name, array in arrays.items()}

    on_host = [replace(layer, arrays=brought(layer.arrays)) for layer in layers]
    if beside is not None:
        beside = replace(beside, streams=brought(beside.streams), optimizer=brought(beside.optimizer))
    return Snapshot(on_host, descriptions, beside)


def _copied(array: Shaped, spare: Array | None) -> Array:
    value = fetch(array)
    if spare is None or spare.shape != value.shape or spare.dtype != value.dtype:
        return np.array(value, order="C")
    np.copyto(spare, value)
    return spare
