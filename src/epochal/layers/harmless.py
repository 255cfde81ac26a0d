"""Keras's arguments of layers that may say what is so here anyway; other values of them are refused by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeAlias, cast

import jax.numpy as jnp

from ..messages.arguments import constructor_arguments, unknown_argument
from .types import DTypeLike


class Harmless(NamedTuple):
    """An argument that changes nothing.

    Attributes:
        values: Those that it may have.
        otherwise: Why there is no other one, and what to do instead.
    """

    values: tuple[object, ...]
    otherwise: str


HarmlessArguments: TypeAlias = Mapping[str, Harmless]
"""Arguments that change nothing, by name."""

OF_ALL: HarmlessArguments = {
    "dtype": Harmless(
        (None, "float32"),
        "weights are float32, and compile(dtype=…) says in which numbers a whole model computes",
    )
}
"""Those of every layer."""

OF_SPATIAL: HarmlessArguments = {
    **OF_ALL,
    "data_format": Harmless((None, "channels_last"), "channels are the last axis; Permute moves them there"),
}
"""Those of layers for steps or images."""

OF_RECURRENT: HarmlessArguments = {
    **OF_ALL,
    "unroll": Harmless((False, True), "it is True or False, and only says how Keras compiles the steps"),
    "implementation": Harmless((0, 1, 2), "it is 0, 1 or 2, and only says in which order Keras multiplies matrices"),
    "use_cudnn": Harmless(("auto", False), "the steps are compiled by XLA on every device"),
    "stateful": Harmless((False,), "hand the states on: return_state=True, and initial_state=… in the next call"),
    "time_major": Harmless((False,), "the batch is the first axis"),
}
"""Those of recurrent layers."""


def check(layer: object, given: Mapping[str, object], harmless: HarmlessArguments, others: Collection[str]) -> None:
    """Check the arguments of a layer's constructor that none of its classes has taken.

    Args:
        layer: Named in the errors.
        given: The arguments.
        harmless: Those that the layer may be given.
        others: The names of those that are looked at elsewhere.

    Raises:
        TypeError: If there is no such argument; the nearest is named.
        ValueError: If one that changes nothing has a value that would.
    """
    kind = type(layer).__name__
    for name, value in given.items():
        if name in others:
            continue
        if name not in harmless:
            raise unknown_argument(kind, name, [*constructor_arguments(type(layer)), *harmless, *others])
        if not _is_among(value, harmless[name].values):
            raise ValueError(f"{kind}: {name}={value!r} isn't supported: {harmless[name].otherwise}.")


def _is_among(value: object, values: tuple[object, ...]) -> bool:
    """Return whether a value is one of some; a dtype may also be given as NumPy's or JAX's."""
    if any(type(value) is type(one) and value == one for one in values):
        return True
    return "float32" in values and not isinstance(value, str) and _is_float32(value)


def _is_float32(value: object) -> bool:
    try:
        return value is not None and jnp.dtype(cast("DTypeLike", value)) == jnp.float32
    except TypeError:
        return False
