"""The arrays that a module itself holds, compared with what they were at the last look."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView
from typing import Any, cast

import jax
from flax import nnx

from ...messages.names import path_name
from .module_split import variables_of
from .plain_arrays import PlainArrays
from .trees import Keys, ModuleState, Path, PyTree, with_keys


class ModuleArrays:
    """Tells which of a module's own arrays somebody else has replaced, and replaces them itself.

    Args:
        module: Holds the arrays, in variables and in plain attributes.
    """

    def __init__(self, module: nnx.Module) -> None:
        self._module = module
        self._variables = {path_name(path): variable for path, variable in variables_of(module)}
        self._paths = {id(variable): path for path, variable in self._variables.items()}
        self._plain = PlainArrays(module)
        self._look()

    @property
    def variable_ids(self) -> KeysView[int]:
        """The ids of the module's variables."""
        return self._paths.keys()

    def path_of(self, variable: nnx.Variable[Any]) -> str | None:
        """Return the path of a variable, None if the module doesn't have it."""
        return self._paths.get(id(variable))

    def external_writes(self) -> Iterator[tuple[str, jax.typing.ArrayLike]]:
        """Yield the paths and the values of the arrays that somebody else has replaced since the last look."""
        for path, variable in self._variables.items():
            value = variable.get_value()
            if value is not self._known[path] and (path not in self._nests or self._differs(path, value)):
                for keys, leaf in with_keys(value):
                    yield array_path(path, keys), leaf
                self._known[path] = value
                if path in self._nests:
                    self._nests[path] = jax.tree.leaves(value)
        for path, value in self._plain.external_writes():
            yield path_name(path), value

    def replace(self, params: ModuleState, other: ModuleState) -> None:
        """Let the module hold the arrays of the two parts of its state, which nobody else may use."""
        marked = [(v, v.get_metadata("trainable")) for v in self._variables.values() if v.has_metadata("trainable")]
        nnx.update(self._module, params, self._without_plain_arrays(other))
        for variable, trainable in marked:  # since it was compiled, perhaps: the state has the metadata of then
            variable.set_metadata("trainable", trainable)
        self._look()

    def _without_plain_arrays(self, other: ModuleState) -> ModuleState:
        """Put arrays that are no variables into the module; return the state of the others."""
        if not self._plain:
            return other
        flat = cast("Iterable[tuple[Path, Any]]", nnx.to_flat_state(other))
        for path, value in flat:
            self._plain.replace(path, value)
        kept = [(path, value) for path, value in flat if path not in self._plain]
        return cast("ModuleState", nnx.from_flat_state(cast("Any", kept)))

    def _look(self) -> None:
        self._known: dict[str, PyTree] = {path: variable.get_value() for path, variable in self._variables.items()}
        nests = {path: value for path, value in self._known.items() if not hasattr(value, "shape")}
        self._nests = {path: jax.tree.leaves(value) for path, value in nests.items()}

    def _differs(self, path: str, nest: PyTree) -> bool:
        """Return whether a nest, which flax returns as another object each time, has other arrays than it had."""
        leaves, known = jax.tree.leaves(nest), self._nests[path]
        return len(leaves) != len(known) or any(a is not b for a, b in zip(leaves, known, strict=True))


def array_path(variable: str, keys: Keys) -> str:
    """Return the path of an array: that of its variable, and the keys to it in the nest that the variable holds."""
    return f"{variable}/{path_name(('value', *keys))}"
