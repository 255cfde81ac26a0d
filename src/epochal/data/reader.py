"""Reads a source of batches, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .generators import is_own, same
from .nests import Batch
from .passes import Passes, PassState
from .pending_warnings import PendingWarnings
from .reading import Prepare, Reading
from .sources import Source, get_state


class Reader:
    """Yields the batches of a source, epoch by epoch.

    Args:
        source: Is read.
        steps: Batches an epoch; None means until the source ends.
        prepare_batch: Makes `(x, y, sample_weight)` of what came, or raises if it can't.
        first_epoch: The first epoch; None in an evaluation: then the source isn't told the epoch's number, and each
            epoch begins at the source's start.
        wait: Returns when all batches that were yielded have been used.

    Attributes:
        beside_hooks: Whether hooks that a user wrote run between the batches.
        warnings: What is to be said of the source, in the thread of the fit.
    """

    def __init__(
        self,
        source: Source,
        steps: int | None,
        prepare_batch: Prepare,
        first_epoch: int | None,
        wait: Callable[[], None],
    ) -> None:
        self._source, self._expected, self._first_epoch = source, steps, first_epoch
        self._wait = wait
        self.warnings = PendingWarnings()
        self.beside_hooks = False
        self._passes = Passes(source, steps, prepare_batch, first_epoch, self.warnings.add)
        self._entered: dict[int, tuple[Reading, int]] = {}  # by epoch, and how far the pass was when it began

    def share(self, training: Reader) -> bool:
        """Note who reads between evaluations, for training; return whether both read the same source.

        Raises:
            ValueError: If both would share an iterator's progress.
        """
        return self._passes.share(training._passes)

    def peek(self) -> Batch:
        """Return the first batch, which is given back: it is yielded later, or read again.

        Raises:
            ValueError: If there is none.
        """
        first = self._passes.peek()
        if first is None:
            raise self._too_few(self._first_epoch or 0, 0)
        return first[0]

    # Epochs

    def enter(self, epoch: int, batch: int, saved: PassState | None = None, in_step: bool = False) -> None:
        """Bring the source to a batch of an epoch.

        Args:
            epoch: Counted from 0.
            batch: Counted from 0 in the epoch.
            saved: What `state_dict` returned there, if a saved run is resumed.
            in_step: Whether batches were read one by one in that run, when they were needed.
        """
        passes = self._passes
        if saved is not None:
            passes.resume(saved, epoch, batch, in_step)
        reading = passes.reading
        if batch == 0 or reading is None:
            reading = passes.begin_epoch(epoch)
        kept = {number: entered for number, entered in self._entered.items() if number == epoch - 1}
        self._entered = kept | {epoch: (reading, reading.at - batch)}

    def batches(self, epoch: int, number: int) -> Iterator[tuple[Batch, object]]:
        """Yield the batches of an epoch from one on, each with the source's own state before it."""
        passes, reading = self._passes, self._current
        while number != self._expected:
            batch = self._take(reading, epoch, number)
            if batch is None and number == 0 and passes.goes_on and not self._source.once and reading.at:
                reading = passes.begin_pass(epoch)  # the epoch before had used it up, which nobody could know
                self._entered[epoch] = (reading, 0)
                batch = self._take(reading, epoch, number)
            if batch is None:
                self._check_end(reading, epoch, number)
                return
            yield batch
            number += 1
        reading.before = self.own_state()

    def end_epoch(self, epoch: int, batch: int) -> None:
        """Tell the source that so many batches were used, which is all of the epoch."""
        if not self._source.watches_epochs:
            return
        trail = self._passes.trail
        trail.begin("end", epoch, self._place(epoch, batch)[1])
        try:
            self._source.end_epoch()
        except Exception as error:
            error.add_note(f"This was raised by on_epoch_end of {self._source.name}.")
            raise
        trail.end()

    def own_state(self) -> object:
        """Return the state that the iterator or the source has itself, None if it has none."""
        reading = self._passes.reading
        return get_state(self._source.given) if reading is None else reading.own_state()

    @property
    def before(self) -> object:
        """The source's own state before what was read last."""
        return self._current.before

    @property
    def draws(self) -> bool:
        """Whether random numbers that others may see are drawn later in a pass than when it begins."""
        return self._passes.trail.draws

    @property
    def is_complete(self) -> bool:
        """Whether the pass has given as many batches as it said that there are."""
        return self._current.is_complete

    @property
    def _current(self) -> Reading:
        if (reading := self._passes.reading) is None:
            raise RuntimeError("no epoch has been entered.")
        return reading

    def _take(self, reading: Reading, epoch: int, number: int) -> tuple[Batch, object] | None:
        """Return the next batch, None at the end, which is asked for when all batches before it were used."""
        if reading.is_complete and not self._source.plain:
            self._wait()  # for a source may draw random numbers there, and hooks of the last batches, too
        batch = reading.take(epoch, number)
        trail, generators = self._passes.trail, self._passes.generators
        if batch is None and reading.length is None and not trail.draws:
            trail.draws = not (self.beside_hooks or same(generators.get(), trail.after))
        return batch

    # An epoch that ends early

    def _check_end(self, reading: Reading, epoch: int, number: int) -> None:
        """Raise if an epoch that ended after so many batches can't be right; else warn if it is short."""
        expected, length = self._expected, reading.length
        if number == 0 or self._source.once:
            raise self._too_few(epoch, number)
        if expected is not None and (length is None or expected < length):
            if self._first_epoch is None:
                self.warnings.add(f"the data have {number} batches, and {expected} steps were asked for.")
                return
            self.warnings.add(
                f"the data ended in the middle of an epoch, after {number} of its {expected} batches: that epoch is "
                f"shorter, and the next one begins the data anew."
            )
        elif length is not None and number < min(length, expected or length):
            self.warnings.add(f"len() of {self._source.name} is {length}, and it gave {number} batches.")

    def _too_few(self, epoch: int, number: int) -> ValueError:
        wanted = "at least one was" if self._expected is None else f"{self._expected} were"
        advice = self._advice() if epoch != (self._first_epoch or 0) or self._source.once else ""
        return ValueError(f"the data ended after {number} batches of epoch {epoch + 1}; {wanted} expected.{advice}")

    def _advice(self) -> str:
        if self._source.once:
            return f" A {self._source.name} is gone through only once, in all epochs together: let it go on for ever."
        return f" Each epoch begins {self._source.name} anew, and iter() of it must give all its batches each time."

    # Saving

    def _place(self, epoch: int, batch: int) -> tuple[Reading | None, int]:
        """Return the pass that a batch of an epoch is in, and how many of its batches come before."""
        if epoch in self._entered:
            reading, offset = self._entered[epoch]
            return reading, offset + batch
        reading = self._passes.reading or (self._passes.head if self._source.once else None)
        return reading, reading.at if reading else 0

    def state_dict(self, epoch: int, batch: int) -> PassState:
        """Return what is needed to go on from a batch of an epoch."""
        passes, source = self._passes, self._source
        reading, used = self._place(epoch, batch)
        ended = reading is None or used == reading.length or (reading.over and not source.plain)
        head = passes.head
        return {
            "used": used,
            "iterator": self.own_state() if head is None else head.pending[0][1],
            "goes_on": passes.goes_on and not (ended and not source.once),
            "before": dict(reading.states) if reading else {},
            "own": {name: state for name, state in passes.generators.get().items() if is_own(name)},
            "trail": passes.trail.state_dict(),
        }
