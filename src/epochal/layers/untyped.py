"""The functions of JAX and flax whose own types are open, with the types that they are used with here."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard, cast

import jax
import jax.numpy as jnp
from flax import nnx

from .types import Array, Nest, Path, Variable

ArrayFunction: TypeAlias = Callable[..., Array]

asarray = cast("ArrayFunction", jnp.asarray)
avg_pool = cast("ArrayFunction", nnx.avg_pool)
device_put = cast("ArrayFunction", jax.device_put)
finfo = cast("Callable[..., Any]", jnp.finfo)
einsum = cast("ArrayFunction", jnp.einsum)
max_pool = cast("ArrayFunction", nnx.max_pool)
ones = cast("ArrayFunction", jnp.ones)
ones_like = cast("ArrayFunction", jnp.ones_like)
pad = cast("ArrayFunction", jnp.pad)
resize = cast("ArrayFunction", jax.image.resize)
zeros = cast("ArrayFunction", jnp.zeros)

eval_shape = cast("Callable[..., Nest]", jax.eval_shape)
structure = cast("Callable[[Nest], Any]", jax.tree.structure)
unflatten = cast("Callable[[Any, Any], Nest]", jax.tree.unflatten)


def flatten_up_to(nest: Nest, deeper: Nest) -> list[Any]:
    """Return the parts of another nest that are where a nest has its leaves."""
    return structure(nest).flatten_up_to(deeper)


def leaves_with_paths(nest: Nest) -> list[tuple[Path, Any]]:
    """Return the leaves of a nest with the keys that lead to them."""
    return jax.tree_util.tree_flatten_with_path(nest)[0]


def split(module: nnx.Module) -> tuple[Any, Any]:
    """Return a module's structure and its state, of which `merged_copy` makes a copy."""
    return cast("tuple[Any, Any]", nnx.split(module))


def merged_copy(structure: Any, state: Any) -> Any:
    """Return a copy of a module, with variables of its own."""
    return nnx.merge(structure, state, copy=True)


def is_variable(node: object) -> TypeGuard[Variable]:
    """Return whether something in a module is a variable."""
    return isinstance(node, nnx.Variable)
