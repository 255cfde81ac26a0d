"""A span that an engine was told to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .engine import Result


@dataclass(eq=False)
class StartedSpan:
    """A span that may still be running.

    Attributes:
        result: Its result.
        first: The index in the epoch of its first batch.
        count: The number of its batches; fewer than asked for, once it was waited for, if it ended early.
        size: Samples a batch.
    """

    result: Result
    first: int
    count: int
    size: int

    @property
    def end(self) -> int:
        """The index in the epoch of the batch after its last one."""
        return self.first + self.count

    def rows(self) -> list[Any]:
        """Wait, and return what its batches logged, or predicted, in rows."""
        return self.result.rows()[: self.count]
