"""The position in the data of a pass over them, and the chunk that it works on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from weakref import WeakMethod

from .batches import EpochEnd, ReadChunk, ReadItem, Span
from .prefetch import Prefetch

CLOSE_SECONDS = 10.0
"""How long to wait for a source to give what it was asked for, before it is left alone."""

HURRY_SECONDS = 1.0
"""How long, when an error has ended what they were read for."""


class Closed(Exception):
    """Ends the reading."""


class DataCursor:
    """Points at the next batch of an epoch, and holds the chunk that it lies in.

    Args:
        read: `read(epoch, batch)` yields the chunks from a batch on and the epoch's end, and may go on with the
            epochs after it; a method, whose object isn't kept alive. It is called when the first batch is asked for.
        background: Whether reading takes time, so that a thread should do it meanwhile.

    Attributes:
        batch: The index in the epoch of the next batch.
        waited: Seconds for which a chunk was waited for.
        in_step: Whether nothing is read before it is needed.
        keeps_one_more: Whether the chunk before the one that is worked on is kept, so that `go_back` reaches into it.
    """

    def __init__(self, read: Callable[[int, int], Iterator[ReadItem]], background: bool) -> None:
        # In a cycle data, and their arrays on the device, would stay until garbage is collected
        self._read, self._background = WeakMethod(read), background
        self._items: Iterator[ReadItem] | None = None
        self._epoch = self.batch = 0
        self._kept: list[ReadItem] = []  # what was read last, and perhaps what was read before
        self._asked_after: ReadItem | None = None  # the chunk after that one is being read
        self.waited = 0.0
        self.in_step = self.keeps_one_more = False
        self._needed = threading.Event()
        self._closed = False

    def begin(self, epoch: int, batch: int) -> None:
        """Go to a batch; reading goes on if that is what comes next."""
        ended = self.item
        if not isinstance(ended, EpochEnd) or (epoch, batch) != (ended.epoch + 1, 0):
            self.close()
            self._kept = []
        self._epoch, self.batch = epoch, batch

    @property
    def item(self) -> ReadItem | None:
        """What the next batch is in, or, if that isn't read yet, what was read last, if anything."""
        for item in self._kept:
            if item.covers(self._epoch, self.batch):
                return item
        return self._kept[-1] if self._kept else None

    def next_size(self) -> int:
        """Return the number of samples in the next batch; 0 at the epoch's end."""
        item = self._current()
        return item.chunk.size if isinstance(item, ReadChunk) else 0

    def span(self, limit: int) -> Span:
        """Return the next batches, at most `limit`.

        Raises:
            IndexError: If the epoch has no more.
        """
        item = self._current()
        if isinstance(item, EpochEnd):
            raise IndexError(f"epoch {item.epoch + 1} has {item.batches} batches, and no more.")
        at = self.batch - item.first
        return Span(item.chunk, at, min(limit, item.chunk.count - at))

    def advance(self, batches: int) -> None:
        """Go on by so many batches, which are under way; reading goes on with the chunk after theirs."""
        item = self.item
        begins_chunk = isinstance(item, ReadChunk) and self.batch == item.first and item is not self._asked_after
        if begins_chunk and isinstance(self._items, Prefetch) and not self.in_step:
            self._items.more()
            self._asked_after = item
        self.batch += batches

    def go_back(self, batches: int) -> None:
        """Go back by so many batches: into the chunk that was worked on last, or the one before if it is kept."""
        self.batch -= batches

    def _current(self) -> ReadItem:
        """Return the chunk that the next batch is in, or the epoch's end; wait for it if need be."""
        for item in self._kept:
            if item.covers(self._epoch, self.batch):
                return item
        item = self._asked_after = None
        self._kept = self._kept[-1:] if self.keeps_one_more else []  # before the next is waited for: memory is free
        started = time.perf_counter()
        self._kept.append(self._next())
        if self._background:
            self.waited += time.perf_counter() - started
        return self._kept[-1]

    def _next(self) -> ReadItem:
        self._closed = False
        self._needed.set()
        if self.in_step and isinstance(self._items, Prefetch):
            self._items.more()
        if self._items is None or (item := next(self._items, None)) is None:
            items = self._reading()(self._epoch, self.batch)
            self._items = Prefetch(items) if self._background else items
            item = next(self._items)
        self._needed.clear()
        return item

    def _reading(self) -> Callable[[int, int], Iterator[ReadItem]]:
        if (read := self._read()) is None:
            raise RuntimeError("the data that this points into are gone.")
        return read

    def wait_until_needed(self) -> None:
        """Wait, in the thread that reads, until all that was read has been used.

        Raises:
            Closed: If no more will be needed.
        """
        self._needed.wait()
        if self._closed:
            raise Closed

    @property
    def is_closed(self) -> bool:
        """Whether nobody needs more, as far as is known."""
        return self._closed

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """End reading; what was read ahead is lost. Return whether it ended within so many seconds."""
        items, self._items = self._items, None
        self._closed = True
        self._needed.set()
        return items.close(seconds) if isinstance(items, Prefetch) else True
