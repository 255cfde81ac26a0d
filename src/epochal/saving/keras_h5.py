"""Keras's format of `.h5` files, for whole models and for weights.

Source: keras/src/legacy/saving/legacy_h5_format.py of Keras 3.15.

A group a layer, under the layer's name, has an attribute `weight_names`, which lists its datasets in order; the
attribute `layer_names` lists the layers. A whole model keeps all that in the group `model_weights`, and what describes
it as JSON in attributes of the file. When read, layers without weights are skipped, and the others go by their order,
not by their names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from ..messages.names import first_few
from . import guard, hdf5
from .hdf5 import Array, Dataset, Group
from .layer_weights import LayerWeights, Match, StoredLayer, values_of, widened

KERAS_VERSION = "3.15.1"
"""The Keras whose format is written. Keras takes files without it for files of Keras 1."""

HEADER_LIMIT = 64512
"""The bytes of one attribute that fit an object's header."""

MODEL_WEIGHTS = "model_weights"


class KerasH5:
    """The format of `model.save("….h5")` and `model.save_weights("….h5")`; see `FileFormat`."""

    suffixes: Sequence[str] = (".h5", ".hdf5")
    holds_models = True
    signs: Sequence[str] = ("layer_names", MODEL_WEIGHTS)

    def write(self, file: Group, layers: Sequence[LayerWeights], descriptions: Mapping[str, object] | None) -> None:
        """Write layers, and the descriptions of a whole model, into a new file."""
        top = file if descriptions is None else file.create_group(MODEL_WEIGHTS)
        _write_layers(top, layers)
        for name, description in (descriptions or {}).items():
            _write_versions(file)
            file.attrs[name] = text(json.dumps(description))

    def is_in(self, file: Group) -> bool:
        """Return whether a file has this format."""
        return guard.names(file, "layer_names") is not None or hdf5.has_link(file, MODEL_WEIGHTS)

    def read(self, file: Group, layers: Sequence[LayerWeights]) -> list[Array]:
        """Return the weights for these layers; raises as `FileFormat.read` does."""
        return values_of(_matches(_top(file), layers))

    def read_named(
        self, file: Group, layers: Sequence[LayerWeights], skip_mismatch: bool
    ) -> tuple[dict[str, list[Array]], list[str]]:
        """Return the weights of the layers that a file has under the same names, and why others are left out.

        Args:
            file: The file.
            layers: The model's layers.
            skip_mismatch: Whether a layer with other shapes in the file is left out, instead of being an error.

        Raises:
            ValueError: If no name is in both, or shapes are others.
        """
        top, having = _top(file), [layer for layer in layers if layer.arrays]
        there = guard.names(top, "layer_names") or []
        found: dict[str, list[Array]] = {}
        skipped: list[str] = []
        for layer in (layer for layer in having if layer.name in there):
            listed = _listed_datasets(guard.group(top, layer.name))
            try:
                found[layer.name] = values_of([(layer, StoredLayer(layer.name, _in_order_of(layer, listed)))])
            except ValueError as error:
                if not skip_mismatch:
                    raise
                skipped.append(str(error))
        if not found and not skipped:
            raise ValueError(
                f"no layer has a name that is in the file: {first_few([own.name for own in having], 6)} in the model, "
                f"{first_few(there, 6)} in the file. Without by_name layers go by their order."
            )
        return found, skipped


# Writing


def text(value: str) -> str | np.bytes_:
    """Return a text as an attribute's value: of fixed length, in place, unless it is too long for that.

    HDF5 keeps texts of variable length in a heap, whose damage can make it search for ever.
    """
    encoded = value.encode()
    return np.bytes_(encoded) if 0 < len(encoded) <= HEADER_LIMIT else value


def _write_layers(top: Group, layers: Sequence[LayerWeights]) -> None:
    _write_names(top, "layer_names", [layer.name for layer in layers])
    _write_versions(top)
    for layer in layers:
        group = top.require_group(layer.name)
        names = {f"{layer.name}/{name}": layer.arrays[name] for name in _trained_first(layer)}
        _write_names(group, "weight_names", list(names))
        for name, array in names.items():
            group.create_dataset(name, data=widened(array))  # Keras can't read bfloat16 from this format


def _write_versions(top: Group) -> None:
    top.attrs["backend"], top.attrs["keras_version"] = text("jax"), text(KERAS_VERSION)


def _write_names(group: Group, attribute: str, names: Sequence[str]) -> None:
    """Write a list of names; one that is too long for an attribute goes into several, numbered ones."""
    encoded = [name.encode() for name in names]
    size = max(map(len, encoded), default=1) * len(encoded)
    if size <= HEADER_LIMIT:
        group.attrs[attribute] = np.array(encoded) if encoded else []
        return
    for number, part in enumerate(np.array_split(np.array(encoded), -(-size // HEADER_LIMIT) + 1)):
        group.attrs[f"{attribute}{number}"] = part


def _trained_first(layer: LayerWeights) -> list[str]:
    """Return the names of a layer's weights in the order of the file: those that training changes come first."""
    trained = dict(zip(layer.arrays, layer.trained, strict=False))
    return sorted(layer.arrays, key=lambda name: not trained.get(name, True))


# Reading


def _top(file: Group) -> Group:
    """Return the group that lists the layers."""
    return file if guard.names(file, "layer_names") is not None else guard.group(file, MODEL_WEIGHTS)


def _matches(top: Group, layers: Sequence[LayerWeights]) -> list[Match]:
    """Match the model's layers that have weights with the file's, in order."""
    names = guard.names(top, "layer_names") or []
    listed = {name: _listed_datasets(guard.group(top, name)) for name in names}
    stored = [StoredLayer(name, list(datasets.values())) for name, datasets in listed.items() if datasets]
    having = [layer for layer in layers if layer.arrays]
    if len(stored) != len(having):
        raise ValueError(_other_layers(having, stored))
    return [
        (layer, StoredLayer(there.name, _in_order_of(layer, listed[there.name])))
        for layer, there in zip(having, stored, strict=True)
    ]


def _listed_datasets(group: Group) -> dict[str, Dataset]:
    return {name: guard.dataset(group, name) for name in guard.names(group, "weight_names") or ()}


def _in_order_of(layer: LayerWeights, listed: Mapping[str, Dataset]) -> list[Dataset]:
    """Return the datasets of a layer in a file in the order of the layer's weights.

    They go by their names where these agree but for what all begin with; so it doesn't matter what was trained when
    the file was written. Else they go by their order.
    """
    first = next(iter(layer.arrays))
    for prefix in (name.removesuffix(first) for name in listed if name.endswith(first)):
        if {prefix + name for name in layer.arrays} == set(listed):
            return [listed[prefix + name] for name in layer.arrays]
    if len(listed) != len(layer.arrays):
        return list(listed.values())
    by_name = dict(zip(_trained_first(layer), listed.values(), strict=True))
    return [by_name[name] for name in layer.arrays]


def _other_layers(having: Sequence[LayerWeights], stored: Sequence[StoredLayer]) -> str:
    here = [(layer.name, [tuple(array.shape) for array in layer.arrays.values()]) for layer in having]
    there = [(layer.name, [dataset.shape or () for dataset in layer.datasets]) for layer in stored]
    first = next((i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a[1] != b[1]), None)
    at = min(len(here), len(there)) if first is None else first
    return (
        f"the model has {len(here)} layers with weights, the file {len(there)}. The first that differs: "
        f"{_shown(here, at)} in the model, {_shown(there, at)} in the file. Nothing was loaded."
    )


def _shown(layers: Sequence[tuple[str, Sequence[tuple[int, ...]]]], at: int) -> str:
    if at >= len(layers):
        return "no layer"
    name, shapes = layers[at]
    return f"{name!r} with shapes {', '.join(map(str, shapes))}"
