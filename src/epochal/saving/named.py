"""Functions and classes by the names that a file has for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]


def function_name(function: Any, taken: Iterable[str]) -> str:
    """Return a function's name, in angle brackets if it has none of its own by which it could be found again."""
    name = getattr(function, "__name__", type(function).__name__)
    return name if name.isidentifier() and name not in taken else f"<{name.strip('<>')}>"


def own_object(name: str, custom: Mapping[str, Any]) -> Any:
    """Return one's own class or function for a name in a file, None if there is none.

    Keras puts the package before the name of a registered class: `package>Name`.
    """
    return custom.get(name, custom.get(name.rsplit(">", 1)[-1]))


def found(saved: Any, custom: Mapping[str, Any]) -> Any:
    """Return one's own object for what a file names, else what it names, for `get` to look up."""
    if isinstance(saved, list) and len(saved) == 1:
        saved = saved[0]
    if isinstance(saved, str):
        return custom.get(saved, custom.get(saved.strip("<>"), saved))  # in brackets: the name is also one of ours
    if not isinstance(saved, dict) or not isinstance(name := saved.get("class_name"), str):
        raise TypeError(f"a saved setting is a name or has a class_name, not {saved!r}")
    own = own_object(name, custom)
    if own is not None:
        return own(**saved.get("config") or {}) if isinstance(own, type) else own
    return saved["config"] if name == "function" and isinstance(saved.get("config"), str) else saved
