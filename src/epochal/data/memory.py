"""Memory that is used again."""

from __future__ import annotations

import gc
import mmap
import queue
import time
from typing import Any

import numpy as np

PIECES = 4
"""Pieces that there should be: one with the device, one that waits for it, one being filled, one on its way back."""

WAIT_SECONDS = 0.05
"""Seconds to wait for a piece to come back when there are so many, before there is one more.

Half as long after each time that none came: somebody keeps them, as a model does that passes its inputs through.
"""

LOOK_SECONDS = 0.0005
"""Seconds between collections of Python's garbage meanwhile, which frees what a device's threads have let go."""

SMALL = 1 << 20
"""Pieces up to this many bytes are always new; larger ones are multiples of it, to serve for each other."""

PRIVATE: dict[str, Any] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
"""Makes mapped memory that is no file's and nobody else's; on Windows it is so anyway."""


class Memory:
    """A store of bytes, which come back to it when nobody has them any more, neither here nor on a device.

    Fresh memory costs the system a fault a page, which takes longer than to copy data into it. The bytes begin at a
    page, so that a CPU device uses arrays of them as they are; the device's array then holds the one it was made of.
    """

    def __init__(self) -> None:
        self._back: queue.SimpleQueue[mmap.mmap] = queue.SimpleQueue()
        self._pieces, self._patience = 0, WAIT_SECONDS

    def take(self, size: int) -> np.ndarray:
        """Return an array of so many bytes, uint8, with any values in them."""
        if size <= SMALL:
            return np.frombuffer(mmap.mmap(-1, max(1, size), **PRIVATE), np.uint8)[:size]
        return np.asarray(_Lent(self._piece(-(-size // SMALL) * SMALL), self._back))[:size]

    def _piece(self, size: int) -> mmap.mmap:
        piece = self._returned()
        if piece is None:
            self._pieces += 1
        return piece if piece is not None and len(piece) == size else mmap.mmap(-1, size, **PRIVATE)

    def _returned(self) -> mmap.mmap | None:
        """Return a piece that came back, None if there is none and may be one more."""
        end = time.monotonic() + self._patience
        while True:
            try:
                return self._back.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if self._pieces < PIECES:
                    return None
                if time.monotonic() > end:
                    self._patience /= 2
                    return None
                gc.collect(0)


class _Lent:
    """The owner of the memory of an array and of all its views; when it goes, its memory comes back."""

    def __init__(self, piece: mmap.mmap, back: queue.SimpleQueue[mmap.mmap]) -> None:
        self._piece, self._back = piece, back
        self.__array_interface__ = np.frombuffer(piece, np.uint8).__array_interface__

    def __del__(self) -> None:
        self._back.put(self._piece)
