"""Functions and classes by the names that a file has for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from .json_values import Json, as_list, as_object

CustomObjects: TypeAlias = Mapping[str, object]
"""A user's classes and functions, by the names that a file has for them."""

LACKING = "lacking"
"""The key of an argument that an entry for a user's class should have in its config."""


def function_name(function: object, is_taken: Callable[[str], bool]) -> str:
    """Return a function's name, in angle brackets if looking it up wouldn't find the function again.

    Args:
        function: The function.
        is_taken: Whether a name, in any spelling, is of epochal's own of this kind.
    """
    name = str(getattr(function, "__name__", type(function).__name__))
    return name if name.isidentifier() and not is_taken(name) else f"<{name.strip('<>')}>"


def own_object(name: str, custom: CustomObjects) -> object | None:
    """Return the user's class or function for a name in a file, None if there is none.

    Keras puts the package before the name of a registered class: `package>Name`.
    """
    plain = name.strip("<>")  # in brackets: the name is also one of ours
    return custom.get(plain, custom.get(plain.rsplit(">", 1)[-1]))


def resolve(saved: object, custom: CustomObjects) -> Any:
    """Return the user's object with the name in a file; if there is none, `saved`, for a registry to look up.

    Args:
        saved: A name, a class with its settings, or a list of one of them.
        custom: The user's own.

    Raises:
        TypeError: If it is nothing of that kind.
        ValueError: If the file lacks an argument of the user's class.
    """
    if (listed := as_list(saved)) is not None and len(listed) == 1:
        saved = listed[0]
    if isinstance(saved, str):
        return saved if (own := own_object(saved, custom)) is None else own
    entry = as_object(saved)
    if entry is None or not isinstance(name := entry.get("class_name"), str):
        raise TypeError(f"a saved setting is a name or has a class_name, not {saved!r}")
    own, config = own_object(name, custom), entry.get("config")
    if isinstance(own, type):
        if lacking := entry.get(LACKING):
            raise ValueError(
                f"the file doesn't hold the argument {lacking!r} of {own.__name__}: let its get_config return it, in "
                f"values of JSON, and save again"
            )
        settings = cast(Json, config or {})
        from_config: Callable[[Json], object] | None = getattr(own, "from_config", None)
        return cast("Callable[..., object]", own)(**settings) if from_config is None else from_config(settings)
    if own is not None:
        return own
    return resolve(config, custom) if name == "function" and isinstance(config, str) else entry
