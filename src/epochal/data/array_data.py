"""Samples in arrays become batches, in an order fixed by the seed and the epoch in which a pass over them begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypedDict

import numpy as np

from ..messages.printing import warn
from .batches import BATCH_SIZE, Chunk, EpochEnd, HostArrays, ReadChunk, ReadItem, Span
from .chunks import Buffer, batches_per_chunk, copy_rows
from .cursor import CLOSE_SECONDS, DataCursor
from .digest import digest_of
from .memory import Memory
from .nests import Batch, Nest, leaves, named_leaves
from .seeds import fresh_seed


def epoch_order(seed: int, epoch: int, samples: int) -> np.ndarray:
    """Return the order of the samples in an epoch: a pure function of its arguments; int32, `(samples,)`."""
    order = np.arange(samples, dtype=np.int32)
    np.random.default_rng((seed, epoch)).shuffle(order)
    return order


def check_shuffle(shuffle: object) -> None:
    """Raise a ValueError if `shuffle` isn't True, False or "batch"."""
    if shuffle not in (True, False, "batch"):
        raise ValueError(f"shuffle must be True, False or 'batch'; got {shuffle!r}.")


def _common_length(arrays: list[np.ndarray]) -> int:
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"x, y and sample_weight must have one length; got arrays of shapes {shapes}.")
    if lengths == {0}:
        raise ValueError("there are no samples: x is empty.")
    return lengths.pop()


class OrderState(TypedDict):
    """The seed and the epoch in which the run began, from which the order of samples in arrays follows."""

    seed: int
    first_epoch: int | None


class ArrayData:
    """Batches of samples in arrays.

    Args:
        x: An array, or a nest of arrays, samples first.
        y: The targets, an array or nest of the same length, or None.
        sample_weight: One weight a sample, or None; shape `(samples,)`.
        batch_size: Samples a batch; the last batch of an epoch may be smaller.
        shuffle: True: another order each epoch. "batch": another order of the batches only. False: as they lie.
        seed: Decides the order, with the epoch; drawn if None.
        draw: Draws it.
        steps: Batches an epoch, if not all: the next epoch goes on where the one before stopped, until all samples
            were used. The epoch that meets their end is shorter, with a warning, and the next one begins anew, in
            another order.
        resident: Whether the engine can hold all of it; if not, it is copied chunk by chunk.

    Raises:
        ValueError: If there are no samples, the lengths differ, or `shuffle` is none of the three.

    Attributes:
        epochs: The number of the last epoch, counted from 1; nothing is read ahead beyond.
        steps: Batches an epoch; no more than there are, with a warning if more were asked for.
    """

    def __init__(
        self,
        x: Nest,
        y: Nest = None,
        sample_weight: Nest = None,
        *,
        batch_size: int = BATCH_SIZE,
        shuffle: bool | str = False,
        seed: int | None = None,
        draw: Callable[[], int] = fresh_seed,
        steps: int | None = None,
        resident: bool = True,
    ) -> None:
        check_shuffle(shuffle)
        self.rows: HostArrays[Batch] = HostArrays((x, y, sample_weight))
        self.samples = _common_length(leaves(self.rows.arrays))
        self.batch_size, self.shuffle = batch_size, shuffle
        self._given_seed = seed
        self.seed = draw() if seed is None else seed
        available = -(-self.samples // batch_size)
        if steps is not None and steps > available:
            warn(
                f"{steps} steps an epoch were asked for, and {self.samples} samples make {available} "
                f"batches of {batch_size}: an epoch has {available}."
            )
        self.steps = min(available, steps or available)
        self.epochs, self.beside_hooks = 1, False
        self._available, self._whole = available, self.samples // batch_size
        self._first_epoch: int | None = None  # in which the run began
        self._warned = False
        self._resident = resident
        self._memory = Memory()  # of copies
        self._orders: dict[int, HostArrays[np.ndarray] | None] = {}  # of this pass and the next, by first epoch
        self._cursor = DataCursor(self._read, background=not resident)

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch."""
        if self._first_epoch is None:
            self._first_epoch = epoch
        first = self._place(epoch)[1]
        if first + self.steps > self._available and not self._warned:
            self._warned = True
            warn(
                f"{self.steps} steps an epoch don't divide the {self._available} batches that {self.samples} samples "
                f"make: the epoch that meets the end of the samples has {self._available - first} batches."
            )
        self._cursor.begin(epoch, batch)

    def end_epoch(self) -> None:
        """Do nothing."""

    def prepare(self, epoch: int) -> None:
        """Compute the order of an epoch, counted from 0, if it is to come, and unless a thread does it anyway."""
        if self._resident and epoch < self.epochs:
            self._order(self._place(epoch)[0])

    def _place(self, epoch: int) -> tuple[int, int]:
        """Return the epoch in which an epoch's pass began, and the batch of the pass with which the epoch begins."""
        epochs = -(-self._available // self.steps)  # in a pass
        since = (epoch - (self._first_epoch or 0)) % epochs
        return epoch - since, since * self.steps

    def _order(self, begins: int) -> HostArrays[np.ndarray] | None:
        """Return the order of the pass that begins in an epoch; None if it is as they lie."""
        if begins not in self._orders:
            kept = {at: order for at, order in self._orders.items() if at == max(self._orders)}
            self._orders = kept | {begins: self._make_order(begins)}
        return self._orders[begins]

    def _make_order(self, epoch: int) -> HostArrays[np.ndarray] | None:
        if not self.shuffle:
            return None
        if self.shuffle != "batch":
            return HostArrays(epoch_order(self.seed, epoch, self.samples))
        starts = epoch_order(self.seed, epoch, self._whole) * self.batch_size
        rows = (starts[:, None] + np.arange(self.batch_size, dtype=np.int32)).ravel()
        return HostArrays(
            np.concatenate([rows, np.arange(self._whole * self.batch_size, self.samples, dtype=np.int32)])
        )

    def next_size(self) -> int:
        """Return the number of samples in the next batch; 0 at the epoch's end."""
        return self._cursor.next_size()

    def span(self, limit: int) -> Span:
        """Return the next batches of one size."""
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

    @property
    def waited(self) -> float:
        """Seconds for which chunks that had to be copied were waited for."""
        return self._cursor.waited

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """End the copying."""
        return self._cursor.close(seconds)

    def _read(self, epoch: int, batch: int) -> Iterator[ReadItem]:
        """Yield the chunks from a batch on, to the end of the last epoch."""
        for number in range(epoch, max(self.epochs, epoch + 1)):
            begins, first = self._place(number)
            order = self._order(begins)
            while batch < min(self.steps, self._available - first):
                chunk = self._chunk(order, first + batch, first + self.steps)
                yield ReadChunk(number, batch, chunk)
                batch += chunk.count
            yield EpochEnd(number, batch)
            batch = 0

    def _chunk(self, order: HostArrays[np.ndarray] | None, batch: int, end: int) -> Chunk:
        """Return the next batches of one size.

        Args:
            order: The order of the samples in the pass.
            batch: The first batch, counted from the beginning of the pass.
            end: The batch of the pass at which they must end.
        """
        start, most = batch * self.batch_size, min(self.steps, self._whole)
        size, most = (self.batch_size, most) if batch < self._whole else (self.samples - start, 1)
        left = max(1, min(end, self._whole) - batch)
        if self._resident:
            return Chunk(self.rows, order, start, size, left, most)
        capacity = batches_per_chunk(self.rows.arrays, size, most)
        count = min(left, capacity)
        stop = start + count * size
        rows = slice(start, stop) if order is None else order.arrays[start:stop]
        buffer = Buffer(self.rows.arrays, size, capacity, self._memory)
        for array, copy in zip(leaves(self.rows.arrays), leaves(buffer.arrays), strict=True):
            copy_rows(array, rows, copy[: count * size])
        return buffer.chunk(count)

    def state_dict(self) -> OrderState:
        """Return the seed and the first epoch, from which the order follows."""
        return {"seed": self.seed, "first_epoch": self._first_epoch}

    def load_state_dict(self, state: OrderState) -> None:
        """Go on in the order of the run that returned this from `state_dict`."""
        self.seed, self._first_epoch = state["seed"], state["first_epoch"]
        self._orders.clear()

    def identity(self) -> dict[str, object]:
        """Return the settings and the digests of the arrays, which a saved run must have too."""
        return {
            "samples": self.samples,
            "batch_size": self.batch_size,
            "steps": self.steps,
            "shuffle": self.shuffle,
            "seed": self._given_seed if self.shuffle else None,
            "content": {name: digest_of(array) for name, array in self._named()},
        }

    def _named(self) -> list[tuple[str, np.ndarray]]:
        parts = zip(self.rows.arrays, ("x", "y", "sample_weight"), strict=True)
        return [pair for nest, name in parts for pair in named_leaves(nest, name)]
