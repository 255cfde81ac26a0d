"""Rows and orders on the device."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ...data.batches import Chunk, HostArrays
from ...data.nests import Batch, leaves
from ...data.wide import narrowed
from .devices import Devices
from .span_loop import FIXED_BLOCK
from .trees import Array, DeviceBatch, PyTree, Structure

BLOCK_BYTES = 1 << 16
"""Rows are gathered about this many bytes at a time, or one batch if that is more."""


@dataclass(frozen=True)
class Layout:
    """Everything about a chunk's rows that a compiled program depends on.

    Attributes:
        shapes: Shape and dtype of each array on the devices.
        tree: How the arrays make up `(x, y, sample_weight)`.
        classes: For each array, how many classes its integers stand for as one-hot rows, else 0.
        dtypes: The dtype of those one-hot rows.
        ordered: Whether rows are gathered in an order.
        size: Samples a batch.
        block: Batches gathered at once.
        capacity: How many batches a span may have at most.
        by_batch: Whether arrays have an axis of batches before the one of their rows.
    """

    shapes: tuple[tuple[tuple[int, ...], DTypeLike], ...]
    tree: Structure
    classes: tuple[int, ...]
    dtypes: tuple[DTypeLike, ...]
    ordered: bool
    size: int
    block: int
    capacity: int
    by_batch: bool

    def decode(self, arrays: list[Array]) -> DeviceBatch:
        """Return `(x, y, sample_weight)` as the user gave them."""
        columns = zip(arrays, self.classes, self.dtypes, strict=True)
        return jax.tree.unflatten(self.tree, [jax.nn.one_hot(a, n, dtype=t) if n else a for a, n, t in columns])


@dataclass(frozen=True)
class Placed:
    """Arrays on the device, and what their integers stand for."""

    arrays: list[Array]
    tree: Structure
    classes: tuple[int, ...]
    dtypes: tuple[DTypeLike, ...]
    by_batch: bool = False


class Placement:
    """Keeps on the devices what the loop still holds.

    Args:
        devices: Where rows and orders are to lie.
    """

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._rows: WeakKeyDictionary[HostArrays[Batch], Placed] = WeakKeyDictionary()
        self._orders: WeakKeyDictionary[HostArrays[np.ndarray], Array] = WeakKeyDictionary()

    def place(self, chunk: Chunk) -> tuple[Layout, list[Array], Array | None]:
        """Return a chunk's layout, its arrays, and its order with space for one block after its end."""
        if (placed := self._rows.get(chunk.rows)) is None:
            placed = self._rows[chunk.rows] = _place(chunk, self._devices)
        block = 1 if chunk.order is None else _batches_at_once(placed.arrays, chunk)
        shapes = tuple((a.shape, a.dtype) for a in placed.arrays)
        layout = Layout(
            shapes,
            placed.tree,
            placed.classes,
            placed.dtypes,
            chunk.order is not None,
            chunk.size,
            block,
            chunk.capacity,
            placed.by_batch,
        )
        if chunk.order is None:
            return layout, placed.arrays, None
        if (order := self._orders.get(chunk.order)) is None:
            # A slice that reaches beyond the end would be moved back by XLA, so there is something after it.
            padded = np.pad(chunk.order.arrays, (0, max(block, FIXED_BLOCK) * chunk.size))
            order = self._orders[chunk.order] = self._devices.everywhere(padded)
        return layout, placed.arrays, order


def _batches_at_once(arrays: list[Array], chunk: Chunk) -> int:
    """Return for how many batches rows are gathered at a time."""
    batch_bytes = sum(a.nbytes for a in arrays) // len(arrays[0]) * chunk.size
    return max(1, min(BLOCK_BYTES // max(1, batch_bytes), chunk.capacity))


def check_width(rows: PyTree) -> None:
    """Raise a ValueError where the device would cut integers; files in memory are looked at only when they are read."""
    for array in leaves(rows):
        if array.dtype.kind in "iu" and not jax.config.read("jax_enable_x64"):
            narrowed(array, "any", "the data")


def _place(chunk: Chunk, devices: Devices) -> Placed:
    rows = chunk.rows.arrays
    check_width(rows)
    arrays: list[np.ndarray] = jax.tree.leaves(rows)
    structure, dtypes = cast("Structure", jax.tree.structure(rows)), tuple(jnp.result_type(a) for a in arrays)
    if devices.deals_batches(chunk):
        return Placed(devices.batches(arrays, chunk), structure, (0,) * len(arrays), dtypes, by_batch=True)
    x, y, _ = rows
    first_target = len(jax.tree.leaves(x))
    targets = range(first_target, first_target + len(jax.tree.leaves(y)))
    labels = [one_hot_labels(array) if at in targets else None for at, array in enumerate(arrays)]
    placed = devices.rows([a if own is None else own for a, own in zip(arrays, labels, strict=True)])
    classes = tuple(0 if own is None else a.shape[1] for a, own in zip(arrays, labels, strict=True))
    return Placed(placed, structure, classes, dtypes)


def one_hot_labels(array: np.ndarray) -> np.ndarray | None:
    """Return the labels, int32, of rows that are all one-hot; None if any isn't. They are lighter to gather."""
    if array.ndim != 2 or array.shape[1] < 2 or np.count_nonzero(array) != len(array):
        return None
    labels = array.argmax(axis=1)
    return labels.astype(np.int32) if (array[np.arange(len(array)), labels] == 1).all() else None


def fits(arrays: Iterable[np.ndarray | Array], devices: Devices) -> bool:
    """Return whether a device may hold these arrays: no memory-mapped files, no more than half of what is free."""
    arrays = list(arrays)
    if any(isinstance(array, np.memmap) for array in arrays):
        return False
    free = devices.free_bytes()  # None on a CPU: what fits into the host's memory as NumPy arrays fits as JAX arrays
    return free is None or sum(map(_bytes_on_device, arrays)) <= free // 2


def _bytes_on_device(array: np.ndarray | Array) -> int:
    return array.addressable_shards[0].data.nbytes if isinstance(array, jax.Array) else array.nbytes
