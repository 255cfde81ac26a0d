"""Lists, tuples and dicts of arguments, in one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def map_nest(change: Callable[[Any], Any], nest: Any) -> Any:
    """Return a new nest with every leaf changed; dicts keep their order, which `jax.tree.map` sorts by key."""
    if type(nest) is dict:
        return {key: map_nest(change, item) for key, item in nest.items()}
    if type(nest) in (list, tuple):
        return type(nest)(map_nest(change, item) for item in nest)
    return jax.tree.map(change, nest)


def held(nest: Any) -> Any:
    """Return a nest that stays as it is when its lists, dicts or NumPy arrays are changed afterwards."""
    return map_nest(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, nest)
