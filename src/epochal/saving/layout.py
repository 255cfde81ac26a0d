"""Where weights lie in a file: Keras's HDF5 layout, and the one of Keras 3's `.weights.h5`.

Sources: keras/src/legacy/saving/legacy_h5_format.py and keras/src/saving/saving_lib.py of Keras 3.15.

* `.h5`, `.hdf5`: a group a layer, under the layer's name, whose attribute `weight_names` lists its datasets in
  order; the attribute `layer_names` lists the layers. A whole model keeps all that in the group `model_weights`.
  Layers without weights are skipped, and the others go by their order, not by their names.
* `.weights.h5`: groups `layers/<class in snake case>[_<n>]/vars`, n counted per class, with datasets `0`, `1`, …
  What a layer holds in a part of its own is in that part's group, such as `layers/lstm/cell/vars`; a model that is
  part of another has groups `layers/…` within its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from os import PathLike, fspath
from typing import Any

import h5py
import ml_dtypes
import numpy as np

from ..layers.names import numbered_by_class
from ..messages.names import suggest
from . import guard

KERAS_VERSION = "3.15.1"
"""The Keras whose layout is written. Keras takes files without it for files of Keras 1."""

WHOLE_OR_WEIGHTS = (".h5", ".hdf5")
WEIGHTS_ONLY = ".weights.h5"
PLACES = ("", "cell/", "forward_layer/cell/", "query_dense/")
"""Where the first weights of a layer may be in a `.weights.h5`."""
HEADER_LIMIT = 64512  # bytes of one attribute that fit an object's header


@dataclass(frozen=True)
class LayerWeights:
    """A layer's place in a file.

    Attributes:
        name: In the model.
        kind: Its class, in snake case.
        arrays: Its weights by name, in Keras's order: arrays, or anything with their shape and dtype.
        places: For each of them the group below the layer's that has it in a `.weights.h5`; empty for those of the
            layer itself, or for all if there are no places.
        trained: For each of them whether training changes it; empty if it does so for all. Those that are trained
            come first in a `.h5`.
    """

    name: str
    kind: str
    arrays: Mapping[str, Any]
    places: Sequence[str] = ()
    trained: Sequence[bool] = ()

    @property
    def names_by_order(self) -> list[str]:
        """The names of the weights in the order in which a `.h5` has them."""
        trained = dict(zip(self.arrays, self.trained, strict=False))
        return sorted(self.arrays, key=lambda name: not trained.get(name, True))

    def groups(self, path: str) -> list[str]:
        """Return the groups that have the weights, one for each, in a `.weights.h5` where the layer is at `path`."""
        places = self.places or [""] * len(self.arrays)
        return [f"{path}/{place}/vars" if place else f"{path}/vars" for place in places]


def check_suffix(path: str | PathLike[str], weights_only: bool = False) -> str:
    """Return the layout for a file of this name: "keras" or "weights".

    Raises:
        ValueError: If the suffix is none of those known, or can't hold a whole model.
    """
    name = fspath(path)
    if name.endswith(WEIGHTS_ONLY):
        if weights_only:
            return "weights"
        raise ValueError(
            f"{name!r}: a {WEIGHTS_ONLY} file holds weights only: use save_weights (ModelCheckpoint: "
            "save_weights_only=True), or a name that ends in .h5 without .weights for the whole model."
        )
    if name.endswith(WHOLE_OR_WEIGHTS):
        return "keras"
    hint = " Keras's own .keras archive isn't written; Keras loads the .h5 too." if name.endswith(".keras") else ""
    raise ValueError(f"{name!r}: a model file ends in .h5 or .hdf5, weights alone also in {WEIGHTS_ONLY}.{hint}")


def check_names(layers: Sequence[LayerWeights]) -> None:
    """Raise a ValueError if a layer's or a weight's name can't be a path in a file."""
    for layer in layers:
        for name in (layer.name, *layer.arrays):
            if any(part in ("", ".", "..") for part in name.split("/")):
                raise ValueError(f"the name {name!r} in layer {layer.name!r} is no plain path, so it can't be saved.")


# Writing


def write(file: h5py.File, layers: Sequence[LayerWeights], layout: str, whole: bool = False) -> None:
    """Write weights in one of the two layouts."""
    if layout == "weights":
        _write_by_class(file, layers)
    else:
        _write_by_name(file.create_group("model_weights") if whole else file, layers)


def _write_by_name(top: h5py.Group, layers: Sequence[LayerWeights]) -> None:
    _write_names(top, "layer_names", [layer.name for layer in layers])
    _write_versions(top)
    for layer in layers:
        group = top.require_group(layer.name)
        names = {f"{layer.name}/{name}": layer.arrays[name] for name in layer.names_by_order}
        _write_names(group, "weight_names", list(names))
        for name, array in names.items():
            group.create_dataset(name, data=_widened(array))  # Keras can't read bfloat16 from this layout


def _write_by_class(file: h5py.File, layers: Sequence[LayerWeights]) -> None:
    file.create_group("vars")
    for path, layer in zip(_class_paths(layers), layers, strict=True):
        file.create_group(f"{path}/vars").attrs["name"] = text(layer.name)
        for place, array in zip(layer.groups(path), layer.arrays.values(), strict=True):
            group = file.require_group(place)
            stored = group.create_dataset(str(len(group)), data=writable(array))
            if array.dtype == ml_dtypes.bfloat16:
                stored.attrs["dtype"] = "bfloat16"


def _write_versions(top: h5py.Group) -> None:
    top.attrs["backend"], top.attrs["keras_version"] = text("jax"), text(KERAS_VERSION)


def write_description(file: h5py.File, name: str, content: str) -> None:
    """Write an attribute of the file and, as Keras does, the versions beside it."""
    _write_versions(file)
    file.attrs[name] = text(content)


def text(value: str) -> Any:
    """Return a text as an attribute's value: of fixed length, in place, unless it is too long for that.

    HDF5 keeps texts of variable length in a heap, whose damage can make it search for ever.
    """
    encoded = value.encode()
    return np.bytes_(encoded) if 0 < len(encoded) <= HEADER_LIMIT else value


def _write_names(group: h5py.Group, attribute: str, names: Sequence[str]) -> None:
    """Write a list of names; one that is too long for an attribute goes into several, numbered ones."""
    encoded = [name.encode() for name in names]
    size = max(map(len, encoded), default=1) * len(encoded)
    if size <= HEADER_LIMIT:
        group.attrs[attribute] = np.array(encoded) if encoded else []
        return
    for number, part in enumerate(np.array_split(np.array(encoded), -(-size // HEADER_LIMIT) + 1)):
        group.attrs[f"{attribute}{number}"] = part


def writable(array: np.ndarray) -> np.ndarray:
    """Return an array whose dtype HDF5 can hold: bfloat16 stays, other small floats become float32, which is exact."""
    return array if array.dtype == ml_dtypes.bfloat16 else _widened(array)


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _class_paths(layers: Sequence[LayerWeights]) -> list[str]:
    return [f"layers/{name}" for name in numbered_by_class(layer.kind for layer in layers)]


# Reading


@dataclass(frozen=True)
class _Stored:
    """A layer in a file: what an error calls it, and its datasets, unread."""

    name: str
    datasets: list[h5py.Dataset]


def read(file: h5py.File, layers: Sequence[LayerWeights]) -> list[np.ndarray]:
    """Return the weights in a file for a model that has these layers, in their order and dtypes.

    Raises:
        ValueError: If the file's layers or shapes are others; says which. Nothing is read before that is known.
    """
    if read_names(file, "layer_names") is not None:
        pairs = _by_order(file, layers)
    elif guard.has(file, "model_weights"):
        pairs = _by_order(guard.group(file, "model_weights"), layers)
    elif guard.has(file, "layers"):
        pairs = _by_class(file, layers)
    else:
        raise ValueError("it holds no weights in a layout of Keras: neither layer_names, model_weights nor layers.")
    for layer, stored in pairs:
        _check(layer, stored)
    return [
        guard.read(dataset, wanted.shape, wanted.dtype)
        for layer, stored in pairs
        for wanted, dataset in zip(layer.arrays.values(), stored.datasets, strict=True)
    ]


def _by_order(top: h5py.Group, layers: Sequence[LayerWeights]) -> list[tuple[LayerWeights, _Stored]]:
    """Pair the layers that have weights with those in the file, in order."""
    names = read_names(top, "layer_names") or []
    listed = {name: _listed_datasets(guard.group(top, name)) for name in names}
    stored = [_Stored(name, list(datasets.values())) for name, datasets in listed.items() if datasets]
    having = [layer for layer in layers if layer.arrays]
    if len(stored) != len(having):
        raise ValueError(_other_layers(having, stored))
    return [
        (layer, _Stored(there.name, _in_order_of(layer, listed[there.name])))
        for layer, there in zip(having, stored, strict=True)
    ]


def _listed_datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    return {name: guard.dataset(group, name) for name in read_names(group, "weight_names") or ()}


def _in_order_of(layer: LayerWeights, listed: Mapping[str, h5py.Dataset]) -> list[h5py.Dataset]:
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
    by_name = dict(zip(layer.names_by_order, listed.values(), strict=True))
    return [by_name[name] for name in layer.arrays]


def read_names(holder: h5py.Group, attribute: str) -> list[str] | None:
    """Return a list of names in an attribute, or in several numbered ones; None if there is none."""
    if attribute in holder.attrs:
        return guard.texts(holder, attribute) if holder.attrs.get_id(attribute).shape != (0,) else []
    if f"{attribute}0" not in holder.attrs:
        return None
    names: list[str] = []
    for number in range(len(holder.attrs)):
        names += guard.texts(holder, f"{attribute}{number}") or ()
    return names


def _by_class(file: h5py.File, layers: Sequence[LayerWeights]) -> list[tuple[LayerWeights, _Stored]]:
    """Pair each layer with the group that its class and its number in the class say."""
    pairs, there = [], dict.fromkeys(guard.group(file, "layers"))
    for path, layer in zip(_class_paths(layers), layers, strict=True):
        if not layer.arrays:
            continue
        if path.removeprefix("layers/") not in there:
            known = [f"layers/{name}" for name in islice(there, 1000)]
            raise ValueError(f"layer {layer.name!r} should be at {path!r}, which is missing. {suggest(path, known)}")
        pairs.append((layer, _Stored(path, _numbered_datasets(file, layer, path))))
    groups = {group for (layer, stored) in pairs for group in layer.groups(stored.name)}
    if more := _others(file, {group.removesuffix("/vars") for group in groups}):
        raise ValueError(f"it has layers that the model hasn't: {', '.join(more[:6])}.")
    return pairs


def _numbered_datasets(file: h5py.File, layer: LayerWeights, path: str) -> list[h5py.Dataset]:
    """Return a layer's datasets in the order of its weights; each of its groups numbers its own from 0."""
    places = layer.groups(path)
    for place, wanted in Counter(places).items():
        if (there := len(guard.group(file, place))) != wanted:
            names = ", ".join(name for name, own in zip(layer.arrays, places, strict=True) if own == place)
            raise ValueError(
                f"layer {layer.name!r} has {wanted} weights ({names}) for {place!r}; the file has {there}."
            )
    return [guard.dataset(file, f"{place}/{places[:at].count(place)}") for at, place in enumerate(places)]


def _others(file: h5py.File, known: set[str]) -> list[str]:
    """Return the layers with weights in a file that were not asked for, also those within a model that is known."""
    asked = {path.rsplit("/", depth)[0] for path in known for depth in range(path.count("/"))}
    above = {path.rpartition("/")[0] for path in asked}
    holders = {"layers"} | {path for path in above if path.rpartition("/")[2] == "layers"}
    there = [f"{holder}/{name}" for holder in sorted(holders) for name in guard.group(file, holder)]
    others = [path for path in there if path not in asked]
    return [path for path in others if any(_holds(file, f"{path}/{place}vars") for place in PLACES)]


def _holds(file: h5py.File, path: str) -> bool:
    """Say whether a group is there and has anything."""
    parent: Any = file
    for part in path.split("/"):
        if not isinstance(parent, h5py.Group) or not guard.has(parent, part):
            return False
        parent = guard.group(parent, part)
    return len(parent) > 0


def _check(layer: LayerWeights, stored: _Stored) -> None:
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


def _other_layers(having: Sequence[LayerWeights], stored: Sequence[_Stored]) -> str:
    here = [(layer.name, [tuple(a.shape) for a in layer.arrays.values()]) for layer in having]
    there = [(layer.name, [dataset.shape for dataset in layer.datasets]) for layer in stored]
    first = next((i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a[1] != b[1]), None)
    at = min(len(here), len(there)) if first is None else first
    return (
        f"the model has {len(here)} layers with weights, the file {len(there)}. The first that differs: "
        f"{_shown(here, at)} in the model, {_shown(there, at)} in the file. Nothing was loaded."
    )


def _shown(layers: Sequence[tuple[str, Any]], at: int) -> str:
    if at >= len(layers):
        return "no layer"
    name, shapes = layers[at]
    return f"{name!r} with shapes {', '.join(map(str, shapes))}"
