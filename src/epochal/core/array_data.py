"""Samples in arrays become batches, in an order fixed by (seed, epoch)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .chunks import Window, capacity, leaves, map_arrays, stacked
from .protocols import Chunk, Held, Span
from .seeds import fresh_seed


def epoch_order(seed: int, epoch: int, samples: int) -> np.ndarray:
    """Return the order of the samples in an epoch: a pure function of its arguments; int32, `(samples,)`."""
    order = np.arange(samples, dtype=np.int32)
    np.random.default_rng((seed, epoch)).shuffle(order)
    return order


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
                f"{steps} steps an epoch were asked for; {self.samples} samples make {available} "
                f"batches of {batch_size}."
            )
        self.steps = available if steps is None else steps
        self._resident = resident
        self._batch = 0
        self._orders: dict[int, Held | None] = {}
        self._order: Held | None = None
        self._window = Window()

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch."""
        self.prepare(epoch)
        self._order = self._orders.pop(epoch)
        self._batch = batch
        self._window.close()

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
        return self._window.span(self._batch, limit, self._next_chunk)

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
