"""Arrays, iterables and generators become batches, in an order fixed by (seed, epoch)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from .protocols import Chunk, Held, Span
from .seeds import fresh_seed

CHUNK_BYTES = 1 << 25
"""Batches that must be copied to the device are copied about this many bytes at a time."""

CHUNK_SECONDS = 0.1
"""A slow iterable is read for about this long before the batches that came are used."""


def map_arrays(function: Callable[[Any], Any], nest: Any) -> Any:
    """Apply `function` to every array in a nest of lists, tuples and dicts; None stays None."""
    if nest is None:
        return None
    if isinstance(nest, Mapping):
        return {name: map_arrays(function, value) for name, value in cast("Mapping[str, Any]", nest).items()}
    if isinstance(nest, (list, tuple)):
        return tuple(map_arrays(function, value) for value in cast("Sequence[Any]", nest))
    return function(nest)


def leaves(nest: Any) -> list[np.ndarray]:
    """Return the arrays in a nest, in order."""
    found: list[np.ndarray] = []
    map_arrays(found.append, nest)
    return found


def epoch_order(seed: int, epoch: int, samples: int) -> np.ndarray:
    """Return the order of the samples in an epoch: a pure function of its arguments; int32, `(samples,)`."""
    order = np.arange(samples, dtype=np.int32)
    np.random.default_rng((seed, epoch)).shuffle(order)
    return order


def as_array(value: Any, what: str) -> np.ndarray:
    """Return a NumPy array of numbers, without a copy where there is none needed.

    Raises:
        ValueError: If it isn't numeric (strings, objects, rows of different lengths), or has no rows.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{what} can't be made an array: {error}") from None
    if array.dtype.kind not in "biufc" and array.dtype.name not in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        raise ValueError(
            f"{what} must hold numbers; got dtype {array.dtype}. Convert it, e.g. with .astype('float32')."
        )
    if array.ndim == 0:
        raise ValueError(f"{what} must be an array of samples; got the single value {array!r}.")
    return array


class ArrayData:
    """Samples in arrays.

    Args:
        x: An array, or a nest of arrays, samples first.
        y: Targets alike, or None.
        sample_weight: One weight a sample, or None; shape `(samples,)`.
        batch_size: Samples a batch; the last batch of an epoch may be smaller.
        shuffle: True: another order each epoch. "batch": the batches' order only. False: as they lie.
        seed: With the epoch, decides the order; a fresh one is drawn if None.
        steps: Batches an epoch, if not all.
        resident: Whether the engine can hold all of it; if not, it is copied piece by piece.

    Raises:
        ValueError: If there are no samples, the lengths differ, `steps` is more than there is, or `shuffle` is
            something else.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        batch_size: int = 32,
        shuffle: bool | str = False,
        seed: int | None = None,
        steps: int | None = None,
        resident: bool = True,
    ) -> None:
        self.rows = Held((x, y, sample_weight))
        lengths = {len(array) for array in leaves(self.rows.arrays)}
        if len(lengths) != 1:
            shapes = ", ".join(str(array.shape) for array in leaves(self.rows.arrays))
            raise ValueError(f"x, y and sample_weight must have one length; got arrays of shapes {shapes}.")
        self.samples = lengths.pop()
        if self.samples == 0:
            raise ValueError("there are no samples: x is empty.")
        if shuffle not in (True, False, "batch"):
            raise ValueError(f"shuffle must be True, False or 'batch'; got {shuffle!r}.")
        self.batch_size, self.shuffle = batch_size, shuffle
        self._given_seed = seed
        self.seed = fresh_seed() if seed is None else seed
        available = -(-self.samples // batch_size)
        if steps is not None and steps > available:
            raise ValueError(
                f"{steps} steps an epoch were asked for; {self.samples} samples make {available} batches of {batch_size}."
            )
        self.steps = available if steps is None else steps
        self._resident = resident
        self._batch = 0
        self._orders: dict[int, Held | None] = {}
        self._order: Held | None = None
        self._chunk: tuple[int, Chunk] | None = None  # with the index of its first batch

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch."""
        self.prepare(epoch)
        self._order = self._orders.pop(epoch)
        self._batch, self._chunk = batch, None

    def prepare(self, epoch: int) -> None:
        """Compute an epoch's order."""
        if epoch not in self._orders:
            self._orders = {epoch: self._make_order(epoch)}

    def _make_order(self, epoch: int) -> Held | None:
        if not self.shuffle:
            return None
        if self.shuffle != "batch":
            return Held(epoch_order(self.seed, epoch, self.samples))
        whole = self.samples // self.batch_size
        starts = epoch_order(self.seed, epoch, whole) * self.batch_size
        rows = (starts[:, None] + np.arange(self.batch_size, dtype=np.int32)).ravel()
        return Held(np.concatenate([rows, np.arange(whole * self.batch_size, self.samples, dtype=np.int32)]))

    def next_size(self) -> int:
        """Return the number of samples in the next batch; 0 at the epoch's end."""
        if self._batch >= self.steps:
            return 0
        return min(self.batch_size, self.samples - self._batch * self.batch_size)

    def span(self, limit: int) -> Span:
        """Return the next batches of one size."""
        first, chunk = self._chunk or (0, None)
        if chunk is None or self._batch >= first + chunk.count:
            first, chunk = self._chunk = self._batch, self._next_chunk()
        at = self._batch - first
        return Span(chunk, at, min(limit, chunk.count - at))

    def advance(self, batches: int) -> None:
        """Go on by so many batches."""
        self._batch += batches

    def _next_chunk(self) -> Chunk:
        size, start = self.next_size(), self._batch * self.batch_size
        whole = min(self.steps, self.samples // self.batch_size)
        count = whole - self._batch if size == self.batch_size else 1
        if self._resident:
            return Chunk(self.rows, self._order, start, size, count, whole if size == self.batch_size else 1)
        room = capacity(self.rows.arrays, size, whole if size == self.batch_size else 1)
        count = min(count, room)
        stop = start + count * size
        rows = slice(start, stop) if self._order is None else self._order.arrays[start:stop]
        return stacked([map_arrays(lambda array: array[rows], self.rows.arrays)], size, room)

    def state_dict(self) -> dict[str, Any]:
        """Return the seed, from which the order follows."""
        return {"seed": self.seed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on in the order of a saved run."""
        self.seed = state["seed"]
        self._orders.clear()

    def identity(self) -> dict[str, Any]:
        """Describe what a saved run must fit."""
        return {
            "samples": self.samples,
            "batch_size": self.batch_size,
            "steps": self.steps,
            "shuffle": self.shuffle,
            "seed": self._given_seed if self.shuffle else None,
        }


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
        self._chunk: tuple[int, Chunk] | None = None  # with the index of its first batch
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
        self._epoch, self._batch, self._chunk, self._failure = epoch, batch, None, None
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
            raise ValueError("the data's saved state can't be restored: they have neither load_state_dict nor set_state.")

    def prepare(self, epoch: int) -> None:
        """Do nothing: the next epoch's batches are read when it begins."""

    def next_size(self) -> int:
        """Return the number of samples in the next batch; 0 at the epoch's end.

        Raises:
            ValueError: If the iterable ended before `steps`, or gave nothing at all.
        """
        if self._expected is not None and self._batch >= self._expected:
            return 0
        if self._chunk is not None and self._batch < self._chunk[0] + self._chunk[1].count:
            return self._chunk[1].size
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
        first, chunk = self._chunk or (0, None)
        if chunk is None or self._batch >= first + chunk.count:
            first, chunk = self._chunk = self._batch, self._next_chunk()
        at = self._batch - first
        return Span(chunk, at, min(limit, chunk.count - at))

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


def capacity(batch: Any, size: int, most: int) -> int:
    """Return how many batches like this one, of `size` samples, make a chunk."""
    row_bytes = sum(array.nbytes // max(1, len(array)) for array in leaves(batch))
    return max(1, min(CHUNK_BYTES // max(1, row_bytes * size), most))


def stacked(batches: Sequence[Any], size: int, room: int) -> Chunk:
    """Return a chunk of these batches, with room for more, so that chunks of all lengths have one shape."""
    count = sum(len(leaves(batch)[0]) for batch in batches) // size

    def stack(parts: list[np.ndarray]) -> np.ndarray:
        whole = np.empty((room * size, *parts[0].shape[1:]), parts[0].dtype)
        np.concatenate(parts, out=whole[: count * size])
        whole[count * size :] = 0
        return whole

    columns = iter([stack(list(parts)) for parts in zip(*map(leaves, batches), strict=True)])
    return Chunk(Held(map_arrays(lambda _: next(columns), batches[0])), None, 0, size, count, room)


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
    return next((method for method in methods if callable(method)), None)
