"""Reads a source of batches, pass after pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..messages.printing import say
from .generators import Generators, States, changed, is_own, same
from .reading import Reading
from .sources import Source, get_state, restoring
from .trail import Event, Trail, last_pass


@dataclass(eq=False)
class Head:
    """A pass that was begun to learn what batches look like, and what tells whether it may be used."""

    reading: Reading
    epoch: int
    outline: list[Any]
    before: States
    after: States

    def begins_at(self, states: States) -> bool:
        """Return whether it was begun from these states of the generators."""
        return not changed(self.before, states)


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
        source: The same.
        warnings: What is to be said of the source, in the thread of the fit.
    """

    def __init__(
        self,
        source: Source,
        steps: int | None,
        prepare_batch: Callable[[Any], Any],
        first_epoch: int | None = 0,
        wait: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = source
        self.warnings: list[str] = []
        self.beside_hooks = False
        self._wait = wait
        self._expected, self._prepare, self._first_epoch = steps, prepare_batch, first_epoch
        self._goes_on = source.once or (steps is not None and first_epoch is not None)
        self._head: Head | None = None
        self._reading: Reading | None = None
        self._entered: dict[int, tuple[Reading, int]] = {}  # by epoch, and how far the pass was when it began
        # A source with `set_epoch`, as Hugging Face's, begins every later epoch too at a state that it was given
        self._stays = not source.once and source.counts_epochs
        self._fresh = get_state(source.given) if self._stays else None
        self._generators = Generators(None if source.plain else source.given)
        self._trail = Trail(self._generators)
        self._rival: Reader | None = None
        self._said: set[str] = set()

    def beside(self, training: Reader) -> bool:
        """Take notice of who trains between evaluations; return whether both read the same source.

        Raises:
            ValueError: If both would share an iterator's progress.
        """
        if training.source.given is not self.source.given:
            return False
        if self.source.once:
            raise ValueError(
                f"one {self.source.name} was given for training and for validation, and what the one takes the "
                f"other misses: give each its own."
            )
        self._rival = training
        return True

    # The first batch, before the first epoch

    def peek(self) -> Any:
        """Return the first batch, which is given back: it is yielded later, or read again."""
        if self._head is None:
            epoch = self._first_epoch or 0
            if self._first_epoch is not None:
                self.source.set_epoch(epoch)
            before = self._generators.get()
            reading = self._open(epoch)
            reading.look(epoch)
            if not reading.pending:
                self._check_end(reading, epoch, 0)
            self._head = Head(reading, epoch, self.source.outline(), before, self._generators.get())
            self._generators.set(before)
        return self._head.reading.pending[0][0]

    def _usable_head(self, epoch: int) -> Head | None:
        """Return the pass that `peek` began if one that began now would be the same; forget it."""
        head, self._head = self._head, None
        if head is None or self.source.once:
            return head
        unchanged = head.epoch == epoch and head.outline == self.source.outline()
        prepares = hasattr(self.source.given, "on_epoch_begin")
        return head if unchanged and not prepares and head.begins_at(self._generators.get()) else None

    # Epochs and passes

    def enter(self, epoch: int, batch: int, saved: Mapping[str, Any] | None = None) -> None:
        """Bring the source to a batch of an epoch, from where a run was saved if it was."""
        if saved is not None:
            self._resume(saved, epoch, batch)
        if batch == 0 or self._reading is None:
            self._begin_epoch(epoch)
        assert self._reading is not None
        kept = {number: entered for number, entered in self._entered.items() if number == epoch - 1}
        self._entered = kept | {epoch: (self._reading, self._reading.at - batch)}

    def batches(self, epoch: int, number: int) -> Iterator[tuple[Any, Any]]:
        """Yield the batches of an epoch from one on, each with the source's own state before it."""
        while number != self._expected:
            batch = self._take(epoch, number)
            if batch is None and number == 0 and self._goes_on and not self.source.once and self._current.at:
                self._begin_pass(epoch)  # the epoch before had used it up, which nobody could know
                self._entered[epoch] = (self._current, 0)
                batch = self._take(epoch, number)
            if batch is None:
                self._check_end(self._current, epoch, number)
                return
            yield batch
            number += 1
        self._current.before = self.own_state()

    def end_epoch(self, epoch: int, batch: int) -> None:
        """Tell the source that so many batches were used, which is all of the epoch."""
        if not self.source.watches_epochs:
            return
        self._trail.begin("end", epoch, self._place(epoch, batch)[1])
        try:
            self.source.end_epoch()
        except Exception as error:
            error.add_note(f"This was raised by on_epoch_end of {self.source.name}.")
            raise
        self._trail.end()

    def own_state(self) -> Any:
        """Return the state that the iterator or the source has itself, None if it has none."""
        return get_state(self.source.given) if self._reading is None else self._reading.own_state()

    @property
    def before(self) -> Any:
        """The source's own state before what was read last."""
        return self._current.before

    @property
    def draws(self) -> bool:
        """Whether random numbers that others may see are drawn later in a pass than when it begins."""
        return self._trail.draws

    @property
    def _current(self) -> Reading:
        assert self._reading is not None
        return self._reading

    def _begin_epoch(self, epoch: int) -> None:
        """Tell the source that an epoch begins; go through it anew unless a pass goes on."""
        reading, source, head = self._reading, self.source, self._usable_head(epoch)
        counts = self._first_epoch is not None and source.counts_epochs
        if not source.plain and (counts or source.watches_epochs or self._goes_on):
            self._trail.begin("epoch", epoch, reading.at if reading else 0)
            if counts and head is None:
                source.set_epoch(epoch)
            source.begin_epoch()
            self._trail.end()
        if reading is None or (not source.once and (reading.over or (reading.taken and not self._goes_on))):
            self._begin_pass(epoch, head)

    def _begin_pass(self, epoch: int, head: Head | None = None) -> None:
        if self.source.plain:
            self._reading = head.reading if head else self._open(epoch)
            return
        self._generators.find()
        states = self._trail.begin("pass", epoch)
        self._reading = reading = self._opened(epoch, head)
        reading.states = states
        self._trail.end(reading.digest)

    def _opened(self, epoch: int, head: Head | None) -> Reading:
        """Return a new pass, or what `peek` began, and its first batches, from which it can be told."""
        before = self._generators.get()
        reading = head.reading if head else self._open(epoch)
        if head is not None and head.begins_at(before):
            self._generators.set(head.after)
        reading.look(epoch)
        if self._expected != 1:
            looked = self._generators.get()
            reading.look_further(epoch)
            self._trail.draws = self._trail.draws or not same(self._generators.get(), looked)
        return reading

    def _open(self, epoch: int) -> Reading:
        if self._stays and (restore := restoring(self.source.given)) is not None:
            restore(self._fresh)
        reading = Reading(self.source, epoch, self._prepare, self._say)
        if self._rival is not None and self._rival.loses(reading.iterator):
            raise ValueError(
                f"training goes on in the next epoch where it stopped in {self.source.name}, and validation begins "
                f"the same iterator anew: give each its own, or leave out steps_per_epoch."
            )
        return reading

    def loses(self, iterator: Iterator[Any]) -> bool:
        """Return whether an iterator that somebody began anew is the one that the next epoch would go on with."""
        reading = self._reading
        if reading is None or reading.iterator is not iterator or not self._goes_on:
            return False
        return not (reading.over or reading.at == reading.length)

    def _take(self, epoch: int, number: int) -> tuple[Any, Any] | None:
        """Return the next batch, None at the end, which is asked for when all batches before it were used."""
        reading = self._current
        if self.is_complete and not self.source.plain:
            self._wait()  # for a source may draw random numbers there, and hooks of the last batches, too
        batch = reading.take(epoch, number)
        if batch is None and reading.length is None and not self.draws:
            self._trail.draws = not (self.beside_hooks or same(self._generators.get(), self._trail.after))
        return batch

    @property
    def is_complete(self) -> bool:
        """Whether the pass has given as many batches as it said."""
        return not self._current.over and self._current.at == self._current.length

    def _check_end(self, reading: Reading, epoch: int, number: int) -> None:
        """Raise if an epoch that ended after so many batches can't be right; else warn if it is short."""
        expected, length = self._expected, reading.length
        if number == 0 or self.source.once:
            raise ValueError(
                f"the data ended after {number} batches of epoch {epoch + 1}; "
                f"{'at least one was' if expected is None else f'{expected} were'} expected."
                + (self._advice() if epoch != (self._first_epoch or 0) or self.source.once else "")
            )
        if expected is not None and (length is None or expected < length):
            if self._first_epoch is None:
                self._say(f"the data have {number} batches, and {expected} steps were asked for.")
                return
            self._say(
                f"the data ended in the middle of an epoch, after {number} of its {expected} batches: that epoch is "
                f"shorter, and the next one begins the data anew."
            )
        elif length is not None and number < min(length, expected or length):
            self._say(f"len() of {self.source.name} is {length}, and it gave {number} batches.")

    def _advice(self) -> str:
        if self.source.once:
            return f" A {self.source.name} is gone through only once, in all epochs together: let it go on for ever."
        return f" Each epoch begins {self.source.name} anew, and iter() of it must give all its batches each time."

    def _say(self, text: str) -> None:
        """Have a warning given, of its kind the first one."""
        kind = "".join(c for c in text if not c.isdigit())
        if kind not in self._said:
            self._said.add(kind)
            self.warnings.append(text)

    # Saving and resuming

    def _place(self, epoch: int, batch: int) -> tuple[Reading | None, int]:
        """Return the pass that a batch of an epoch is in, and how many of its batches come before."""
        if epoch in self._entered:
            reading, offset = self._entered[epoch]
            return reading, offset + batch
        reading = self._reading or (self._head.reading if self._head and self.source.once else None)
        return reading, reading.at if reading else 0

    def state_dict(self, epoch: int, batch: int) -> dict[str, Any]:
        """Return what is needed to go on from a batch of an epoch."""
        reading, used = self._place(epoch, batch)
        ended = reading is None or used == reading.length or (reading.over and not self.source.plain)
        if self._head is not None:
            iterator = self._head.reading.pending[0][1]
        else:
            iterator = self.own_state()
        return {
            "used": used,
            "iterator": iterator,
            "goes_on": self._goes_on and not (ended and not self.source.once),
            "before": dict(reading.states) if reading else {},
            "own": {name: state for name, state in self._generators.get().items() if is_own(name)},
            "trail": self._trail.state_dict(),
        }

    def _resume(self, saved: Mapping[str, Any], epoch: int, batch: int) -> None:
        """Bring a new source to where the one of a saved run was, or to the last epoch's end."""
        goes_on = bool(saved["goes_on"]) or batch > 0
        if saved["iterator"] is not None:
            self._restore_state(saved["iterator"], epoch, begins=not goes_on)
        elif self.source.plain:
            if goes_on:
                self._reading = self._open(epoch)
                self._reading.skip(saved["used"])
        else:
            program = self._generators.get()
            self._do_again(saved, goes_on)
            if batch == 0 or saved["in_step"]:
                self._generators.set(program | saved["own"])
            elif not self._trail.draws:
                self._generators.set({name: state for name, state in program.items() if not is_own(name)})

    def _restore_state(self, state: Any, epoch: int, begins: bool) -> None:
        """Give a state back to the iterator or the source; an iterator that begins an epoch is fine as it is."""
        source = self.source
        if self._first_epoch is not None:
            source.set_epoch(epoch)
        reading = self._head.reading if self._head and source.once else self._open(epoch)
        self._head = None
        if (restore := restoring(reading.iterator)) is not None:
            if not begins:
                restore(state)
        elif (restore := restoring(source.given)) is not None:
            if not (begins and self._stays):
                restore(state)
                reading.iterator = source.open(epoch)  # again: it may have looked at the source's old state
        else:
            raise ValueError(
                "the data's saved state can't be restored: they have neither load_state_dict nor set_state."
            )
        reading.pending.clear()
        reading.length = None if not begins else reading.length
        self._reading = reading

    def _do_again(self, saved: Mapping[str, Any], goes_on: bool) -> None:
        """Do with a source what was done with another one, as far as that brings it to the same order."""
        trail, used = self._trail, int(saved["used"])
        trail.load_state_dict(saved["trail"])
        events, last = trail.events, last_pass(trail.events)
        whole = not (trail.moves or trail.repeats or self.source.counts_epochs or self._first_epoch is None)
        first = 0
        if self._is_direct():
            first = last - 1 if last > 0 and events[last - 1].kind == "epoch" else last
        if used and goes_on:
            say(f"The data keep no state of their own: skipping the {used} batches that were used before.")
        if whole and any(event.kind == "pass" for event in events[: last + (not goes_on)]):
            say("The data's order can't be restored: going through the epochs before again, until it comes.")
        for at, event in enumerate(events):
            if at < first:
                continue
            if self._reading is not None and (whole or at > last):
                self._reading.skip(None if event.kind == "pass" else event.at)
            self._generators.set(saved["before"] if at == last else event.states)
            self._do_event(event, is_past=at < last)
        if self._reading is not None and goes_on:
            self._reading.skip(used)
        elif self._reading is not None:
            if whole:
                self._reading.skip()
            self._reading = None

    def _is_direct(self) -> bool:
        """Return whether a pass depends on no other: all were alike, or workers are begun for each."""
        given = self.source.given
        workers = getattr(given, "num_workers", 0) and not getattr(given, "persistent_workers", False)
        return bool(self._trail.repeats or workers) and not self.source.watches_epochs

    def _do_event(self, event: Event, is_past: bool) -> None:
        """Do one thing again that was done with a source; `is_past` if another pass began later."""
        if event.kind == "epoch":
            if self._first_epoch is not None:
                self.source.set_epoch(event.epoch)
            self.source.begin_epoch()
        elif event.kind == "end":
            self.source.end_epoch()
        elif not (self.source.indexed and is_past):
            self._open_again(event, is_past)

    def _open_again(self, event: Event, is_past: bool) -> None:
        states = self._generators.get()
        self._reading = reading = self._opened(event.epoch, self._usable_head(event.epoch))
        reading.states = states
        if not is_past and reading.digest != event.digest:
            self._say(
                f"{self.source.name} gives its batches in another order than in the run that is resumed, so that "
                f"this epoch's batches may be others. Seed what shuffles them, or give the source set_epoch(epoch), "
                f"or state_dict() and load_state_dict(state)."
            )
