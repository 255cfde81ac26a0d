"""Which steps of a sequence count, told from layer to layer."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import jax

Given = tuple[tuple[Any, ...], dict[str, Any]]
"""`(args, kwargs)` of a call, or the masks of the arrays in it: the same nest, with None where all steps count."""

LEFT_OUT = ("training", "mask")
"""Arguments of `call` that are filled in where the caller leaves them out, also if they have no default value."""


def taken(layer: Any, given: Given, masks: Given) -> dict[str, Any]:
    """Return the masks that a layer's `call` takes and isn't given, by argument."""
    if not getattr(layer, "uses_mask", False):
        return {}
    args, kwargs = given
    signature = inspect.signature(layer.call)
    by_argument, takes, always = bound(layer, masks), signature.parameters, needed(signature)
    named = {f"{name}_mask": nest for name, nest in by_argument.items()} | {"mask": next(iter(by_argument.values()))}
    there = bound(layer, (args, kwargs))
    open_to = {name for name in takes if there.get(name) is None}
    return {name: mask for name, mask in named.items() if name in open_to and (_any(mask) or name in always)}


def _any(mask: Any) -> bool:
    return bool(jax.tree.leaves(mask))


def of_outputs(layer: Any, given: Given, masks: Given, made: Any) -> list[Any]:
    """Return the mask of each array that a layer makes, None where all steps count."""
    number = len(jax.tree.leaves(made))
    if not hasattr(layer, "output_mask"):
        return [None] * number
    first, kept = (next(iter(bound(layer, nest).values())) for nest in (given, masks))
    mask = layer.output_mask(first, kept if (own := given[1].get("mask")) is None else own)
    return [mask if at < max(1, int(layer.keeps_mask)) else None for at in range(number)]


def bound(layer: Any, given: Given) -> Mapping[str, Any]:
    """Return the arguments of a layer's `call` by name; `training` and `mask` may be left to the layer's caller.

    Raises:
        TypeError: If others are missing, or unknown.
    """
    signature = inspect.signature(getattr(layer, "call", layer))
    found = signature.bind_partial(*given[0], **given[1]).arguments
    if not needed(signature) <= {*found, *LEFT_OUT}:
        signature.bind(*given[0], **given[1])  # raises, and names what is missing
    return found


def needed(signature: inspect.Signature) -> set[str]:
    """Return the names of the parameters that have no default value."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name for p in signature.parameters.values() if p.default is p.empty and p.kind not in variadic}
