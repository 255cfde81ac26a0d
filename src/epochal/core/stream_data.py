"""Iterables and generators of batches, read a chunk ahead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from .chunks import Window, capacity, leaves, stacked
from .protocols import Chunk, Span

CHUNK_SECONDS = 0.1
"""A slow iterable is read for about this long before the batches that came are used."""


class StreamData:
    """Batches from an iterable.

    Args:
        source: A re-iterable gives every epoch from its start; an iterator or generator goes on through
            all epochs and needs `steps`.
        steps: Batches an epoch; None means until the iterable ends.
        prepare_batch: Makes `(x, y, sample_weight)` of what came, or raises if it can't.

    Raises:
        ValueError: If an iterator comes without `steps`.
        TypeError: If the source isn't iterable.
    """

    samples = None

    def __init__(self, source: Iterable[Any], steps: int | None, prepare_batch: Callable[[Any], Any]) -> None:
        if not hasattr(source, "__iter__"):
            raise TypeError(f"data must be arrays or an iterable of batches; got {type(source).__name__}.")
        self._once = isinstance(source, Iterator)
        if self._once and steps is None:
            raise ValueError("a generator may go on for ever: say with steps_per_epoch how many batches make an epoch.")
        self.steps = steps if steps is not None else _length(source)
        self._expected = steps
        self._source, self._prepare = source, prepare_batch
        self._iterator: Iterator[Any] = iter(source)
        self._epoch = self._batch = self._read = 0  # of the epoch: the next to be used, and the next to be read
        self._used = 0  # of all epochs
        self._head: Any = None  # a batch that is read and in no chunk yet
        self._failure: BaseException | None = None  # what reading ahead raised; kept until it is due
        self._window = Window()
        self._states: dict[int, Any] = {}  # the iterator's state before each batch that isn't used yet
        self._peeked = False  # whether the head was read by `peek`
        self._restored: Mapping[str, Any] | None = None

    def peek(self) -> Any:
        """Return the first batch, `(x, y, sample_weight)`, which is not used by this.

        Raises:
            ValueError: If there is none.
        """
        self.next_size()
        self._peeked = True
        return self._head

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch; restored data that can't say where they were are skipped up to there."""
        restored, self._restored = self._restored, None
        ahead, self._peeked = self._peeked, False
        self._epoch, self._batch, self._failure = epoch, batch, None
        self._window.close()
        if not self._once and (restored is not None or not ahead):
            self._iterator, ahead = iter(self._source), False
        if restored is not None:
            ahead = self._go_back(restored, self._used if self._once else batch, ahead)
        if not ahead:
            self._head = None
            self._states.clear()
        self._read = batch + ahead

    def _go_back(self, restored: Mapping[str, Any], used: int, ahead: bool) -> bool:
        """Bring the iterator to where it was after `used` batches; return whether the head is still the next batch."""
        if (state := restored["iterator"]) is not None:
            self._restore_iterator(state, begins=not self._once and used == 0)
        elif used:
            print(f"The data keep no state of their own: skipping the {used} batches that were used before.")
            for _ in range(used - ahead):
                next(self._iterator, None)
        return ahead and state is None and not used

    def _restore_iterator(self, state: Any, begins: bool) -> None:
        """Give a state back to the iterator or the source; a fresh iterator `begins` an epoch as it is."""
        if (restore := _restoring(self._iterator)) is not None:
            if not begins:
                restore(state)
        elif (restore := _restoring(self._source)) is not None:
            restore(state)
            self._iterator = iter(self._source)  # again: it may have looked at the source's old state
        else:
            raise ValueError(
                "the data's saved state can't be restored: they have neither load_state_dict nor set_state."
            )

    def prepare(self, epoch: int) -> None:
        """Do nothing: the next epoch's batches are read when it begins."""

    def next_size(self) -> int:
        """Return the number of samples in the next batch; 0 at the epoch's end.

        Raises:
            ValueError: If the iterable ended before `steps`, or gave nothing at all.
        """
        if self._expected is not None and self._batch >= self._expected:
            return 0
        if (chunk := self._window.chunk_of(self._batch)) is not None:
            return chunk.size
        if self._head is None:
            self._head = self._pull()
        if self._head is not None:
            return _size(self._head)
        if self._expected is not None or self._batch == 0:
            raise ValueError(
                f"the data ended after {self._batch} batches of epoch {self._epoch}; "
                f"{'at least one was' if self._expected is None else f'{self._expected} were'} expected."
            )
        return 0

    def span(self, limit: int) -> Span:
        """Return the next batches of one shape."""
        return self._window.span(self._batch, limit, self._next_chunk)

    def advance(self, batches: int) -> None:
        """Go on by so many batches."""
        for _ in range(batches):
            self._states.pop(self._batch, None)
            self._batch += 1
        self._used += batches

    def _next_chunk(self) -> Chunk:
        self.next_size()  # so that there is a head
        batches, self._head = [self._head], None
        size, shapes = _size(batches[0]), _shapes(batches[0])
        room = capacity(batches[0], size, 256 if self.steps is None else self.steps)
        until = time.perf_counter() + CHUNK_SECONDS
        while len(batches) < room and not self._all_read() and time.perf_counter() < until:
            batch = self._pull(ahead=True)
            if batch is None or _shapes(batch) != shapes:
                self._head = batch
                break
            batches.append(batch)
        return stacked(batches, size, room)

    def _all_read(self) -> bool:
        return self._expected is not None and self._read >= self._expected

    def _pull(self, ahead: bool = False) -> Any:
        """Read one batch; None at the end. What reading ahead raises is kept until the batches before it are used."""
        try:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if (state := _get_state(self._iterator, self._source)) is not None:
                self._states[self._read] = state
            item = next(self._iterator, _END)
            batch = None if item is _END else self._prepare(item)
        except Exception as error:
            if ahead:
                self._failure = error
                return None
            error.add_note(f"This was raised for batch {self._read} of epoch {self._epoch} of the data.")
            raise
        self._read += batch is not None
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return how many batches were used, and the iterator's own state before the next one, if it has any."""
        state = self._states.get(self._batch)
        if state is None and self._batch == self._read:
            state = _get_state(self._iterator, self._source)
        return {"used": self._used, "iterator": state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned; `begin` goes there."""
        self._restored = state
        self._used = int(state["used"])

    def identity(self) -> dict[str, Any]:
        """Describe what a saved run must fit."""
        return {"steps": self.steps, "data": "generator" if self._once else "iterable"}


_END = object()


def _length(source: Any) -> int | None:
    try:
        return len(source)
    except (TypeError, NotImplementedError):
        return None


def _size(batch: Any) -> int:
    return len(leaves(batch)[0])


def _shapes(batch: Any) -> list[Any]:
    return [(array.shape, array.dtype) for array in leaves(batch)]


def _get_state(*sources: Any) -> Any:
    for source in sources:
        for name in ("state_dict", "get_state"):
            if callable(get := getattr(source, name, None)):
                return get()
    return None


def _restoring(owner: Any) -> Callable[[Any], None] | None:
    methods = (getattr(owner, name, None) for name in ("load_state_dict", "set_state"))
    return next((cast("Callable[[Any], None]", method) for method in methods if callable(method)), None)
