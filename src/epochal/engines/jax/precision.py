"""The dtypes that floats are computed in."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from .trees import Array, PyTree, map_leaves


def cast_floats(nest: PyTree, dtype: DTypeLike) -> PyTree:
    """Return a nest of arrays whose floats are of a dtype; integers, keys and truth values stay."""
    return map_leaves(lambda a: a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a, nest)


def wide(nest: PyTree) -> PyTree:
    """Return a nest of arrays whose floats have at least 32 bits."""

    def widened(a: Array) -> Array:
        floats = jnp.issubdtype(a.dtype, jnp.floating)
        return a.astype(jnp.promote_types(a.dtype, jnp.float32)) if floats else a

    return map_leaves(widened, nest)


def as_before(new: ArrayLike, old: Array) -> Array:
    """Return a new value in the dtype that the old one has, so that a loop's carry keeps its structure."""
    new = jnp.asarray(new)
    return new if new.dtype == old.dtype else new.astype(old.dtype)
