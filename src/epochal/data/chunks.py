"""Nests of arrays, and chunks of batches made of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from . import advice
from .batches import Chunk, HostArrays
from .memory import Memory

BUDGET_BYTES = 1 << 23
"""Of batches that are copied to the device, about this many bytes are there at most, or two larger batches.

As much again is being copied, or on its way back to be used again.
"""

CHUNK_BYTES = BUDGET_BYTES // 2
"""They are copied about this many bytes at a time: one chunk is worked on, the next one waits."""

ALIGNMENT = 64
"""XLA on a CPU uses memory of the host that begins at a multiple of this as it is."""


def map_arrays(function: Callable[[Any], Any], nest: Any) -> Any:
    """Apply `function` to every array in a nest of lists, tuples and dicts; None stays None."""
    if nest is None or hasattr(nest, "dtype"):  # asked first: this is done for every batch
        return None if nest is None else function(nest)
    if isinstance(nest, Mapping):
        return {name: map_arrays(function, value) for name, value in cast("Mapping[str, Any]", nest).items()}
    if isinstance(nest, (list, tuple)):
        return tuple([map_arrays(function, value) for value in cast("Sequence[Any]", nest)])
    return function(nest)


def leaves(nest: Any) -> list[np.ndarray]:
    """Return the arrays in a nest, in order."""
    found: list[np.ndarray] = []
    map_arrays(found.append, nest)
    return found


def named_leaves(nest: Any, name: str) -> list[tuple[str, np.ndarray]]:
    """Return the arrays in a nest, each with its name: `x`, `x['left']`, `x[0]`."""
    if nest is None:
        return []
    if isinstance(nest, Mapping):
        items = cast("Mapping[Any, Any]", nest).items()
    elif isinstance(nest, tuple):
        items = enumerate(cast("tuple[Any, ...]", nest))
    else:
        return [(name, nest)]
    return [leaf for key, value in items for leaf in named_leaves(value, f"{name}[{key!r}]")]


def as_nest(value: Any, what: str) -> Any:
    """Return a nest of NumPy arrays of numbers, without copies where there are none needed; None stays None.

    A dict is a nest, and so is a list or tuple whose items are arrays, as with several inputs; a list of numbers
    or of rows of numbers is one array. Lists become tuples, and dicts are sorted.

    Raises:
        ValueError: If one isn't an array of numbers; it is named.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {name: as_nest(item, f"{what}[{name!r}]") for name, item in sorted(items, key=lambda pair: str(pair[0]))}
    if is_nest(value):
        return tuple(as_nest(item, f"{what}[{at}]") for at, item in enumerate(value))
    return as_array(value, what)


def is_nest(value: Any) -> bool:
    """Say whether this is several arrays, or several nests."""
    if not isinstance(value, (list, tuple)):
        return isinstance(value, Mapping)
    items = [item for item in cast("Sequence[Any]", value) if item is not None]
    return bool(items) and all(is_array(item) or is_nest(item) for item in items)


def is_array(value: Any) -> bool:
    """Say whether this is an array of any framework, with at least one axis."""
    return (hasattr(value, "__array__") or hasattr(value, "__dlpack__")) and getattr(value, "ndim", 1) > 0


def as_array(value: Any, what: str) -> np.ndarray:
    """Return a NumPy array of numbers, without a copy where there is none needed; a file in memory stays one.

    Numbers are of this machine's byte order and at most 64 bits wide, but for those of a file in memory, which are
    converted when they are read.

    Raises:
        ValueError: If it isn't numeric (strings, objects, rows of different lengths), or has no rows.
    """
    try:
        if isinstance(value, np.memmap):
            array = cast("np.ndarray", value)
        elif hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            array = np.from_dlpack(value)
        else:
            array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # what PyTorch raises for tensors that NumPy can't have
        raise ValueError(
            f"{what} can't be made an array: {str(error).rstrip('.')}.{advice.ragged(value, what)}"
        ) from None
    if array.dtype.kind not in "biufc" and array.dtype.name not in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        raise ValueError(advice.not_an_array(value, array, what))
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(cast("Any", value)):
        raise ValueError(advice.masked(what))
    if array.ndim == 0:
        raise ValueError(f"{what} must be an array of samples; got the single value {array!r}.")
    return array if isinstance(array, np.memmap) else array.astype(_plain(array.dtype), copy=False)


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype that devices have: of this machine's byte order, and no wider than 64 bits."""
    wide = {np.dtype(np.longdouble): np.dtype(np.float64), np.dtype(np.clongdouble): np.dtype(np.complex128)}
    native = dtype.newbyteorder("=")
    return wide.get(native, native)


def capacity(batch: Any, size: int, most: int) -> int:
    """Return how many batches like this one, of `size` samples, make a chunk."""
    row_bytes = sum(array.nbytes // max(1, len(array)) for array in leaves(batch))
    return max(1, min(CHUNK_BYTES // max(1, row_bytes * size), most))


class Buffer:
    """Memory for a chunk, into which its rows are written.

    Args:
        like: A nest of arrays whose rows look like those of the chunk.
        size: Samples a batch.
        room: How many batches there is room for.
        memory: Gives it.

    Attributes:
        arrays: A nest of arrays of `room * size` rows.
    """

    def __init__(self, like: Any, size: int, room: int, memory: Memory) -> None:
        self._size, self._room = size, room
        shapes = [((room * size, *array.shape[1:]), _plain(array.dtype)) for array in leaves(like)]
        ends = list(itertools.accumulate(_aligned(math.prod(shape) * dtype.itemsize) for shape, dtype in shapes))
        held = memory.take(ends[-1])
        places = iter(zip([0, *ends], shapes, strict=False))
        self.arrays = map_arrays(lambda _: _array_at(held, *next(places)), like)

    def chunk(self, count: int) -> Chunk:
        """Return the chunk of the first `count` batches.

        The room behind them is filled too, by a row that is like them, so that chunks of all lengths look alike.
        """
        for array in leaves(self.arrays):
            array[count * self._size :] = array[0]
        return Chunk(HostArrays(self.arrays), None, 0, self._size, count, self._room)


def _aligned(size: int) -> int:
    """Return a size after which another array may begin that a CPU device can use as it is."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _array_at(held: np.ndarray, start: int, kind: tuple[tuple[int, ...], np.dtype[Any]]) -> np.ndarray:
    shape, dtype = kind
    return held[start : start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


def gather(array: np.ndarray, rows: slice | np.ndarray, out: np.ndarray) -> None:
    """Write some rows of an array, a file in memory perhaps, to `out`."""
    if isinstance(rows, slice) or not array.flags.c_contiguous or array.dtype != out.dtype:
        out[...] = array[rows]
    else:
        np.take(array, rows, axis=0, out=out, mode="clip")  # "raise" would make a copy of `out` first
