"""One pass over a source of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .generators import States
from .sources import Source, get_state
from .trail import digest


class Reading:
    """One pass over a source.

    Args:
        source: Is read.
        epoch: In which the pass begins.
        prepare_batch: Makes `(x, y, sample_weight)` of what came, or raises if it can't.
        say: Takes a warning.

    Attributes:
        iterator: Gives what will be batches.
        length: How many there will be; None if nobody says.
        taken: How many were read, with those that are pending.
        pending: Batches that were read and not taken yet, each with the source's own state before it; at most two.
        over: Whether it has given all.
        states: Those of the generators before it began.
        before: The source's own state before what was read last.
    """

    def __init__(
        self, source: Source, epoch: int, prepare_batch: Callable[[Any], Any], say: Callable[[str], None]
    ) -> None:
        self._source, self._prepare, self._say = source, prepare_batch, say
        self.iterator: Iterator[Any] = source.open(epoch)
        self.length = source.length()
        self.taken = 0
        self.pending: list[tuple[Any, Any]] = []
        self.over = False
        self.states: States = {}
        self.before: Any = None
        self._error: Exception | None = None  # raised when it was looked for the second batch

    @property
    def at(self) -> int:
        """How many of its batches are behind."""
        return self.taken - len(self.pending)

    @property
    def digest(self) -> int | None:
        """The digest of the batches that are pending."""
        return digest([batch for batch, _ in self.pending]) if self.pending else None

    def own_state(self) -> Any:
        """Return the state that the iterator or the source has itself, None if it has none."""
        return get_state(self.iterator, self._source.given)

    def look(self, epoch: int) -> None:
        """Read the first batch, which is then pending, if there is one."""
        if not self.pending and (batch := self._pull(epoch, 0)) is not None:
            self.pending.append(batch)

    def look_further(self, epoch: int) -> None:
        """Read the second batch, too; an error is raised when it is taken."""
        if self.pending and self.taken != self.length:
            try:
                batch = self._pull(epoch, 1)
            except Exception as error:
                self._error = error
            else:
                self.pending += [batch] if batch else []

    def take(self, epoch: int, number: int) -> tuple[Any, Any] | None:
        """Return the next batch, and the source's own state before it; None at the end.

        Args:
            epoch: The number of the epoch that takes it, for errors.
            number: That of the batch in the epoch.
        """
        if self.pending:
            return self.pending.pop(0)
        if self._error is not None:
            raise self._error
        return None if self._is_at_its_end() else self._pull(epoch, number)

    def skip(self, to: int | None = None) -> None:
        """Read on, for nobody's use, until so many batches are behind, or all."""
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
                self._say(
                    f"len() of {self._source.name} is {self.length}, and it goes on after {self.length} batches: an "
                    f"epoch ends with them."
                )
        return self.over

    def _pull(self, epoch: int, number: int) -> tuple[Any, Any] | None:
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
