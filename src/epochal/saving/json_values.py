"""JSON values of which nothing is known yet, as they come from a file."""

from __future__ import annotations

from typing import TypeAlias, cast

Json: TypeAlias = dict[str, object]
"""A JSON object."""


def as_object(value: object) -> Json | None:
    """Return a value that is a JSON object, None for any other."""
    return cast(Json, value) if isinstance(value, dict) else None


def as_list(value: object) -> list[object] | None:
    """Return a value that is a list, None for any other."""
    return cast("list[object]", value) if isinstance(value, list) else None


def short(value: object) -> str:
    """Return a value as an error shows it."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
