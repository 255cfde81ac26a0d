"""Keras 3's format of `.weights.h5` files.

Source: keras/src/saving/saving_lib.py of Keras 3.15.

Groups `layers/<class in snake case>[_<n>]/vars`, n counted per class, have datasets `0`, `1`, … What a layer holds in a
part of its own is in that part's group, such as `layers/lstm/cell/vars`; a model that is part of another has groups
`layers/…` within its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

import ml_dtypes

from ..layers.names import numbered_by_class
from ..messages.names import suggest
from . import guard, hdf5
from .hdf5 import Array, Dataset, Group
from .keras_h5 import text
from .layer_weights import LayerWeights, Match, StoredLayer, values_of, writable

PLACES = ("", "cell/", "forward_layer/cell/", "query_dense/", "layer/", "layer/cell/")
"""Where the first weights of a layer may be, below its group."""


class KerasWeights:
    """The format of `model.save_weights("….weights.h5")`; see `FileFormat`."""

    suffixes: Sequence[str] = (".weights.h5",)
    holds_models = False
    signs: Sequence[str] = ("layers",)

    def write(self, file: Group, layers: Sequence[LayerWeights], descriptions: Mapping[str, object] | None) -> None:
        """Write layers into a new file; there are no descriptions, since this format holds no whole models."""
        file.create_group("vars")
        for path, layer in zip(_paths(layers), layers, strict=True):
            file.create_group(f"{path}/vars").attrs["name"] = text(layer.name)
            for place, array in zip(_groups(layer, path), layer.arrays.values(), strict=True):
                group = file.require_group(place)
                stored = group.create_dataset(str(len(group)), data=writable(array))
                if array.dtype == ml_dtypes.bfloat16:
                    stored.attrs["dtype"] = "bfloat16"

    def is_in(self, file: Group) -> bool:
        """Return whether a file has this format."""
        return hdf5.has_link(file, "layers")

    def read(self, file: Group, layers: Sequence[LayerWeights]) -> list[Array]:
        """Return the weights for these layers; raises as `FileFormat.read` does."""
        return values_of(_matches(file, layers))


def _paths(layers: Sequence[LayerWeights]) -> list[str]:
    return [f"layers/{name}" for name in numbered_by_class(layer.kind for layer in layers)]


def _groups(layer: LayerWeights, path: str) -> list[str]:
    """Return the group of each weight of a layer that is at `path`."""
    places = layer.places or [""] * len(layer.arrays)
    return [f"{path}/{place}/vars" if place else f"{path}/vars" for place in places]


def _matches(file: Group, layers: Sequence[LayerWeights]) -> list[Match]:
    """Match each layer with the group that its class and its number in the class say."""
    matches: list[Match] = []
    there = dict.fromkeys(guard.group(file, "layers"))
    for path, layer in zip(_paths(layers), layers, strict=True):
        if not layer.arrays:
            continue
        if path.removeprefix("layers/") not in there:
            known = [f"layers/{name}" for name in islice(there, 1000)]
            raise ValueError(f"layer {layer.name!r} should be at {path!r}, which is missing. {suggest(path, known)}")
        matches.append((layer, StoredLayer(path, _numbered_datasets(file, layer, path))))
    groups = {group for (layer, stored) in matches for group in _groups(layer, stored.name)}
    if more := _others(file, {group.removesuffix("/vars") for group in groups}):
        raise ValueError(f"it has layers that the model hasn't: {', '.join(more[:6])}.")
    return matches


def _numbered_datasets(file: Group, layer: LayerWeights, path: str) -> list[Dataset]:
    """Return a layer's datasets in the order of its weights; each of its groups numbers its own from 0."""
    places = _groups(layer, path)
    for place, wanted in Counter(places).items():
        if (there := len(guard.group(file, place))) != wanted:
            names = ", ".join(name for name, own in zip(layer.arrays, places, strict=True) if own == place)
            raise ValueError(
                f"layer {layer.name!r} has {wanted} weights ({names}) for {place!r}; the file has {there}."
            )
    return [guard.dataset(file, f"{place}/{places[:at].count(place)}") for at, place in enumerate(places)]


def _others(file: Group, known: set[str]) -> list[str]:
    """Return the layers with weights in a file that were not asked for, also those within a model that is known."""
    asked = {path.rsplit("/", depth)[0] for path in known for depth in range(path.count("/"))}
    above = {path.rpartition("/")[0] for path in asked}
    holders = {"layers"} | {path for path in above if path.rpartition("/")[2] == "layers"}
    there = [f"{holder}/{name}" for holder in sorted(holders) for name in guard.group(file, holder)]
    others = [path for path in there if path not in asked]
    return [path for path in others if any(_holds(file, f"{path}/{place}vars") for place in PLACES)]


def _holds(file: Group, path: str) -> bool:
    """Return whether a group is there and has anything."""
    parent = file
    for part in path.split("/"):
        if not hdf5.has_link(parent, part):
            return False
        parent = guard.group(parent, part)
    return len(parent) > 0
