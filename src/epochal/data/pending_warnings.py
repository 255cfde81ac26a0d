"""Warnings that one thread has for another."""

from __future__ import annotations

from ..messages.printing import warn


class PendingWarnings:
    """Keeps the warnings of the thread that reads the data, until the thread of the fit shows them.

    Of each kind, which is a text whatever its numbers, only the first one is kept.
    """

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._kinds: set[str] = set()

    def add(self, text: str) -> None:
        """Keep a warning, unless there was one of its kind."""
        kind = "".join(c for c in text if not c.isdigit())
        if kind not in self._kinds:
            self._kinds.add(kind)
            self._waiting.append(text)

    def show(self) -> None:
        """Show the warnings that wait, in their order."""
        while self._waiting:
            warn(self._waiting.pop(0))
