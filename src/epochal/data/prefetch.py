"""Chunks made by a thread of their own, one ahead of who takes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeAlias

from .batches import EpochEnd, ReadChunk, ReadItem

LISTEN_SECONDS = 0.1
"""Who waits for a chunk looks up this often, so that Ctrl-C is heard on every system."""

Made: TypeAlias = "ReadItem | BaseException | None"
"""What the thread hands over: what it read, what was raised, or None at the end."""


class Prefetch:
    """Iterates over what a daemon thread takes from another iterator.

    The thread makes exactly what it was asked for: a chunk when it starts, and one more for each `more`. What the
    iterator raises is raised here, after the items before it.

    Args:
        items: Used by the thread only.
    """

    def __init__(self, items: Iterator[ReadItem]) -> None:
        self._made: queue.SimpleQueue[Made] = queue.SimpleQueue()
        self._wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()  # one more chunk, or no more
        self._ended = False
        self._thread = threading.Thread(
            target=_make, args=(items, self._made, self._wanted), name="epochal-reader", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[ReadItem]:
        return self

    def __next__(self) -> ReadItem:
        if self._ended:
            raise StopIteration
        made = self._wait()
        if isinstance(made, (ReadChunk, EpochEnd)):
            return made
        self._ended = True
        if made is None:
            raise StopIteration
        raise made

    def more(self) -> None:
        """Let the thread make the chunk after the one that was taken last."""
        self._wanted.put(True)

    def _wait(self) -> Made:
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


def _make(items: Iterator[ReadItem], made: queue.SimpleQueue[Made], wanted: queue.SimpleQueue[bool]) -> None:
    """Make items until there are none or no more are wanted; an end of an epoch need not be asked for."""
    try:
        for item in items:
            made.put(item)
            if isinstance(item, ReadChunk) and not wanted.get():
                return
        made.put(None)
    except BaseException as error:
        made.put(error)
