"""Dicts in attributes of layers, which keep their order in the copies of a layer that are compiled."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import jax
from flax.nnx import graphlib

from .types import Nest


class Entries(dict[Hashable, Nest]):
    """A dict in an attribute of a layer; flax would sort a plain one by its keys."""


def with_entries(value: Nest) -> Nest:
    """Return the value of an attribute with its dicts as `Entries`."""
    kind: type[Any] = value.__class__
    if kind is dict:
        return Entries({key: with_entries(item) for key, item in value.items()})
    if kind is list:
        value[:] = [with_entries(item) for item in value]
    return tuple(with_entries(item) for item in value) if kind is tuple else value


def _flattened(entries: Entries) -> tuple[list[tuple[Any, Nest]], tuple[Hashable, ...]]:
    """Return the items sorted, as flax needs them, and the keys in their own order."""
    return sorted(zip(_sortable(entries), entries.values(), strict=True), key=lambda item: item[0]), tuple(entries)


def _unflattened(items: Iterable[tuple[Hashable, Nest]], keys: Sequence[Hashable]) -> Entries:
    by_key = dict(items)
    return Entries({key: by_key[sortable] for key, sortable in zip(keys, _sortable(keys), strict=True)})


def _sortable(keys: Iterable[Hashable]) -> list[Any]:
    """Return keys that can be sorted: as they are if they are all texts or all numbers."""
    listed = list(keys)
    are_alike = all(isinstance(key, str) for key in listed) or all(type(key) is int for key in listed)
    return listed if are_alike else [f"{type(key).__name__} {key}" for key in listed]


def _set_entry(entries: Entries, key: Hashable, value: Nest) -> None:
    entries[dict(zip(_sortable(entries), entries, strict=True)).get(key, key)] = value


def _with_jax_keys(entries: Entries) -> tuple[list[tuple[object, Nest]], tuple[Hashable, ...]]:
    """Return the items and the keys in their own order, as JAX needs them."""
    return [(jax.tree_util.DictKey(key), value) for key, value in entries.items()], tuple(entries)


graphlib.register_pytree_node_type(Entries, flatten=_flattened, unflatten=_unflattened, set_key=_set_entry)
jax.tree_util.register_pytree_with_keys(  # pyright: ignore[reportUnknownMemberType]
    Entries, _with_jax_keys, lambda keys, values: Entries(zip(keys, values, strict=True))
)
