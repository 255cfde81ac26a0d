"""Names: of things in nests, of classes, and errors about unknown ones."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable


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


def first_few(names: Iterable[str], most: int) -> str:
    """Return names for a message: the first ones in their order, and how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def plain_key(key: object) -> Hashable:
    """Return the text or number in one of JAX's keys, which have it as `key`, `idx` or `name`; another key as it is."""
    return getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))


def path_name(keys: Iterable[object]) -> str:
    """Return the keys that lead to something in a nest, as one name: `a/0/b`. Different keys make different names.

    Keys are texts, numbers and the like, or JAX's, which have one of those; see `plain_key`.
    What would be read as something else in a key that is a text is written as in addresses, such as `%2F` for a slash.
    """
    return "/".join(_key_name(key) for key in keys)


def _key_name(key: object) -> str:
    key = plain_key(key)
    if not isinstance(key, str):
        return str(key) if type(key) is int else f"%{type(key).__name__}:{_plain(repr(key))}"
    if not key.strip(".") or key.removeprefix("-").isdecimal():  # no name of a file's group, or a number
        return "".join(f"%{byte:02X}" for byte in key.encode()) or "%"
    return _plain(key)


def _plain(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")
