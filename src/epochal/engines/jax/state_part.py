"""Some of the arrays of a device state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from .device_state import DeviceState
from .trees import Array

T = TypeVar("T")


class Leaves(Protocol):
    """Arrays that a span changes: a `DeviceState`, or a part of one."""

    @property
    def leaves(self) -> list[Array]:
        """The arrays."""
        ...

    @leaves.setter
    def leaves(self, leaves: list[Array]) -> None: ...


@dataclass(frozen=True)
class Places:
    """Which items of a list belong to a part of it.

    Attributes:
        chosen: For each item whether it does.
    """

    chosen: tuple[bool, ...]

    def part(self, items: Sequence[T]) -> list[T]:
        """Return the items of the part."""
        return [item for item, chosen in zip(items, self.chosen, strict=True) if chosen]

    def rest(self, items: Sequence[T]) -> list[T]:
        """Return the other ones."""
        return [item for item, chosen in zip(items, self.chosen, strict=True) if not chosen]

    def merged(self, part: Sequence[T], rest: Sequence[T]) -> list[T]:
        """Return the list of which these are the part and the rest."""
        of_part, of_rest = iter(part), iter(rest)
        return [next(of_part if chosen else of_rest) for chosen in self.chosen]


class StatePart:
    """Some leaves of a state, as a list of their own.

    Args:
        state: The state.
        places: Which leaves.
    """

    def __init__(self, state: DeviceState[Any], places: Places) -> None:
        self._state, self._places = state, places

    @property
    def leaves(self) -> list[Array]:
        """The arrays."""
        return self._places.part(self._state.leaves)

    @leaves.setter
    def leaves(self, leaves: list[Array]) -> None:
        self._state.leaves = self._places.merged(leaves, self._places.rest(self._state.leaves))
