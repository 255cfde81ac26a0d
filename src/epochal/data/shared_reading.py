"""Streams of several processes, each of which reads its part of every batch."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from .batches import Chunk, HostArrays, ReadChunk, ReadItem
from .nests import leaves, map_arrays

Exchange: TypeAlias = Callable[[str, str, Callable[[], bool]], list[str]]
"""`(topic, text, is_over)`: the texts of all processes; it waits for them unless `is_over()`."""

_streams = itertools.count()


@dataclass(frozen=True)
class _Found:
    """What a process has read next.

    Attributes:
        first: The batch of the epoch that it begins with.
        count: How many batches; 0 at the epoch's end.
        rows: The shape and dtype of each array of a batch.
    """

    first: int
    count: int
    rows: list[str]


class SharedReading:
    """Lets all processes have the same chunks: as many batches as each has read, of the same shapes.

    How much a process has read by a certain time is its own affair. So for each chunk the processes tell each other,
    while the devices work on the one before, and the rest of what one has more is its next chunk.

    Args:
        exchange: Gives all processes the texts of all.
        processes: How many there are.
        is_over: Returns whether nobody needs more.
    """

    def __init__(self, exchange: Exchange, processes: int, is_over: Callable[[], bool]) -> None:
        self._exchange, self._processes, self._is_over = exchange, processes, is_over
        self._name, self._readings = f"stream {next(_streams)}", 0

    def chunks(self, items: Iterator[ReadItem]) -> Iterator[ReadItem]:
        """Yield what this process reads, in chunks like the others'.

        Raises:
            RuntimeError: If the processes' batches differ in their number, or in their shapes; says whose.
        """
        self._readings += 1
        topic = f"{self._name}/{self._readings}"
        rest: ReadChunk | None = None
        while (item := next(items, None) if rest is None else rest) is not None:
            count = self._agreed(topic, item)
            if not isinstance(item, ReadChunk):
                yield item
                continue
            chunk, rest = _cut(item, count)
            yield replace(
                chunk, chunk=replace(chunk.chunk, size=chunk.chunk.size * self._processes, parts=self._processes)
            )

    def _agreed(self, topic: str, item: ReadItem) -> int:
        """Return how many batches all processes have."""
        texts = self._exchange(topic, json.dumps(vars(_found(item))), self._is_over)
        found = [_Found(**json.loads(text)) for text in texts]
        ended = [(at, mine) for at, mine in enumerate(found) if not mine.count]
        if ended and len(ended) < len(found):
            at, mine = ended[0]
            more = next(index for index, other in enumerate(found) if other.count)
            raise RuntimeError(
                f"the data of process {at} end after {mine.first} batches of epoch {item.epoch + 1}, and process "
                f"{more} has more: give all processes as many batches, or say with steps_per_epoch how many to take."
            )
        for at, other in enumerate(found):
            if other.rows != found[0].rows:
                raise RuntimeError(
                    f"from batch {other.first + 1} of epoch {item.epoch + 1} on process {at} has batches of "
                    f"{', '.join(other.rows)}, and process 0 of {', '.join(found[0].rows)}: each process gives its "
                    f"part of every batch, all of the same shapes."
                )
        return min(mine.count for mine in found)


def _found(item: ReadItem) -> _Found:
    if not isinstance(item, ReadChunk):
        return _Found(item.batches, 0, [])
    chunk = item.chunk
    rows = [f"{array.dtype}{[chunk.size, *array.shape[1:]]}" for array in leaves(chunk.rows.arrays)]
    return _Found(item.first, chunk.count, rows)


def _cut(item: ReadChunk, count: int) -> tuple[ReadChunk, ReadChunk | None]:
    """Return the first batches of a chunk, and the others in a chunk of their own."""
    chunk = item.chunk
    if count == chunk.count:
        return item, None
    first = replace(item, chunk=replace(chunk, count=count), states=item.states[: count + 1])
    rows = HostArrays(map_arrays(lambda a: _moved_to_front(a, count * chunk.size), chunk.rows.arrays))
    left = Chunk(rows, None, 0, chunk.size, chunk.count - count, chunk.capacity)
    return first, ReadChunk(item.epoch, item.first + count, left, item.states[count:])


def _moved_to_front(array: Any, start: int) -> Any:
    """Return a copy of an array that begins at a row; what is behind its end is a row like the others."""
    moved = array.copy()
    moved[: len(array) - start] = array[start:]
    return moved
