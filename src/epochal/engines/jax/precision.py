"""The dtypes that floats are computed in."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def cast_floats(nest: Any, dtype: Any) -> Any:
    """Return a nest of arrays whose floats are of a dtype; integers, keys and truth values stay."""
    return jax.tree.map(lambda a: a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a, nest)


def wide(nest: Any) -> Any:
    """Return a nest of arrays whose floats have at least 32 bits."""

    def widened(a: Any) -> Any:
        floats = jnp.issubdtype(a.dtype, jnp.floating)
        return a.astype(jnp.promote_types(a.dtype, jnp.float32)) if floats else a

    return jax.tree.map(widened, nest)


def as_before(new: Any, old: Any) -> Any:
    """Return a new value in the dtype that the old one has, so that a loop's carry keeps its structure."""
    new = jnp.asarray(new)
    return new if new.dtype == old.dtype else new.astype(old.dtype)
