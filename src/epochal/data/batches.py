"""Batches as an engine gets them: spans of batches in chunks of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class HostArrays:
    """A nest of arrays that an engine may keep on its device for as long as this object lives."""

    arrays: Any


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive batches of one size, which lie in the same arrays.

    Attributes:
        rows: `(x, y, sample_weight)`, each an array, a nest of arrays or None, samples first.
        order: Which rows, in which order; None means as they lie.
        start: The place in `order` (or in the rows) of the first batch's first sample.
        size: Samples a batch.
        count: Batches in the chunk.
        room: The most batches that chunks of this kind have, so that engines can fix their buffers.
    """

    rows: HostArrays
    order: HostArrays | None
    start: int
    size: int
    count: int
    room: int


@dataclass(frozen=True)
class Span:
    """Consecutive batches of a chunk, from its batch number `at`; what an engine executes in one call."""

    chunk: Chunk
    at: int
    count: int

    @property
    def start(self) -> int:
        """The place in the chunk's order of the first sample."""
        return self.chunk.start + self.at * self.chunk.size
