"""Nests of arrays as JAX has them, and the types that JAX leaves open."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ...messages.names import path_name

Array: TypeAlias = jax.Array

PyTree: TypeAlias = Any
"""Arrays in lists, tuples, dicts and registered classes; JAX has no closer type for it."""

Structure: TypeAlias = Any
"""How arrays make up a nest: a `jax.tree_util.PyTreeDef`, which has no type for checkers."""

DeviceBatch: TypeAlias = tuple[PyTree, PyTree, PyTree]
"""`(x, y, sample_weight)`; None for what wasn't given."""

Path: TypeAlias = tuple[Hashable, ...]
"""The keys that lead to something in a module."""

Keys: TypeAlias = tuple[Any, ...]
"""The keys that lead to an array in a nest, as JAX's functions of paths give them."""


def copied(array: ArrayLike) -> Array:
    """Return a copy on the device, for whoever may donate it. (`jnp.copy` would compile a program for each shape.)"""
    if isinstance(array, jax.Array) and is_keys(array) and is_spread(array):
        # `device_put` would bring random keys to one device
        numbers = copied(jax.random.key_data(array))
        return cast("Array", jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(array)))
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        # not `addressable_shards`, which raises for what Keras has made with `device_put` (JAX 0.10)
        parts = [copied(array.addressable_data(at)) for at in range(len(_own_devices(array)))]
        return jax.make_array_from_single_device_arrays(array.shape, array.sharding, parts)
    placed = jax.device_put(array)  # may share the memory of a NumPy array, whatever `may_alias` says
    return cast("Array", jax.device_put(placed, may_alias=False))


def is_spread(array: Array) -> bool:
    """Return whether an array lies on several devices."""
    return len(cast("set[object]", array.sharding.device_set)) > 1


def _own_devices(array: Array) -> set[object]:
    return cast("set[object]", array.sharding.addressable_devices)


def is_keys(array: Array) -> bool:
    """Return whether an array holds random keys."""
    return jnp.issubdtype(array.dtype, jax.dtypes.prng_key)


def map_leaves(function: Callable[[Array], PyTree], tree: PyTree) -> PyTree:
    """Apply a function to every array in a nest."""
    return jax.tree.map(function, tree)


def map_pairs(function: Callable[[Array, Array], PyTree], first: PyTree, second: PyTree) -> PyTree:
    """Apply a function to the arrays that are at the same places in two nests."""
    return jax.tree.map(function, first, second)


def with_keys(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> list[tuple[Keys, Any]]:
    """Return the arrays in a nest, or what `is_leaf` finds, each with the keys that lead to it."""
    return cast("list[tuple[Keys, Any]]", jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_leaf)[0])


def by_path(tree: PyTree) -> dict[str, Array]:
    """Return the arrays in a nest by their paths, such as `params/dense/kernel`."""
    return {path_name(keys): leaf for keys, leaf in with_keys(tree)}
