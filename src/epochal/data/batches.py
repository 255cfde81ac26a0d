"""Batches as an engine gets them: spans of batches in chunks of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from .nests import Batch, leaves

T_co = TypeVar("T_co", covariant=True)

BATCH_SIZE = 32
"""Samples a batch, where a user doesn't say."""


@dataclass(frozen=True, eq=False)
class HostArrays(Generic[T_co]):
    """An array, or a nest of arrays, that an engine may keep on its device for as long as this object lives."""

    arrays: T_co


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive batches of one size, which lie in the same arrays.

    Attributes:
        rows: `(x, y, sample_weight)`, each an array, a nest of arrays or None, samples first.
        order: The indices of the rows in the order in which they are used, int32, `(samples,)`; None means as they lie.
        start: The place in `order` (or in the rows) of the first batch's first sample.
        size: Samples a batch.
        count: Batches in the chunk.
        capacity: The most batches that any chunk of these data has, so that engines can fix their buffers.
        parts: Of how many processes each has a part of every batch, of equal sizes; the rows are those of this one.
    """

    rows: HostArrays[Batch]
    order: HostArrays[np.ndarray] | None
    start: int
    size: int
    count: int
    capacity: int
    parts: int = 1

    @property
    def rows_count(self) -> int:
        """How many rows there are."""
        return len(leaves(self.rows.arrays)[0])


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


@dataclass(frozen=True, eq=False)
class ReadChunk:
    """A chunk that was read from the data, and where in an epoch it lies.

    Attributes:
        epoch: Counted from 0.
        first: The index in the epoch of its first batch.
        chunk: The batches.
        states: The source's own state before each batch, and after the last one; None where it has none.
    """

    epoch: int
    first: int
    chunk: Chunk
    states: Sequence[object] = ()

    def covers(self, epoch: int, batch: int) -> bool:
        """Return whether a batch of an epoch is in it."""
        return epoch == self.epoch and 0 <= batch - self.first < self.chunk.count

    def state_before(self, batch: int) -> object:
        """Return the source's own state before a batch of the epoch."""
        return self.states[batch - self.first]


@dataclass(frozen=True, eq=False)
class EpochEnd:
    """The end of an epoch, where the data were read on to it.

    Attributes:
        epoch: Counted from 0.
        batches: The number of batches that the epoch had.
        state: The source's own state after the last one; None if it has none.
    """

    epoch: int
    batches: int
    state: object = None

    def covers(self, epoch: int, batch: int) -> bool:
        """Return whether this is what comes at a batch of an epoch, counted from 0."""
        return (epoch, batch) == (self.epoch, self.batches)

    def state_before(self, batch: int) -> object:
        """Return the source's own state where the next batch would be."""
        return self.state


ReadItem = ReadChunk | EpochEnd
"""What reading yields: chunk after chunk, and the end after an epoch's last one."""
