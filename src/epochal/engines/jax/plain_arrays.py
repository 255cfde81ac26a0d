"""Arrays that a module has in its attributes, beside its variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import jax
import numpy as np
from flax import nnx
from flax.nnx import graphlib

from ...core.logs import fetch
from .module_split import nodes_of
from .trees import Array, Path


class PlainArrays:
    """The arrays in a module's attributes that are no variables: constants, keys, or what the module itself replaces.

    Args:
        module: Has them.
    """

    def __init__(self, module: nnx.Module) -> None:
        self._module = module
        self._known: dict[Path, Array | np.ndarray] = {
            path: node
            for path, node in nodes_of(module)
            if isinstance(node, (jax.Array, np.ndarray)) and _at(module, path) is node
        }

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, path: Path) -> bool:
        return path in self._known

    def external_writes(self) -> Iterator[tuple[Path, Array | np.ndarray]]:
        """Yield the paths and the values of those that somebody else has replaced since the last look."""
        for path, known in self._known.items():
            if (value := _at(self._module, path)) is not known:
                self._known[path] = value
                yield path, value

    def replace(self, path: Path, value: Array) -> None:
        """Replace the array at a path, if there is one; a NumPy array by a NumPy array."""
        if path in self._known:
            new = np.array(fetch(value)) if isinstance(self._known[path], np.ndarray) else value
            self._known[path] = new
            _put(self._module, path, new)


def _at(node: Any, path: Iterable[Any]) -> Any:
    for key in path:
        node = None if (implementation := graphlib.get_node_impl(node)) is None else implementation.node_dict(node)[key]
    return node


def _put(root: nnx.Module, path: Path, value: object) -> None:
    *above, key = path
    owner = _at(root, above)
    if isinstance(owner, tuple):
        items: list[Any] = [*cast("tuple[Any, ...]", owner)]
        items[cast("int", key)] = value
        kind = cast("Callable[..., Any]", type(cast("Any", owner)))
        _put(root, tuple(above), tuple(items) if kind is tuple else kind(*items))
    elif isinstance(owner, nnx.Pytree):
        object.__setattr__(owner, str(key), value)
    else:
        owner[key] = value
