"""The arrays that a module itself holds, compared with what they were at the last look."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, KeysView
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import nnx

from ...core.absent import AbsentValue, can_be_absent, held, put
from ...messages.names import path_name
from .module_split import variables_of
from .module_state import ModuleState
from .plain_arrays import PlainArrays
from .trees import Keys, Path, PyTree, with_keys

ABSENT = object()
"""What a variable holds that holds nothing; nothing else is this object."""


class Known:
    """What a variable held at the last look.

    Args:
        value: An array, or a nest of arrays, in which somebody may replace some.

    Attributes:
        value: The argument.
    """

    def __init__(self, value: PyTree) -> None:
        self.value = value
        self._leaves = None if hasattr(value, "shape") else jax.tree.leaves(value)

    def has_other_leaves(self, value: PyTree) -> bool:
        """Return whether a nest has other arrays than the known one had; an array has none."""
        if self._leaves is None:
            return False
        leaves = jax.tree.leaves(value)
        return len(leaves) != len(self._leaves) or any(a is not b for a, b in zip(leaves, self._leaves, strict=True))


class ModuleArrays:
    """Tells which of a module's own arrays somebody else has replaced, and replaces them itself.

    Args:
        module: Holds the arrays, in variables and in plain attributes.
    """

    def __init__(self, module: nnx.Module) -> None:
        self._variables = {path_name(path): variable for path, variable in variables_of(module)}
        self._paths = {id(variable): path for path, variable in self._variables.items()}
        self._lasting = {path for path, variable in self._variables.items() if not can_be_absent(variable)}
        self._plain = PlainArrays(module)
        values = {path: variable.get_raw_value() for path, variable in self._variables.items()}
        self._outlines = {path: jax.tree.map(_outline, value) for path, value in values.items()}
        self._known = {path: Known(value) for path, value in values.items()}

    @property
    def variable_ids(self) -> KeysView[int]:
        """The ids of the module's variables."""
        return self._paths.keys()

    @property
    def hides_looks(self) -> bool:
        """Whether it has arrays at which no look is noticed: in attributes, or in variables that can't be empty."""
        return bool(self._plain or self._lasting)

    def path_of(self, variable: nnx.Variable[Any]) -> str | None:
        """Return the path of a variable, None if the module doesn't have it."""
        return self._paths.get(id(variable))

    def external_writes(self) -> Iterator[tuple[str, jax.typing.ArrayLike]]:
        """Yield the paths and the values of the arrays that somebody else has replaced since the last look."""
        for path in self._variables:
            value, known = self._held(path), self._known[path]
            if value is not ABSENT and (value is not known.value or known.has_other_leaves(value)):
                for keys, leaf in with_keys(value):
                    yield array_path(path, keys), leaf
                self._known[path] = Known(value)
        for path, value in self._plain.external_writes():
            yield path_name(path), value

    def let_go(self, look: Callable[[str], PyTree]) -> None:
        """Let the variables hold no arrays, but for what somebody else has replaced since the last look.

        Args:
            look: Called with the path of one of them when somebody looks at it; it returns the value.
        """
        for path, variable in self._variables.items():
            known, value = self._known[path], self._held(path)
            is_ours = value is known.value and not known.has_other_leaves(value)
            if is_ours and value is not ABSENT and path not in self._lasting:
                self._known[path] = Known(ABSENT)
                AbsentValue(variable, self._outlines[path], functools.partial(look, path))

    def known(self, path: str) -> PyTree:
        """Return what the variable at a path held at the last look."""
        return self._known[path].value

    def hold(self, params: ModuleState, other: ModuleState) -> None:
        """Let the module hold the arrays of the two parts of its state."""
        for path, value in [*flat_state(params), *flat_state(other)]:
            if path not in self._plain:
                self._put(path_name(path), value.get_raw_value())
        self._hold_plain(other)

    def hold_unnoticed(self, params: ModuleState, other: ModuleState) -> None:
        """Let the module hold those arrays of the two parts of its state at which no look is noticed."""
        for path, value in [*flat_state(params), *flat_state(other)] if self._lasting else ():
            if (name := path_name(path)) in self._lasting:
                self._put(name, value.get_raw_value())
        self._hold_plain(other)

    def _hold_plain(self, other: ModuleState) -> None:
        if self._plain:
            for path, value in flat_state(other):
                self._plain.replace(path, value)

    def _held(self, path: str) -> PyTree:
        variable = self._variables[path]
        return variable.get_raw_value() if path in self._lasting else held(variable, ABSENT)

    def _put(self, path: str, value: PyTree) -> None:
        variable = self._variables[path]
        if path in self._lasting:
            variable.set_raw_value(value)
        else:
            put(variable, value)
        self._known[path] = Known(value)


def flat_state(state: ModuleState) -> Iterable[tuple[Path, Any]]:
    """Return a part of a module's state by paths: its variables, and arrays that are in attributes."""
    return cast("Iterable[tuple[Path, Any]]", nnx.to_flat_state(state))


def _outline(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf) if jnp.isscalar(leaf) else leaf.dtype)


def array_path(variable: str, keys: Keys) -> str:
    """Return the path of an array: that of its variable, and the keys to it in the nest that the variable holds."""
    return f"{variable}/{path_name(('value', *keys))}"
