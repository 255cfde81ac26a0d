"""Samples in arrays become batches, in an order fixed by the seed and the epoch in which a pass over them begins."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .batches import Chunk, HostArrays, Span
from .chunks import Buffer, capacity, gather, leaves, named_leaves
from .cursor import CLOSE_SECONDS, DataCursor
from .digest import digest_of
from .memory import Memory
from .prefetch import Piece
from .seeds import fresh_seed


def epoch_order(seed: int, epoch: int, samples: int) -> np.ndarray:
    """Return the order of the samples in an epoch: a pure function of its arguments; int32, `(samples,)`."""
    order = np.arange(samples, dtype=np.int32)
    np.random.default_rng((seed, epoch)).shuffle(order)
    return order


def check_shuffle(shuffle: Any) -> None:
    """Raise if `shuffle` isn't True, False or "batch"."""
    if shuffle not in (True, False, "batch"):
        raise ValueError(f"shuffle must be True, False or 'batch'; got {shuffle!r}.")


class ArrayData:
    """Samples in arrays.

    Args:
        x: An array, or a nest of arrays, samples first.
        y: Targets alike, or None.
        sample_weight: One weight a sample, or None; shape `(samples,)`.
        batch_size: Samples a batch; the last batch of an epoch may be smaller.
        shuffle: True: another order each epoch. "batch": the batches' order only. False: as they lie.
        seed: With the epoch, decides the order; a fresh one is drawn if None.
        steps: Batches an epoch, if not all: the next epoch goes on where the one before stopped, until all samples
            were used. The epoch that meets their end is shorter, with a warning, and the next one begins anew, in
            another order.
        resident: Whether the engine can hold all of it; if not, it is copied piece by piece.

    Raises:
        ValueError: If there are no samples, the lengths differ, or `shuffle` is something else.

    Attributes:
        epochs: How many there will be; nothing is read ahead beyond.
        steps: Batches an epoch; no more than there are, with a warning if more were asked for.
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
        self.rows = HostArrays((x, y, sample_weight))
        lengths = {len(array) for array in leaves(self.rows.arrays)}
        if len(lengths) != 1:
            shapes = ", ".join(str(array.shape) for array in leaves(self.rows.arrays))
            raise ValueError(f"x, y and sample_weight must have one length; got arrays of shapes {shapes}.")
        self.samples = lengths.pop()
        if self.samples == 0:
            raise ValueError("there are no samples: x is empty.")
        check_shuffle(shuffle)
        self.batch_size, self.shuffle = batch_size, shuffle
        self._given_seed = seed
        self.seed = fresh_seed() if seed is None else seed
        available = -(-self.samples // batch_size)
        if steps is not None and steps > available:
            warnings.warn(
                f"{steps} steps an epoch were asked for, and {self.samples} samples make {available} "
                f"batches of {batch_size}: an epoch has {available}.",
                stacklevel=2,
            )
        self.steps = min(available, steps or available)
        self.epochs, self.beside_hooks = 1, False
        self._available, self._whole = available, self.samples // batch_size
        self._first_epoch: int | None = None  # in which the run began
        self._warned = False
        self._resident = resident
        self._memory = Memory()  # of copies
        self._orders: dict[int, HostArrays | None] = {}  # of this pass and the next, by first epoch
        self._cursor = DataCursor(self._read, background=not resident)

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch."""
        if self._first_epoch is None:
            self._first_epoch = epoch
        first = self._place(epoch)[1]
        if first + self.steps > self._available and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.steps} steps an epoch don't divide the {self._available} batches that {self.samples} samples "
                f"make: the epoch that meets the end of the samples has {self._available - first} batches.",
                stacklevel=2,
            )
        self._cursor.begin(epoch, batch)

    def end_epoch(self) -> None:
        """Do nothing: arrays needn't know."""

    def prepare(self, epoch: int) -> None:
        """Compute an epoch's order, unless a thread does it anyway."""
        if self._resident:
            self._order(self._place(epoch)[0])

    def _place(self, epoch: int) -> tuple[int, int]:
        """Return in which epoch the pass of an epoch begins, and at which of its batches the epoch does."""
        epochs = -(-self._available // self.steps)  # in a pass
        since = (epoch - (self._first_epoch or 0)) % epochs
        return epoch - since, since * self.steps

    def _order(self, begins: int) -> HostArrays | None:
        """Return the order of the pass that begins in an epoch."""
        if begins not in self._orders:
            kept = {at: order for at, order in self._orders.items() if at == max(self._orders)}
            self._orders = kept | {begins: self._make_order(begins)}
        return self._orders[begins]

    def _make_order(self, epoch: int) -> HostArrays | None:
        if not self.shuffle:
            return None
        if self.shuffle != "batch":
            return HostArrays(epoch_order(self.seed, epoch, self.samples))
        whole = self.samples // self.batch_size
        starts = epoch_order(self.seed, epoch, whole) * self.batch_size
        rows = (starts[:, None] + np.arange(self.batch_size, dtype=np.int32)).ravel()
        return HostArrays(np.concatenate([rows, np.arange(whole * self.batch_size, self.samples, dtype=np.int32)]))

    def next_size(self) -> int:
        """Return the number of samples in the next batch; 0 at the epoch's end."""
        return self._cursor.next_size()

    def span(self, limit: int) -> Span:
        """Return the next batches of one size."""
        return self._cursor.span(limit)

    def advance(self, batches: int) -> None:
        """Go on by so many batches."""
        self._cursor.advance(batches)

    @property
    def waited(self) -> float:
        """Seconds for which copies were waited for."""
        return self._cursor.waited

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """End the copying."""
        return self._cursor.close(seconds)

    def _read(self, epoch: int, batch: int) -> Iterator[Piece]:
        """Yield the chunks from a batch on, to the end of the last epoch."""
        for number in range(epoch, max(self.epochs, epoch + 1)):
            begins, first = self._place(number)
            order = self._order(begins)
            while batch < min(self.steps, self._available - first):
                chunk = self._chunk(order, first + batch, first + self.steps)
                yield Piece(number, batch, chunk)
                batch += chunk.count
            yield Piece(number, batch, None)
            batch = 0

    def _chunk(self, order: HostArrays | None, batch: int, end: int) -> Chunk:
        """Return the batches of one size from one of a pass on: where they lie, or copied as far as there is room."""
        start, most = batch * self.batch_size, min(self.steps, self._whole)
        size, most = (self.batch_size, most) if batch < self._whole else (self.samples - start, 1)
        left = max(1, min(end, self._whole) - batch)
        if self._resident:
            return Chunk(self.rows, order, start, size, left, most)
        room = capacity(self.rows.arrays, size, most)
        count = min(left, room)
        stop = start + count * size
        rows = slice(start, stop) if order is None else order.arrays[start:stop]
        buffer = Buffer(self.rows.arrays, size, room, self._memory)
        for array, copy in zip(leaves(self.rows.arrays), leaves(buffer.arrays), strict=True):
            gather(array, rows, copy[: count * size])
        return buffer.chunk(count)

    def state_dict(self) -> dict[str, Any]:
        """Return the seed and the first epoch, from which the order follows."""
        return {"seed": self.seed, "first_epoch": self._first_epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on in the order of a saved run."""
        self.seed, self._first_epoch = state["seed"], state["first_epoch"]
        self._orders.clear()

    def identity(self) -> dict[str, Any]:
        """Describe what a saved run must fit."""
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
