"""Batches from iterables and other sources."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..messages.printing import warn
from .array_data import check_shuffle, epoch_order
from .batches import EpochEnd, ReadChunk, ReadItem, Span
from .chunks import Buffer, batches_per_chunk
from .cursor import CLOSE_SECONDS, DataCursor
from .memory import Memory
from .nests import Batch, leaves, map_arrays
from .passes import PassState
from .reader import Reader
from .reading import Prepare
from .seeds import fresh_seed
from .shared_reading import Exchange, SharedReading
from .sources import Source

CHUNK_SECONDS = 0.1
"""A slow source is read for about this long before the batches that came are used."""

UNKNOWN_BATCHES = 256
"""The most batches in a chunk where nobody says how many there are in an epoch."""


class StreamState(PassState):
    """The position in a source, what brings another one there, and the order.

    seed: Decides the order of batches by index; None if they aren't shuffled.
    in_step: Whether each batch was read only when it was needed.
    """

    seed: int | None
    in_step: bool


class StreamData:
    """Batches from a source, which is read by a thread.

    Each epoch goes through the source anew. With `steps`, or if the source can be gone through only once, a training
    epoch goes on where the one before it stopped, until the source has given all; the epoch that meets its end is
    shorter, with a warning, and the next one begins the source anew.

    The thread reads a chunk ahead. But where random numbers are drawn for every batch, and hooks that a user wrote may
    draw from the same generators, it reads each batch when it is needed, so that all is drawn in a plain loop's order.

    Args:
        source: An iterable, an iterator, or batches by index; see `Source`.
        steps: Batches an epoch; None means until the source ends.
        prepare_batch: Makes `(x, y, sample_weight)` of what came, or raises if it can't.
        steps_name: What errors call `steps`.
        shuffle: Whether batches that are asked for by index come in another order each time.
        seed: Decides that order, with the epoch; drawn if None.
        draw: Draws it.
        first_epoch: The first epoch; None in an evaluation: then the source isn't told the epoch's number, and each
            epoch begins at the source's start.

    Attributes:
        steps: Batches an epoch; None if nobody says.
        epochs: The number of the last epoch, counted from 1. Only a list or tuple is read ahead into the next epoch: of
            an iterator an epoch may be the last one, and another iterable may be changed by callbacks between epochs.
        gave_an_epoch: Whether all batches of an epoch were used, from its first one on.

    Raises:
        ValueError: If it can be gone through only once and comes without `steps`, or `shuffle` is none of True, False
            and "batch".
        TypeError: If it is nothing that yields batches.
    """

    samples = None

    def __init__(
        self,
        source: object,
        steps: int | None,
        prepare_batch: Prepare,
        steps_name: str = "steps_per_epoch",
        *,
        shuffle: bool | str = False,
        seed: int | None = None,
        draw: Callable[[], int] = fresh_seed,
        first_epoch: int | None = 0,
    ) -> None:
        check_shuffle(shuffle)
        self._order = _SeededOrder(seed)
        given = Source(source, steps_name, self._order if shuffle else None)
        if given.once and steps is None:
            raise ValueError(
                f"a {type(source).__name__} is gone through only once, and may go on for ever: say with {steps_name} "
                f"how many batches to take in an epoch, or pass what each epoch can begin anew, such as a list."
            )
        length = given.length()
        if steps is not None and length is not None and steps > length > 0:
            warn(f"{steps_name}={steps}, and the data have {length} batches: an epoch has {length}.")
        self.steps = length if steps is None else steps if length is None else min(steps, length)
        self.epochs, self.beside_hooks = 1, False
        self._kind = "generator" if given.once else "indexed" if given.indexed else "iterable"
        self._reads_ahead = given.plain
        self._shuffle, self._given_seed = bool(shuffle) and given.indexed, seed
        if self._shuffle and seed is None:
            self._order.seed = draw()
        self._epoch, self._began_at, self.gave_an_epoch = 0, 0, False
        self._restored: StreamState | None = None
        self._shared: SharedReading | None = None
        self._memory = Memory()
        self._cursor = DataCursor(self._read, background=True)
        self._reader = Reader(given, steps, prepare_batch, first_epoch, self._cursor.wait_until_needed)

    def beside(self, training: object) -> bool:
        """Note which data are trained on between evaluations of these; return whether both read the same source.

        Raises:
            ValueError: If both would share an iterator's progress.
        """
        return isinstance(training, StreamData) and self._reader.share(training._reader)

    def share(self, exchange: Exchange, processes: int) -> None:
        """Let the source be this process's part of every batch; called before the first `begin`.

        Args:
            exchange: Gives all processes the texts of all.
            processes: How many there are.
        """
        self._shared = SharedReading(exchange, processes, lambda: self._cursor.is_closed)

    def peek(self) -> Batch:
        """Return the first batch, `(x, y, sample_weight)`, which is given back: it is used later, or read again.

        Raises:
            ValueError: If there is none.
        """
        return self._reader.peek()

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch."""
        self._epoch, self._began_at = epoch, batch
        self._cursor.begin(epoch, batch)

    def prepare(self, epoch: int) -> None:
        """Do nothing: the thread gets ready by itself."""

    def next_size(self) -> int:
        """Return the number of samples in the next batch; 0 at the epoch's end.

        Raises:
            ValueError: If the source gave nothing, or is gone through only once and ended before `steps`.
            Exception: What it raised, with a note that says for which batch.
        """
        size = self._cursor.next_size()
        self._reader.warnings.show()
        return size

    def span(self, limit: int) -> Span:
        """Return the next batches of one shape."""
        return self._cursor.span(limit)

    def advance(self, batches: int) -> None:
        """Go on by so many batches."""
        self._cursor.advance(batches)

    def go_back(self, batches: int) -> None:
        """Go back by so many batches of the epoch."""
        self._cursor.go_back(batches)

    def keep_one_more(self) -> None:
        """Keep the chunk before the one that is worked on, so that `go_back` reaches into it."""
        self._cursor.keeps_one_more = True

    def end_epoch(self) -> None:
        """Tell the source that all batches of the epoch were used."""
        self.gave_an_epoch |= self._began_at == 0
        self._reader.end_epoch(self._epoch, self._cursor.batch)

    @property
    def waited(self) -> float:
        """Seconds for which batches were waited for."""
        return self._cursor.waited

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """End the reading, and leave the iterator alone."""
        return self._cursor.close(seconds)

    # What the thread does

    def _read(self, epoch: int, batch: int) -> Iterator[ReadItem]:
        """Yield the chunks of an epoch from a batch on, then its end; of a list, the epochs after it follow."""
        last = self.epochs - 1 if self._reads_ahead else epoch
        for number in range(epoch, max(last, epoch) + 1):
            saved, self._restored = self._restored, None
            self._reader.beside_hooks = self.beside_hooks
            self._reader.enter(number, batch, saved, in_step=saved is not None and saved["in_step"])
            # Whoever draws from the same generators must do so in turn
            self._cursor.in_step = self.beside_hooks and self._reader.draws
            chunks = self._chunks(number, batch)
            yield from chunks if self._shared is None else self._shared.chunks(chunks)
            batch = 0

    def _chunks(self, epoch: int, first: int) -> Iterator[ReadItem]:
        """Yield the batches of an epoch in chunks of one shape, then its end; all that were read before an error."""
        reader = self._reader
        batches, filling, started = reader.batches(epoch, first), None, time.perf_counter()
        try:
            for batch, state in batches:
                if filling is not None and filling.shapes != _shapes(batch):
                    yield filling.read(epoch, state)
                    filling, started = None, time.perf_counter()
                if filling is None:
                    filling = _Filling(
                        batch, first, UNKNOWN_BATCHES if self.steps is None else self.steps, self._memory
                    )
                filling.add(batch, state)
                first += 1
                whole = filling.is_full or reader.is_complete or self._cursor.in_step
                if whole or time.perf_counter() - started >= CHUNK_SECONDS:
                    yield filling.read(epoch, reader.own_state())
                    filling, started = None, time.perf_counter()
        except Exception:
            if filling is not None:
                yield filling.read(epoch, reader.before)
            raise
        if filling is not None:
            yield filling.read(epoch, reader.before)
        yield EpochEnd(epoch, first, reader.own_state())

    # Saving

    def state_dict(self) -> StreamState:
        """Return where in the source the next batch is, and what brings another source there."""
        if self._restored is not None:
            return self._restored
        cursor = self._cursor
        state = self._reader.state_dict(self._epoch, cursor.batch)
        if cursor.item is not None:
            state["iterator"] = cursor.item.state_before(cursor.batch)
        return {**state, "seed": self._order.seed, "in_step": cursor.in_step}

    def load_state_dict(self, state: StreamState) -> None:
        """Go on, with the next `begin`, where `state_dict` returned this."""
        self._restored, self._order.seed = state, state["seed"]

    def identity(self) -> dict[str, object]:
        """Return the settings that a saved run must have too."""
        order = {"shuffle": True, "seed": self._given_seed} if self._shuffle else {}
        return {"steps": self.steps, "data": self._kind, **order}


@dataclass
class _SeededOrder:
    """The order of batches by index in an epoch; an object of its own, so that a source doesn't hold the data."""

    seed: int | None

    def __call__(self, epoch: int, batches: int) -> np.ndarray:
        if self.seed is None:
            raise RuntimeError("batches that aren't shuffled have no order of their own.")
        return epoch_order(self.seed, epoch, batches)


class _Filling:
    """A chunk to which batches like the first one are added."""

    def __init__(self, like: Batch, first: int, most: int, memory: Memory) -> None:
        self.shapes = _shapes(like)
        self._first, self._size = first, len(leaves(like)[0])
        self._capacity = batches_per_chunk(like, self._size, most)
        self._buffer = Buffer(like, self._size, self._capacity, memory)
        self._rows = leaves(self._buffer.arrays)
        self._states: list[object] = []

    @property
    def is_full(self) -> bool:
        return len(self._states) == self._capacity

    def add(self, batch: Batch, state: object) -> None:
        start = len(self._states) * self._size
        for array, rows in zip(leaves(batch), self._rows, strict=True):
            rows[start : start + self._size] = array
        self._states.append(state)

    def read(self, epoch: int, state: object) -> ReadChunk:
        """Return what was added, with the source's own state after it."""
        return ReadChunk(epoch, self._first, self._buffer.chunk(len(self._states)), [*self._states, state])


def _shapes(batch: Batch) -> object:
    """Return the shape and dtype of each array of a nest, in the same nest."""
    return map_arrays(lambda array: (array.shape, array.dtype), batch)
