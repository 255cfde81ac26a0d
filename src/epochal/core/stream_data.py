"""Iterables and generators of batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from .chunks import Buffer, capacity, leaves, map_arrays
from .memory import Memory
from .prefetch import Piece
from .printing import say
from .protocols import Span
from .window import CLOSE_SECONDS, Window

CHUNK_SECONDS = 0.1
"""A slow iterable is read for about this long before the batches that came are used."""

UNKNOWN_BATCHES = 256
"""The most batches in a chunk where nobody says how many there are in an epoch."""


class StreamData:
    """Batches from an iterable, which is read by a thread.

    Args:
        source: A re-iterable gives every epoch from its start; an iterator or generator goes on through
            all epochs and needs `steps`.
        steps: Batches an epoch; None means until the iterable ends.
        prepare_batch: Makes `(x, y, sample_weight)` of what came, or raises if it can't.
        steps_name: What errors call `steps`.

    Attributes:
        epochs: How many there will be. Only a list or tuple is read ahead into the next epoch: of an iterator an
            epoch may be the last one, and another iterable may be changed by callbacks between epochs.

    Raises:
        ValueError: If an iterator comes without `steps`.
        TypeError: If the source isn't iterable.
    """

    samples = None

    def __init__(
        self,
        source: Iterable[Any],
        steps: int | None,
        prepare_batch: Callable[[Any], Any],
        steps_name: str = "steps_per_epoch",
    ) -> None:
        if not hasattr(source, "__iter__"):
            raise TypeError(f"data must be arrays or an iterable of batches; got {type(source).__name__}.")
        self._once = isinstance(source, Iterator)
        if self._once and steps is None:
            raise ValueError(f"a generator may go on for ever: say with {steps_name} how many batches to take.")
        self.steps = steps if steps is not None else _length(source)
        self.epochs = 1
        self._expected = steps
        self._source, self._prepare = source, prepare_batch
        self._iterator: Iterator[Any] = cast("Iterator[Any]", source) if self._once else iter(())
        self._head: Any = None  # what `peek` read: the first batch, and the iterator's state before it
        self._before: Any = None  # the iterator's state before what was read last
        self._used = 0  # of all epochs
        self._restored: Mapping[str, Any] | None = None
        # A source with `set_epoch`, as Hugging Face's, begins every later epoch too at a state that it was given
        self._stays = not self._once and hasattr(source, "set_epoch")
        self._fresh = _get_state(source) if self._stays else None
        self._memory = Memory()
        self._window = Window(self._read, background=True)

    def peek(self) -> Any:
        """Return the first batch, `(x, y, sample_weight)`, which is not used by this.

        Raises:
            ValueError: If there is none.
        """
        if self._head is None:
            self._iterator = iter(self._source)
            self._head = next(self._batches(0, 0))
        return self._head[0]

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch."""
        self._window.begin(epoch, batch)

    def prepare(self, epoch: int) -> None:
        """Do nothing: a thread reads."""

    def next_size(self) -> int:
        """Return the number of samples in the next batch; 0 at the epoch's end.

        Raises:
            ValueError: If the iterable ended before `steps`, or gave nothing at all.
            Exception: What it raised, with a note that says for which batch.
        """
        return self._window.next_size()

    def span(self, limit: int) -> Span:
        """Return the next batches of one shape."""
        return self._window.span(limit)

    def advance(self, batches: int) -> None:
        """Go on by so many batches."""
        self._window.advance(batches)
        self._used += batches

    @property
    def waited(self) -> float:
        """Seconds for which batches were waited for."""
        return self._window.waited

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """End the reading, and leave the iterator alone."""
        return self._window.close(seconds)

    # What the thread does

    def _read(self, epoch: int, batch: int) -> Iterator[Piece]:
        """Yield the chunks of an epoch from a batch on, then its end; of a list, also those of the epochs after it."""
        last = self.epochs - 1 if isinstance(self._source, Sequence) else epoch
        for number in range(epoch, max(last, epoch) + 1):
            self._go_to(batch)
            yield from self._chunks(number, batch)
            batch = 0

    def _go_to(self, batch: int) -> None:
        """Bring the iterator to a batch of an epoch; restored data that can't say where they were are skipped."""
        restored, self._restored = self._restored, None
        if not self._once and (restored is not None or self._head is None):
            if self._stays and (restore := _restoring(self._source)) is not None:
                restore(self._fresh)
            self._iterator, self._head = iter(self._source), None
        if restored is None:
            return
        used = self._used if self._once else batch
        if (state := restored["iterator"]) is not None:
            self._head = None
            self._restore_iterator(state, begins=not self._once and used == 0)
        elif used:
            say(f"The data keep no state of their own: skipping the {used} batches that were used before.")
            for _ in range(used - (self._head is not None)):
                next(self._iterator, None)
            self._head = None

    def _restore_iterator(self, state: Any, begins: bool) -> None:
        """Give a state back to the iterator or the source; a fresh iterator `begins` an epoch as it is."""
        if (restore := _restoring(self._iterator)) is not None:
            if not begins:
                restore(state)
        elif (restore := _restoring(self._source)) is not None:
            if not (begins and self._stays):
                restore(state)
                self._iterator = iter(self._source)  # again: it may have looked at the source's old state
        else:
            raise ValueError(
                "the data's saved state can't be restored: they have neither load_state_dict nor set_state."
            )

    def _chunks(self, epoch: int, first: int) -> Iterator[Piece]:
        """Yield the batches of an epoch in chunks of one shape, then its end; all that were read before an error."""
        batches, filling, started = self._batches(epoch, first), None, time.perf_counter()
        try:
            for batch, state in batches:
                if filling is not None and filling.shapes != _shapes(batch):
                    yield filling.piece(epoch, state)
                    filling, started = None, time.perf_counter()
                if filling is None:
                    filling = _Filling(
                        batch, first, UNKNOWN_BATCHES if self.steps is None else self.steps, self._memory
                    )
                filling.add(batch, state)
                first += 1
                if filling.is_full or time.perf_counter() - started >= CHUNK_SECONDS:
                    yield filling.piece(epoch, self._state())
                    filling, started = None, time.perf_counter()
        except Exception:
            if filling is not None:
                yield filling.piece(epoch, self._before)
            raise
        if filling is not None:
            yield filling.piece(epoch, self._before)
        yield Piece(epoch, first, None, [self._state()])

    def _batches(self, epoch: int, number: int) -> Iterator[tuple[Any, Any]]:
        """Yield the batches of an epoch from one on, each with the iterator's own state before it."""
        while number != self._expected:
            head, self._head = self._head, None
            if head is None and (head := self._pull(epoch, number)) is None:
                break
            yield head
            number += 1
        else:
            self._before = self._state()
            return
        if self._expected is not None or number == 0:
            raise ValueError(
                f"the data ended after {number} batches of epoch {epoch + 1}; "
                f"{'at least one was' if self._expected is None else f'{self._expected} were'} expected."
            )

    def _pull(self, epoch: int, number: int) -> tuple[Any, Any] | None:
        try:
            self._before = self._state()
            item = next(self._iterator, _END)
            return None if item is _END else (self._prepare(item), self._before)
        except Exception as error:
            error.add_note(f"This was raised for batch {number + 1} of epoch {epoch + 1} of the data, counted from 1.")
            raise

    def _state(self) -> Any:
        return _get_state(self._iterator, self._source)

    # Saving

    def state_dict(self) -> dict[str, Any]:
        """Return how many batches were used, and the iterator's own state before the next one, if it has any."""
        if self._restored is not None:
            return dict(self._restored)
        if (piece := self._window.piece) is not None:
            state = piece.states[self._window.batch - piece.first if piece.chunk is not None else 0]
        else:
            state = self._head[1] if self._head is not None else self._state()
        return {"used": self._used, "iterator": state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned; the reading that `begin` begins goes there."""
        self._restored = state
        self._used = int(state["used"])

    def identity(self) -> dict[str, Any]:
        """Describe what a saved run must fit."""
        return {"steps": self.steps, "data": "generator" if self._once else "iterable"}


class _Filling:
    """A chunk to which batches like the first one are added."""

    def __init__(self, like: Any, first: int, most: int, memory: Memory) -> None:
        self.shapes = _shapes(like)
        self._first, self._size = first, len(leaves(like)[0])
        self._room = capacity(like, self._size, most)
        self._buffer = Buffer(like, self._size, self._room, memory)
        self._rows = leaves(self._buffer.arrays)
        self._states: list[Any] = []

    @property
    def is_full(self) -> bool:
        return len(self._states) == self._room

    def add(self, batch: Any, state: Any) -> None:
        start = len(self._states) * self._size
        for array, rows in zip(leaves(batch), self._rows, strict=True):
            rows[start : start + self._size] = array
        self._states.append(state)

    def piece(self, epoch: int, state: Any) -> Piece:
        """Return what was added, with the iterator's state after it."""
        return Piece(epoch, self._first, self._buffer.chunk(len(self._states)), [*self._states, state])


_END = object()


def _length(source: Any) -> int | None:
    try:
        return len(source)
    except (TypeError, NotImplementedError):
        return None


def _shapes(batch: Any) -> Any:
    """Return the shape and dtype of each array of a nest, in the same nest."""
    return map_arrays(lambda array: (array.shape, array.dtype), batch)


def _get_state(*sources: Any) -> Any:
    for source in sources:
        for name in ("state_dict", "get_state"):
            if callable(get := getattr(source, name, None)):
                return get()
    return None


def _restoring(owner: Any) -> Callable[[Any], None] | None:
    methods = (getattr(owner, name, None) for name in ("load_state_dict", "set_state"))
    return next((cast("Callable[[Any], None]", method) for method in methods if callable(method)), None)
