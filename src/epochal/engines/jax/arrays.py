"""Arrays that a module has in its attributes, beside its variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from flax import nnx
from flax.nnx import graphlib

Path = tuple[Any, ...]


class PlainArrays:
    """The arrays in a module's attributes that are no variables: constants, keys, or what the module itself replaces.

    Args:
        module: What has them.
    """

    def __init__(self, module: nnx.Module) -> None:
        self._module = module
        found = ((path, node) for path, node in nnx.iter_graph(module) if isinstance(node, (jax.Array, np.ndarray)))
        self._shown: dict[Path, Any] = {path: node for path, node in found if _at(module, path) is node}

    def __len__(self) -> int:
        return len(self._shown)

    def __contains__(self, path: Path) -> bool:
        return path in self._shown

    def written(self) -> Iterator[tuple[Path, Any]]:
        """Yield the paths and the values of those that somebody has replaced since they were last shown."""
        for path, shown in self._shown.items():
            if (value := _at(self._module, path)) is not shown:
                self._shown[path] = value
                yield path, value

    def show(self, path: Path, value: Any) -> None:
        """Replace one, if there is one at a path; a NumPy array by a NumPy array."""
        if path in self._shown:
            value = np.array(value) if isinstance(self._shown[path], np.ndarray) else value
            self._shown[path] = value
            _put(self._module, path, value)


def _at(node: Any, path: Path) -> Any:
    for key in path:
        node = None if (implementation := graphlib.get_node_impl(node)) is None else implementation.node_dict(node)[key]
    return node


def _put(root: Any, path: Path, value: Any) -> None:
    *above, key = path
    owner = _at(root, tuple(above))
    if isinstance(owner, tuple):
        items = list(owner)
        items[key] = value
        _put(root, tuple(above), type(owner)(items) if type(owner) is tuple else type(owner)(*items))
    elif isinstance(owner, nnx.Pytree):
        object.__setattr__(owner, str(key), value)
    else:
        owner[key] = value
