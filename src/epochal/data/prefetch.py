"""Chunks made by a thread of their own, one ahead of who takes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .batches import Chunk

LISTEN_SECONDS = 0.1
"""Who waits for a chunk looks up this often, so that Ctrl-C is heard on every system."""


@dataclass(frozen=True, eq=False)
class Piece:
    """What reading gives: a chunk, or the end of an epoch.

    Attributes:
        epoch: Counted from 0.
        first: The chunk's first batch in the epoch; at the end, the number of batches in the epoch.
        chunk: None at the epoch's end.
        states: The source's own state before each batch, and after the last one; empty if it has none.
    """

    epoch: int
    first: int
    chunk: Chunk | None
    states: Sequence[Any] = ()


class Prefetch:
    """Iterates over pieces that a daemon thread takes from another iterator.

    The thread makes exactly what it was asked for: a chunk when it starts, and one more for each `more`. What the
    iterator raises is raised here, after the pieces before it.

    Args:
        pieces: Used by the thread only.
    """

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._made: queue.SimpleQueue[Piece | BaseException | None] = queue.SimpleQueue()
        self._wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()  # one more chunk, or no more
        self._ended = False
        self._thread = threading.Thread(
            target=_make, args=(pieces, self._made, self._wanted), name="epochal-reader", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        if self._ended:
            raise StopIteration
        piece = self._wait()
        if isinstance(piece, Piece):
            return piece
        self._ended = True
        if piece is None:
            raise StopIteration
        raise piece

    def more(self) -> None:
        """Let the thread make the chunk after the one that was taken last."""
        self._wanted.put(True)

    def _wait(self) -> Piece | BaseException | None:
        while True:
            try:
                return self._made.get(timeout=LISTEN_SECONDS)
            except queue.Empty:
                pass

    def close(self, seconds: float) -> bool:
        """Let the thread finish what it was asked for and end; return whether it did so within so many seconds.

        If a source hangs its thread stays, and reads no further should the source ever go on.
        """
        self._ended = True
        self._wanted.put(False)
        self._thread.join(seconds)
        return not self._thread.is_alive()


def _make(pieces: Iterator[Piece], made: queue.SimpleQueue[Any], wanted: queue.SimpleQueue[bool]) -> None:
    """Make pieces until there are none or no more are wanted; an end of an epoch need not be asked for."""
    try:
        for piece in pieces:
            made.put(piece)
            if piece.chunk is not None and not wanted.get():
                return
        made.put(None)
    except BaseException as error:
        made.put(error)
