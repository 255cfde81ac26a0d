"""Initializers by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..registry import Config
from .initializer import INITIALIZERS, Initializer, InitializerFunction


def get(identifier: str | Mapping[str, Any] | type[Initializer] | InitializerFunction) -> InitializerFunction:
    """Return the initializer that an identifier stands for.

    Args:
        identifier: A Keras name in either spelling ("he_normal", "HeNormal"), one of Keras 2's short ones ("uniform",
            "normal", "zero", "one"), what Keras saves (``{"class_name": …, "config": {…}}``), a class, which is called
            for its defaults, or a function ``(key, shape, dtype)``, which is returned as it came.

    Raises:
        ValueError: If the name is unknown; the nearest names are listed.
        TypeError: If it is anything else.

    Example:
        >>> from epochal import initializers
        >>> initializers.get("he_normal")
        HeNormal(seed=None)
        >>> initializers.get({"class_name": "Constant", "config": {"value": 0.5}})
        Constant(value=0.5)
    """
    return INITIALIZERS.get(identifier)


def describe(initializer: object) -> Config | None:
    """Return what Keras saves for an initializer; None for a plain function, which a file can't hold."""
    if not isinstance(initializer, Initializer):
        return None
    return {"class_name": type(initializer).__name__, "config": initializer.get_config()}
