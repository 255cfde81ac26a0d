"""An optimizer's state before the first step."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import numpy as np
from jax.core import Tracer
from jax.extend.core import Literal

from .trees import PyTree, Structure


def first_state(init: Callable[[PyTree], PyTree], params: PyTree) -> PyTree:
    """Return what a transform's `init` returns for some weights.

    Of this package's optimizers that is arrays of one number each. They are filled on the host: for the device JAX
    would compile a program for each shape.
    """
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(params)):
        return init(params)
    traced, shapes = jax.make_jaxpr(init, return_shape=True)(params)
    fills = {eqn.outvars[0]: eqn.invars[0] for eqn in traced.jaxpr.eqns if eqn.primitive.name == "broadcast_in_dim"}
    leaves: list[Any] = []
    for out in cast("list[Any]", traced.jaxpr.outvars):
        number = _number(out, fills)
        if number is None:
            return init(params)  # a transform that computes something of the weights
        filled = jax.device_put(np.full(out.aval.shape, number, out.aval.dtype))
        leaves.append(filled.block_until_ready())  # one after the other, so that none is there twice with another
    return jax.tree.unflatten(cast("Structure", jax.tree.structure(shapes)), leaves)


def _number(atom: Any, fills: Mapping[Any, Any]) -> Any:
    """Return the number that an array is filled with, None if it isn't known to be."""
    source = atom if isinstance(atom, Literal) else fills.get(atom)
    return source.val if isinstance(source, Literal) else None
