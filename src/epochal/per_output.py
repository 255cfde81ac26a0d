"""Settings of `compile` that may differ from output to output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard, TypeVar

T = TypeVar("T")

PerOutput: TypeAlias = T | Sequence["T | None"] | Mapping[str, "T | None"] | None
"""One for all outputs, or one for each, in a list in their order or in a dict by name; None for none."""

DEEPEST = 3
"""Lists or dicts in one another: of outputs, of an output's metrics, and one that Keras may put around them."""


def is_by_name(setting: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether a setting is a dict by the outputs' names, and not the saved config of a single item."""
    return isinstance(setting, Mapping) and "class_name" not in setting


def is_listed(setting: object) -> TypeGuard[Sequence[Any]]:
    """Return whether a setting is a list or a tuple."""
    return isinstance(setting, (list, tuple))


def map_items(setting: object, function: Callable[[Any], object], level: int = 0) -> Any:
    """Return a setting with `function` applied to every item in its lists and dicts by output; None stays None.

    Args:
        setting: An item, or items in lists and dicts.
        function: Called with each item.
        level: How many lists or dicts are around it.

    Raises:
        ValueError: If there are more than `DEEPEST`.
    """
    if level > DEEPEST:
        raise ValueError("the settings are lists in lists, deeper than any model's outputs")
    if setting is None:
        return None
    if is_by_name(setting):
        return {name: map_items(item, function, level + 1) for name, item in setting.items()}
    if is_listed(setting):
        return [map_items(item, function, level + 1) for item in setting]
    return function(setting)


def items_in(setting: object) -> list[Any]:
    """Return the items in a setting, in order."""
    found: list[Any] = []
    map_items(setting, found.append)
    return found
