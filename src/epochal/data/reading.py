"""One pass over a source of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from .generators import States
from .nests import Batch
from .sources import Source, get_state
from .trail import digest

Prepare: TypeAlias = Callable[[object], Batch]
"""Makes `(x, y, sample_weight)` of what a source gave as a batch; raises a ValueError if it can't."""


class Reading:
    """A pass over a source, from its first batch to its last.

    Args:
        source: Is read.
        epoch: In which the pass begins.
        prepare_batch: Makes `(x, y, sample_weight)` of what came, or raises if it can't.
        warn: Takes a warning.

    Attributes:
        iterator: Gives what will be batches.
        length: How many there will be; None if nobody says.
        taken: How many were read, pending ones included.
        pending: Batches that were read and not taken yet, each with the source's own state before it; at most two.
        over: Whether it has given all.
        states: The random generators' states before it began.
        before: The source's own state before what was read last.
    """

    def __init__(self, source: Source, epoch: int, prepare_batch: Prepare, warn: Callable[[str], None]) -> None:
        self._source, self._prepare, self._warn = source, prepare_batch, warn
        self.iterator: Iterator[object] = source.open(epoch)
        self.length = source.length()
        self.taken = 0
        self.pending: list[tuple[Batch, object]] = []
        self.over = False
        self.states: States = {}
        self.before: object = None
        self._error: Exception | None = None  # raised when it was looked for the second batch

    @property
    def at(self) -> int:
        """The number of its batches that were taken."""
        return self.taken - len(self.pending)

    @property
    def is_complete(self) -> bool:
        """Whether as many batches were taken as it said that there are, and the end wasn't looked for yet."""
        return not self.over and self.at == self.length

    @property
    def digest(self) -> int | None:
        """The digest of the batches that are pending."""
        return digest([batch for batch, _ in self.pending]) if self.pending else None

    def own_state(self) -> object:
        """Return the state that the iterator or the source has itself, None if it has none."""
        return get_state(self.iterator, self._source.given)

    def look(self, epoch: int) -> None:
        """Read the first batch, which is then pending, if there is one."""
        if not self.pending and (batch := self._pull(epoch, 0)) is not None:
            self.pending.append(batch)

    def look_further(self, epoch: int) -> None:
        """Read the second batch, too; an error in it is raised when it is taken."""
        if self.pending and self.taken != self.length:
            try:
                batch = self._pull(epoch, 1)
            except Exception as error:
                self._error = error
            else:
                self.pending += [batch] if batch else []

    def take(self, epoch: int, number: int) -> tuple[Batch, object] | None:
        """Return the next batch, and the source's own state before it; None at the end.

        Args:
            epoch: The number of the epoch that takes it, for errors.
            number: The index of the batch in the epoch, for errors.
        """
        if self.pending:
            return self.pending.pop(0)
        if self._error is not None:
            raise self._error
        return None if self._is_at_its_end() else self._pull(epoch, number)

    def skip(self, to: int | None = None) -> None:
        """Read on until so many batches are behind, or all, and throw them away."""
        while to is None or self.at < to:
            if self.pending:
                self.pending.pop(0)
            elif self._is_at_its_end():
                return
            elif next(self.iterator, _END) is _END:
                self.over = True
            else:
                self.taken += 1

    def _is_at_its_end(self) -> bool:
        """Return whether no more batches are wanted: it has ended, or given as many as it said."""
        if not self.over and self.taken == self.length:
            self.over = True
            if next(self.iterator, _END) is not _END:
                self._warn(
                    f"len() of {self._source.name} is {self.length}, and it goes on after {self.length} batches: an "
                    f"epoch ends with them."
                )
        return self.over

    def _pull(self, epoch: int, number: int) -> tuple[Batch, object] | None:
        try:
            self.before = self.own_state()
            item = next(self.iterator, _END)
            if item is _END:
                self.over = True
                return None
            batch = self._prepare(item), self.before
        except Exception as error:
            error.add_note(f"This was raised for batch {number + 1} of epoch {epoch + 1} of the data, counted from 1.")
            if self._source.indexed and number == 0:
                error.add_note(
                    f"What {self._source.name} gives by index must be batches; of single samples, "
                    f"torch.utils.data.DataLoader(dataset, batch_size=32) makes batches."
                )
            raise
        self.taken += 1
        return batch


_END = object()
