"""A model's layers with their weights, as every format of file gets them, and their match with those in a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import ml_dtypes
import numpy as np

from . import guard
from .hdf5 import Array, Dataset


class Shaped(Protocol):
    """An array, wherever it is, or only the outline of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""
        ...


@dataclass(frozen=True)
class LayerWeights:
    """A layer's weights, and what a file needs to know of the layer.

    >>> LayerWeights("hidden", "dense", {"kernel": np.zeros((3, 2)), "bias": np.zeros(2)}).arrays["kernel"].shape
    (3, 2)

    Attributes:
        name: In the model.
        kind: Its class, in snake case.
        arrays: Its weights by name, in Keras's order; outlines will do for reading.
        places: For each weight the path of the part that holds it, such as "cell" in an LSTM; empty for the layer
            itself. No places at all if there are no parts.
        trained: For each weight whether training changes it. Empty if training changes them all.
    """

    name: str
    kind: str
    arrays: Mapping[str, Shaped]
    places: Sequence[str] = ()
    trained: Sequence[bool] = ()


@dataclass(frozen=True)
class StoredLayer:
    """A layer in a file: what an error calls it, and its datasets, unread, in the order of the model's weights."""

    name: str
    datasets: Sequence[Dataset]


Match = tuple[LayerWeights, StoredLayer]
"""A layer of a model, and the layer of a file that is read into it."""


def check_names(layers: Iterable[LayerWeights]) -> None:
    """Raise a ValueError if a layer's or a weight's name can't be a path in a file."""
    for layer in layers:
        for name in (layer.name, *layer.arrays):
            if any(part in ("", ".", "..") for part in name.split("/")):
                raise ValueError(f"the name {name!r} in layer {layer.name!r} is no plain path, so it can't be saved.")


def values_of(matches: Sequence[Match]) -> list[Array]:
    """Return the values in a file, in the order and the dtypes of the model's weights.

    Raises:
        ValueError: If a shape is another; says which. Nothing is read before that is known.
    """
    for layer, stored in matches:
        _check(layer, stored)
    return [
        guard.read(dataset, wanted.shape, wanted.dtype)
        for layer, stored in matches
        for wanted, dataset in zip(layer.arrays.values(), stored.datasets, strict=True)
    ]


def _check(layer: LayerWeights, stored: StoredLayer) -> None:
    """Raise unless the file has for a layer what the layer needs."""
    if len(stored.datasets) != len(layer.arrays):
        raise ValueError(
            f"layer {layer.name!r} has {len(layer.arrays)} weights ({', '.join(layer.arrays)}); "
            f"{stored.name!r} in the file has {len(stored.datasets)}."
        )
    for (name, wanted), dataset in zip(layer.arrays.items(), stored.datasets, strict=True):
        if dataset.shape != tuple(wanted.shape):
            raise ValueError(
                f"layer {layer.name!r}: its {name} has shape {tuple(wanted.shape)}; "
                f"{stored.name!r} in the file has {dataset.shape}. Nothing was loaded."
            )


def writable(array: Shaped) -> Array:
    """Return an array whose dtype HDF5 can hold: bfloat16 stays, other small floats become float32, which is exact."""
    return np.asarray(array) if array.dtype == ml_dtypes.bfloat16 else widened(array)


def widened(array: Shaped) -> Array:
    """Return an array, small floats such as bfloat16 as float32."""
    values: Array = np.asarray(array)
    return values.astype(np.float32) if values.dtype.kind == "V" else values
