"""What a layer has in its attributes: other layers, models and weights, also in lists, tuples and dicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx
from flax.nnx import graphlib

from .names import numbered_by_class, snake_case

Path = tuple[Any, ...]


class Entries(dict[Any, Any]):
    """A dict in an attribute of a layer; the copies of the layer that are compiled keep its order."""


def kept(value: Any) -> Any:
    """Return what a layer keeps for the value of an attribute: the value, with its dicts as `Entries`."""
    if type(value) is dict:
        return Entries({key: kept(item) for key, item in value.items()})
    if type(value) is list:
        value[:] = [kept(item) for item in value]
    return tuple(kept(item) for item in value) if type(value) is tuple else value


def _entries(entries: Entries) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
    """Return the items sorted, as flax needs them, and the keys in their own order."""
    return sorted(zip(_sortable(entries), entries.values(), strict=True), key=lambda item: item[0]), tuple(entries)


def _sortable(keys: Iterable[Any]) -> list[Any]:
    """Return keys that can be sorted: as they are if they are all texts or all numbers."""
    alike = all(isinstance(key, str) for key in keys) or all(type(key) is int for key in keys)
    return list(keys) if alike else [f"{type(key).__name__} {key}" for key in keys]


def _with_entries(items: Iterable[tuple[Any, Any]], keys: tuple[Any, ...]) -> Entries:
    by_key = dict(items)
    return Entries({key: by_key[sortable] for key, sortable in zip(keys, _sortable(keys), strict=True)})


def _set_entry(entries: Entries, key: Any, value: Any) -> None:
    entries[dict(zip(_sortable(entries), entries, strict=True)).get(key, key)] = value


graphlib.register_pytree_node_type(
    Entries,
    flatten=_entries,
    unflatten=_with_entries,
    set_key=_set_entry,
)
jax.tree_util.register_pytree_with_keys(
    Entries,
    lambda entries: ([(jax.tree_util.DictKey(key), value) for key, value in entries.items()], tuple(entries)),
    lambda keys, values: Entries(zip(keys, values, strict=True)),
)


@dataclass(frozen=True)
class Part:
    """A weight, a layer or a module that a layer has in an attribute.

    Attributes:
        path: The attribute's name, and the numbers and keys that lead from there.
        place: The group, below the layer's own, where a `.weights.h5` file of Keras has it.
        value: An `nnx.Variable`, a layer or another module, or a model.
    """

    path: Path
    place: str
    value: Any


def parts(owner: Any) -> Iterator[Part]:
    """Yield what is in the attributes of a layer or a module, in the order in which these were first set."""
    attributes = vars(owner)
    names = dict.fromkeys((*getattr(owner, "attribute_order", ()), *attributes))
    for name in sorted(names, key=lambda name: name == "made_weights"):  # which are there under other names, too
        if name in attributes and not name.startswith("_pytree__"):
            yield from _parts(attributes[name], (name,), name)


def _parts(value: Any, path: Path, place: str) -> Iterator[Part]:
    if isinstance(value, (list, tuple, nnx.List)):
        yield from _items(dict(enumerate(value)), path, place)
    elif isinstance(value, (Mapping, nnx.Dict)):
        yield from _items(dict(value.items()), path, place)
    elif graphlib.is_graph_node(value):
        yield Part(path, place, value)


def _items(items: Mapping[Any, Any], path: Path, place: str) -> Iterator[Part]:
    """Yield what is in a list or a dict; Keras's files number the items by their classes."""
    kinds = ["container" if _is_container(item) else snake_case(item) for item in items.values()]
    saved = [at for at, item in enumerate(items.values()) if _is_container(item) or is_layer_like(item)]
    groups = dict(zip(saved, numbered_by_class(kinds[at] for at in saved), strict=True))
    for at, (key, item) in enumerate(items.items()):
        yield from _parts(item, (*path, key), f"{place}/{groups[at]}" if at in groups else place)


def _is_container(value: Any) -> bool:
    return isinstance(value, (list, tuple, Mapping, nnx.List, nnx.Dict))


def is_model(value: Any) -> bool:
    """Say whether a value is a model, which isn't a module itself but has one."""
    return graphlib.is_graph_node(value) and not isinstance(value, (nnx.Pytree, nnx.Variable))


def is_layer_like(value: Any) -> bool:
    """Say whether a value is a module or a model."""
    return isinstance(value, nnx.Module) or is_model(value)


def module_in(value: Any) -> Any:
    """Return the module that a part is or, if it is a model, has; None for a model that has none yet."""
    if is_model(value):
        implementation: Any = graphlib.get_node_impl(value)
        return implementation.node_dict(value).get("module")
    return value if isinstance(value, nnx.Pytree) else None
