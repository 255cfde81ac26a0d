"""Which weight stores are newer than the layers' own arrays; models may have layers in common."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakSet


class DirtyStore(Protocol):
    """A weight store whose values may be newer than its module's own arrays."""

    @property
    def variable_ids(self) -> Iterable[int]:
        """The ids of its module's variables."""
        ...

    def write_back(self) -> None:
        """Let the module hold the current values."""
        ...


class DirtyStores:
    """The weight stores whose values are newer than their modules' own arrays.

    Of two stores that have variables in common at most one is dirty: before a store becomes dirty, it lets the others
    write back.

    Attributes:
        changes: How often a store became dirty or wrote back, or somebody wrote into a module's own arrays: a store
            that remembers an older number has to look at its module.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._stores: WeakSet[DirtyStore] = WeakSet()
        self._lock = threading.Lock()  # models may be used in several threads

    def add(self, store: DirtyStore) -> int:
        """Note that a store is dirty, and return the new number of changes."""
        with self._lock:
            self._stores.add(store)
            self.changes += 1
            return self.changes

    def discard(self, store: DirtyStore) -> int:
        """Note that a store has written back, and return the new number of changes."""
        with self._lock:
            self._stores.discard(store)
            self.changes += 1
            return self.changes

    def note_write(self) -> None:
        """Note that somebody has written into a module's own arrays."""
        with self._lock:
            self.changes += 1

    def write_back(self, variable_ids: Iterable[int], but: DirtyStore | None = None) -> None:
        """Let the dirty stores of variables write them back, so that the variables hold the current values.

        Args:
            variable_ids: The ids of the variables.
            but: A store that is left out.
        """
        with self._lock:
            others = [store for store in self._stores if store is not but]
        if others:
            ids = set(variable_ids)
            for store in others:
                if not ids.isdisjoint(store.variable_ids):
                    store.write_back()


DIRTY_STORES = DirtyStores()
