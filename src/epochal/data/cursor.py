"""Where in the data a pass is, and the chunk it works on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from .batches import Span
from .prefetch import Piece, Prefetch

CLOSE_SECONDS = 10.0
"""How long to wait for a source to give what it was asked for, before it is left alone."""


class Closed(Exception):
    """Ends the reading."""


class DataCursor:
    """The next batch of an epoch, and the chunk that it lies in.

    Args:
        read: `read(epoch, batch)` yields the chunks from a batch on and the epoch's end, and may go on with the
            epochs after it. It is called when the first batch is asked for.
        background: Whether reading takes time, so that a thread should do it meanwhile.

    Attributes:
        batch: The index in the epoch of the next batch.
        piece: The last one that was read, if any.
        waited: Seconds for which a chunk was waited for.
        in_step: Whether nothing is read before it is needed.
    """

    def __init__(self, read: Callable[[int, int], Iterator[Piece]], background: bool) -> None:
        self._read, self._background = read, background
        self._pieces: Iterator[Piece] | Prefetch | None = None
        self._epoch = self.batch = 0
        self.piece: Piece | None = None
        self.waited = 0.0
        self.in_step = False
        self._needed = threading.Event()
        self._closed = False

    def begin(self, epoch: int, batch: int) -> None:
        """Go to a batch; reading goes on if that is what comes next."""
        end = self.piece
        if end is None or end.chunk is not None or (epoch, batch) != (end.epoch + 1, 0):
            self.close()
            self.piece = None
        self._epoch, self.batch = epoch, batch

    def next_size(self) -> int:
        """Return the number of samples in the next batch; 0 at the epoch's end."""
        chunk = self._current().chunk
        return 0 if chunk is None else chunk.size

    def span(self, limit: int) -> Span:
        """Return the next batches, at most `limit`."""
        piece = self._current()
        assert piece.chunk is not None
        at = self.batch - piece.first
        return Span(piece.chunk, at, min(limit, piece.chunk.count - at))

    def advance(self, batches: int) -> None:
        """Go on by so many batches, which are under way; reading goes on with the chunk after theirs."""
        starts = self.piece is not None and self.batch == self.piece.first
        if starts and isinstance(self._pieces, Prefetch) and not self.in_step:
            self._pieces.more()
        self.batch += batches

    def _current(self) -> Piece:
        """Return the piece that the next batch is in; wait for it if need be."""
        piece = self.piece
        if piece is None or piece.epoch != self._epoch or self.batch >= piece.first + _length(piece):
            piece = self.piece = None  # so that its memory is free
            started = time.perf_counter()
            piece = self.piece = self._next()
            if self._background:
                self.waited += time.perf_counter() - started
        return piece

    def _next(self) -> Piece:
        self._closed = False
        self._needed.set()
        if self.in_step and isinstance(self._pieces, Prefetch):
            self._pieces.more()
        if self._pieces is None or (piece := next(self._pieces, None)) is None:
            pieces = self._read(self._epoch, self.batch)
            self._pieces = Prefetch(pieces) if self._background else pieces
            piece = next(self._pieces)
        self._needed.clear()
        return piece

    def wait_until_needed(self) -> None:
        """Wait, in the thread that reads, until all that was read has been used.

        Raises:
            Closed: If no more will be needed.
        """
        self._needed.wait()
        if self._closed:
            raise Closed

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """End reading; what was read ahead is lost. Return whether it ended within so many seconds."""
        pieces, self._pieces = self._pieces, None
        self._closed = True
        self._needed.set()
        return pieces.close(seconds) if isinstance(pieces, Prefetch) else True


def _length(piece: Piece) -> int:
    return 1 if piece.chunk is None else piece.chunk.count
