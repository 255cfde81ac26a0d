"""Lists, tuples and dicts of arguments, in one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import jax
import numpy as np

from .types import Nest


def is_mapping(nest: object) -> TypeGuard[Mapping[Any, Nest]]:
    """Return whether a nest is a dict, or another mapping."""
    return isinstance(nest, Mapping)


def is_sequence(nest: object) -> TypeGuard[list[Nest] | tuple[Nest, ...]]:
    """Return whether a nest is a list or a tuple."""
    return isinstance(nest, (list, tuple))


def map_nest(change: Callable[[Any], Nest], nest: Nest) -> Nest:
    """Return a new nest with every leaf changed; dicts keep their order, which `jax.tree.map` sorts by key."""
    kind: type[Any] = nest.__class__
    if kind is dict:
        return {key: map_nest(change, item) for key, item in nest.items()}
    if kind is list:
        return [map_nest(change, item) for item in nest]
    if kind is tuple:
        return tuple(map_nest(change, item) for item in nest)
    return jax.tree.map(change, nest)


def copied(nest: Nest) -> Nest:
    """Return a nest that stays as it is when its lists, dicts or NumPy arrays are changed afterwards."""
    return map_nest(_copied_array, nest)


def _copied_array(leaf: Any) -> Any:
    return leaf.copy() if _is_numpy_array(leaf) else leaf


def _is_numpy_array(leaf: object) -> TypeGuard[np.ndarray[Any, Any]]:
    return isinstance(leaf, np.ndarray)
