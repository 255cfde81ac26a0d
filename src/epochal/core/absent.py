"""Variables that hold no value of their own while an engine is ahead of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MemberDescriptorType
from typing import Any, cast

SLOT = "_raw_value"
"""Where a flax variable has its value, as everything in flax reads it."""

METADATA = "_var_metadata"
"""Where it has its metadata, and looks for every attribute that isn't there."""


class AbsentValue(dict[str, Any]):
    """The metadata of a variable whose slot is empty; whoever looks for the value has it brought, and finds it.

    Python looks for what isn't in its slot with `__getattr__`, and a flax variable then asks its metadata; one that is
    written to asks them first, too. So nothing in flax can read or replace the value without it being there.

    Args:
        variable: Its slot is emptied.
        outline: Shapes and dtypes in the place of the arrays.
        look: Called with each look until `put` is called, which it may call itself; it returns the value.

    Attributes:
        own: The variable's own metadata.
        outline: The argument.
    """

    def __init__(self, variable: object, outline: Any, look: Callable[[], Any]) -> None:
        self.own = cast("dict[str, Any]", object.__getattribute__(variable, METADATA))
        super().__init__(self.own)
        self.outline = outline
        self._look = look
        object.__setattr__(variable, METADATA, self)
        object.__delattr__(variable, SLOT)

    def __contains__(self, name: object) -> bool:
        if name == SLOT:
            return True  # which is then asked for
        self._look()
        return name in self.own

    def __getitem__(self, name: str) -> Any:
        value = self._look()
        return value if name == SLOT else self.own[name]


def can_be_absent(variable: object) -> bool:
    """Return whether a variable keeps its value and its metadata as `AbsentValue` takes it for granted."""
    return _has_slots(type(variable))


@functools.cache
def _has_slots(kind: type) -> bool:
    return all(isinstance(getattr(kind, name, None), MemberDescriptorType) for name in (SLOT, METADATA))


def put(variable: object, value: object) -> None:
    """Let a variable hold a value, whether it holds one or not."""
    object.__setattr__(variable, SLOT, value)
    metadata = object.__getattribute__(variable, METADATA)
    if isinstance(metadata, AbsentValue):
        object.__setattr__(variable, METADATA, metadata.own)


def held(variable: object, otherwise: object) -> Any:
    """Return what a variable holds; something else if its value is absent."""
    try:
        return object.__getattribute__(variable, SLOT)
    except AttributeError:
        return otherwise


def outline(variable: object) -> Any:
    """Return a variable's value; of an absent one shapes and dtypes in the place of arrays, and nothing is brought."""
    metadata = getattr(variable, METADATA, None)
    return metadata.outline if isinstance(metadata, AbsentValue) else cast("Any", variable).get_value()
