"""Some of the arrays of a device state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from .device_state import DeviceState
from .trees import Array


class Leaves(Protocol):
    """Arrays that a span changes: a `DeviceState`, or a part of one."""

    on_use: Callable[[], None] | None
    """Called before anybody uses the leaves."""

    @property
    def leaves(self) -> list[Array]:
        """The arrays."""
        ...

    @leaves.setter
    def leaves(self, leaves: list[Array]) -> None: ...


class StatePart:
    """Some leaves of a state, as a list of their own.

    Args:
        state: The state.
        at: The places of the leaves in it.
    """

    def __init__(self, state: DeviceState[Any], at: Sequence[int]) -> None:
        self._state, self._at = state, at

    @property
    def leaves(self) -> list[Array]:
        """The arrays."""
        leaves = self._state.leaves
        return [leaves[at] for at in self._at]

    @leaves.setter
    def leaves(self, leaves: list[Array]) -> None:
        whole = list(self._state.leaves)
        for at, leaf in zip(self._at, leaves, strict=True):
            whole[at] = leaf
        self._state.leaves = whole

    @property
    def on_use(self) -> Callable[[], None] | None:
        """Called before anybody uses leaves of the state."""
        return self._state.on_use

    @on_use.setter
    def on_use(self, call: Callable[[], None] | None) -> None:
        self._state.on_use = call
