"""Which steps of a sequence count, told from layer to layer; and the arguments of layers' `call`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax

from .types import Arguments, Mask, Nest

FILLED_IN = ("training", "mask")
"""Arguments of `call` that are filled in where the caller leaves them out, also if they have no default value."""


@functools.lru_cache(maxsize=1024)
def accepted(function: Callable[..., object]) -> frozenset[str]:
    """Return the names of a function's parameters, `*` and `**` for the open ones."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return frozenset(stars.get(p.kind, p.name) for p in inspect.signature(function).parameters.values())


def required(signature: inspect.Signature) -> set[str]:
    """Return the names of the parameters that have no default value."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name for p in signature.parameters.values() if p.default is p.empty and p.kind not in variadic}


def bound(layer: object, arguments: Arguments) -> Mapping[str, Nest]:
    """Return the arguments of a layer's `call` by name; `training` and `mask` may be left to the layer's caller.

    Raises:
        TypeError: If others are missing, or unknown.
    """
    call: Any = getattr(layer, "call", layer)
    signature = inspect.signature(call)
    args, kwargs = arguments
    by_name = signature.bind_partial(*args, **kwargs).arguments
    if not required(signature) <= {*by_name, *FILLED_IN}:
        signature.bind(*args, **kwargs)  # raises, and names what is missing
    return by_name


def first_bound(layer: object, arguments: Arguments) -> Nest:
    """Return the first argument of a layer's `call`."""
    return next(iter(bound(layer, arguments).values()))


def masks_to_fill_in(layer: Any, arguments: Arguments, masks: Arguments) -> dict[str, Nest]:
    """Return the masks that a layer's `call` takes and isn't given, by argument."""
    if not getattr(layer, "uses_mask", False):
        return {}
    signature = inspect.signature(layer.call)
    mask_by_argument, always = bound(layer, masks), required(signature)
    known = {f"{name}_mask": nest for name, nest in mask_by_argument.items()}
    known["mask"] = next(iter(mask_by_argument.values()))
    given = bound(layer, arguments)
    left_out = {name for name in signature.parameters if given.get(name) is None}
    return {name: mask for name, mask in known.items() if name in left_out and (_has_any(mask) or name in always)}


def _has_any(masks: Nest) -> bool:
    return bool(jax.tree.leaves(masks))


def masks_of_outputs(layer: Any, arguments: Arguments, masks: Arguments, outputs: Nest) -> list[Mask]:
    """Return the mask of each array that a layer returned, None where all steps count.

    Args:
        layer: The layer, or another module.
        arguments: What it was called with.
        masks: The masks of the arrays among them.
        outputs: What it returned.
    """
    number = len(jax.tree.leaves(outputs))
    if not hasattr(layer, "output_mask"):
        return [None] * number
    given = arguments[1].get("mask")
    mask = layer.output_mask(first_bound(layer, arguments), first_bound(layer, masks) if given is None else given)
    return [mask if at < max(1, int(layer.keeps_mask)) else None for at in range(number)]
