"""Which engines are ahead of the layers that they train; models may have layers in common."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakSet


class Engine(Protocol):
    """What is asked of an engine that is ahead."""

    @property
    def variable_ids(self) -> Iterable[int]:
        """The ids of its module's variables."""
        ...

    def write_back(self) -> None:
        """Write its state into the module's own arrays."""
        ...


class Ahead:
    """The engines whose states are newer than their modules' own arrays.

    Of two that have variables in common only one is ever ahead: whoever goes ahead has taken up the other's first.

    Attributes:
        changes: How often an engine went ahead or wrote back, or somebody wrote: whoever has seen less should look.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._engines: WeakSet[Engine] = WeakSet()
        self._lock = threading.Lock()  # models may be used in several threads

    def add(self, engine: Engine) -> int:
        """Note that an engine is ahead, and return how many changes there have been."""
        with self._lock:
            self._engines.add(engine)
            self.changes += 1
            return self.changes

    def discard(self, engine: Engine) -> int:
        """Note that an engine has written back, and return how many changes there have been."""
        with self._lock:
            self._engines.discard(engine)
            self.changes += 1
            return self.changes

    def note_write(self) -> None:
        """Note that somebody has written into a module's own arrays: engines that have it should look."""
        with self._lock:
            self.changes += 1

    def write_back(self, variables: Iterable[int], but: Engine | None = None) -> None:
        """Let variables, by their ids, hold what engines that are ahead of them have."""
        with self._lock:
            others = [engine for engine in self._engines if engine is not but]
        if others:
            ids = set(variables)
            for engine in others:
                if not ids.isdisjoint(engine.variable_ids):
                    engine.write_back()


DIRTY_ENGINES = Ahead()
