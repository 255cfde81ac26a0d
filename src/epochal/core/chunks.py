"""Nests of arrays, and chunks of batches made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from .protocols import Chunk, Held, Span

CHUNK_BYTES = 1 << 25
"""Batches that must be copied to the device are copied about this many bytes at a time."""


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


class Window:
    """The chunk under way, and where in the epoch it begins."""

    def __init__(self) -> None:
        self._first = 0
        self._chunk: Chunk | None = None

    def close(self) -> None:
        """Let go of the chunk."""
        self._chunk = None

    def chunk_of(self, batch: int) -> Chunk | None:
        """Return the chunk if the batch is in it."""
        chunk = self._chunk
        return chunk if chunk is not None and self._first <= batch < self._first + chunk.count else None

    def span(self, batch: int, limit: int, next_chunk: Callable[[], Chunk]) -> Span:
        """Return the batches from `batch` on, at most `limit`; ask for a chunk that begins there if there is none."""
        if (chunk := self.chunk_of(batch)) is None:
            self._first, chunk = batch, next_chunk()
            self._chunk = chunk
        at = batch - self._first
        return Span(chunk, at, min(limit, chunk.count - at))


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
