"""Keras-style training callbacks for Python, at the speed of a compiled loop, with exact resume.

Importing this loads no engine: the submodules are loaded when they are first used.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from .data.seeds import set_random_seed
from .messages.missing import missing

__version__ = "0.2.0"

_MODULES = (
    "activations", "backend", "callbacks", "constraints", "distribution", "initializers", "layers", "losses", "metrics",
    "models", "optimizers", "preprocessing", "regularizers", "utils",
)  # fmt: skip
_NAMES = {"Input": "layers", "Model": "models", "Sequential": "models"}

__all__ = ["__version__", "set_random_seed", *_MODULES, *_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _NAMES:
        return getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
    raise missing(__name__, name, __all__, inspect.currentframe())


def __dir__() -> list[str]:
    return sorted(__all__)
