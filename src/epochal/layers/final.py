"""Attributes of layers that can't be set: settings that `build` has used, and names that the base has."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from . import restraints

READ_LATER = {
    "activation", "activity_regularizer", "function", "name", "trainable", "input_shape", "return_sequences",
    "return_state",
}  # fmt: skip
"""Settings that hold from the next `compile` on, or change nothing that is computed."""


@functools.cache
def _final_settings(kind: type[Any]) -> frozenset[str]:
    """Return the constructor's arguments of the classes of this package among a layer's."""
    here = __name__.partition(".")[0]
    ours = [base for base in kind.__mro__ if base.__module__.partition(".")[0] == here and "__init__" in vars(base)]
    names = {name for base in ours for name in inspect.signature(vars(base)["__init__"]).parameters}
    return frozenset({*names, *restraints.names_of(kind)} - READ_LATER - {"self"})


def check(layer: object, name: str, value: object) -> None:
    """Refuse to change a setting of a built layer that nothing would look at any more.

    Raises:
        AttributeError: If it is one; says what to do.
    """
    before: dict[str, object] = vars(layer)
    if not before.get("built") or name not in before or name not in _final_settings(type(layer)):
        return
    if before[name] is not value and before[name] != value:
        raise AttributeError(
            f"{name} of the layer {before['name']!r} is {before[name]!r} since it was built: make a new layer, give it "
            "the old one's weights (set_weights), and make the model of that."
        )


def check_free(base: type[Any], layer: object, name: str) -> None:
    """Refuse an attribute whose name a method or a property of the base of all layers has.

    Raises:
        AttributeError: If it is one.
    """
    if name in _taken_names(base):
        raise AttributeError(
            f"{type(layer).__name__} can't have an attribute {name!r}: every layer has a method or a property of "
            "this name. Choose another one."
        )


@functools.cache
def _taken_names(base: type[Any]) -> frozenset[str]:
    named = ((name, getattr(base, name)) for name in dir(base) if not name.startswith("_"))
    return frozenset(
        name for name, value in named if callable(value) or (isinstance(value, property) and value.fset is None)
    )
