"""Chunks of batches, written into memory that is used again."""

from __future__ import annotations

import itertools
import math

import numpy as np

from .batches import Chunk, HostArrays
from .memory import Memory
from .nests import Batch, leaves, map_arrays, native_dtype

BUDGET_BYTES = 1 << 23
"""Bytes of copied batches that are on the device at a time, about; at least two batches, however large.

As much again is being copied, or on its way back to be used again.
"""

CHUNK_BYTES = BUDGET_BYTES // 2
"""Bytes of a chunk, about: one chunk is worked on, the next one waits."""

ALIGNMENT = 64
"""Bytes at whose multiples arrays begin, so that devices on the host may use their memory without a copy."""


def batches_per_chunk(batch: object, size: int, most: int) -> int:
    """Return how many batches fill a chunk.

    Args:
        batch: A nest of arrays whose rows look like the batches'.
        size: Samples a batch.
        most: The most that are ever wanted.
    """
    row_bytes = sum(array.nbytes // max(1, len(array)) for array in leaves(batch))
    return max(1, min(CHUNK_BYTES // max(1, row_bytes * size), most))


class Buffer:
    """Memory for a chunk, into which its rows are written.

    Args:
        like: `(x, y, sample_weight)` whose rows look like those of the chunk.
        size: Samples a batch.
        capacity: The number of batches it can hold.
        memory: Gives the bytes.

    Attributes:
        arrays: `(x, y, sample_weight)` of `capacity * size` rows.
    """

    def __init__(self, like: Batch, size: int, capacity: int, memory: Memory) -> None:
        self._size, self._capacity = size, capacity
        shapes = [((capacity * size, *array.shape[1:]), native_dtype(array.dtype)) for array in leaves(like)]
        ends = list(itertools.accumulate(_aligned(math.prod(shape) * dtype.itemsize) for shape, dtype in shapes))
        held = memory.take(ends[-1])
        places = iter(zip([0, *ends], shapes, strict=False))
        self.arrays: Batch = map_arrays(lambda _: _array_at(held, *next(places)), like)

    def chunk(self, count: int) -> Chunk:
        """Return the chunk of the first `count` batches.

        What is behind them is filled too, by a row that is like them, so that chunks of all lengths look alike.
        """
        for array in leaves(self.arrays):
            array[count * self._size :] = array[0]
        return Chunk(HostArrays(self.arrays), None, 0, self._size, count, self._capacity)


def _aligned(size: int) -> int:
    """Return the least multiple of the alignment that isn't below a size."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _array_at(held: np.ndarray, start: int, kind: tuple[tuple[int, ...], np.dtype]) -> np.ndarray:
    shape, dtype = kind
    return held[start : start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


def copy_rows(array: np.ndarray, rows: slice | np.ndarray, out: np.ndarray) -> None:
    """Write some rows of an array, a file in memory perhaps, to `out`."""
    if isinstance(rows, slice) or not array.flags.c_contiguous or array.dtype != out.dtype:
        out[...] = array[rows]
    else:
        np.take(array, rows, axis=0, out=out, mode="clip")  # "raise" would make a copy of `out` first
