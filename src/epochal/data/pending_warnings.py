"""Warnings that one thread has for another."""

from __future__ import annotations

import warnings


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

    def show(self, stacklevel: int) -> None:
        """Show the warnings that wait, in their order; `stacklevel` is counted from the caller."""
        while self._waiting:
            warnings.warn(self._waiting.pop(0), stacklevel=stacklevel + 1)
