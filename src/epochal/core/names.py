"""What to say about a name nobody knows: the nearest ones, or all there are."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a sentence for the end of an error: `Did you mean 'a' or 'b'?`, else `Known: a, b, c.`"""
    known = list(dict.fromkeys(known))
    if near := difflib.get_close_matches(name, known, n=3, cutoff=cutoff):
        return f"Did you mean {' or '.join(map(repr, near))}?"
    return f"Known: {', '.join(known) or 'none'}."


def unknown(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """Return the error for an unknown `name` of a `kind` ("loss", "optimizer"); the caller raises it."""
    return ValueError(f"unknown {kind} {name!r}. {suggest(str(name), known)}")


def snake_case(class_name: str) -> str:
    """Return a class's name as Keras writes it for its objects: `MaxPooling2D` is `max_pooling2d`."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
