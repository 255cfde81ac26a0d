"""The passes over a source of batches, and how a resumed run comes to the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypedDict

from ..messages.printing import say
from .generators import Generators, States, changed, is_own, same
from .nests import Batch
from .reading import Prepare, Reading
from .sources import Source, get_state, restoring
from .trail import Event, Trail, TrailState, last_pass


class PassState(TypedDict):
    """The position in a source, and what brings another one there.

    used: The number of batches of the pass that were used.
    iterator: The source's own state before the next batch; None if it has none.
    goes_on: Whether the next epoch goes on in this pass.
    before: The states of the generators before the pass.
    own: The states, now, of the generators that the source holds.
    trail: What was done with the source before.
    """

    used: int
    iterator: object
    goes_on: bool
    before: States
    own: States
    trail: TrailState


@dataclass(eq=False)
class Head:
    """A pass that was begun to learn what batches look like, and what tells whether it may be used.

    Attributes:
        reading: The pass, whose first batch is pending.
        epoch: In which it was begun.
        outline: The source's attributes then.
        before: The generators' states before it was begun.
        after: Their states after the first batch.
    """

    reading: Reading
    epoch: int
    outline: list[object]
    before: States
    after: States

    def begins_at(self, states: States) -> bool:
        """Return whether it was begun from these states of the generators."""
        return not changed(self.before, states)


class Passes:
    """Begins pass after pass over a source, and notes in a trail what was done with it.

    Args:
        source: Is gone through.
        steps: Batches an epoch; None means until the source ends.
        prepare_batch: Makes `(x, y, sample_weight)` of what came, or raises if it can't.
        first_epoch: The first epoch; None in an evaluation: then the source isn't told the epoch's number, and each
            epoch begins at the source's start.
        warn: Takes a warning.

    Attributes:
        goes_on: Whether an epoch goes on in the pass of the one before.
        reading: The pass under way; None before the first one.
        generators: The random generators that are known.
        trail: What was done with the source.
    """

    def __init__(
        self,
        source: Source,
        steps: int | None,
        prepare_batch: Prepare,
        first_epoch: int | None,
        warn: Callable[[str], None],
    ) -> None:
        self._source, self._prepare, self._warn = source, prepare_batch, warn
        self._first_epoch, self._looks_further = first_epoch, steps != 1
        self.goes_on = source.once or (steps is not None and first_epoch is not None)
        self.reading: Reading | None = None
        self._head: Head | None = None
        # A source with `set_epoch`, as Hugging Face's, begins every later epoch too at a state that it was given
        self._stays = not source.once and source.counts_epochs
        self._fresh = get_state(source.given) if self._stays else None
        self.generators = Generators(None if source.plain else source.given)
        self.trail = Trail(self.generators)
        self._rival: Passes | None = None

    def share(self, training: Passes) -> bool:
        """Note whose passes are made between these ones; return whether both read the same source.

        Raises:
            ValueError: If both would share an iterator's progress.
        """
        if training._source.given is not self._source.given:
            return False
        if self._source.once:
            raise ValueError(
                f"one {self._source.name} was given for training and for validation, and what the one takes the "
                f"other misses: give each its own."
            )
        self._rival = training
        return True

    # The first batch, before the first epoch

    def peek(self) -> tuple[Batch, object] | None:
        """Return the first batch and the source's own state before it, without taking it; None if there is none."""
        if self._head is None:
            epoch = self._first_epoch or 0
            if self._first_epoch is not None:
                self._source.set_epoch(epoch)
            before = self.generators.get()
            reading = self._open(epoch)
            reading.look(epoch)
            self._head = Head(reading, epoch, self._source.outline(), before, self.generators.get())
            self.generators.set(before)
        return next(iter(self._head.reading.pending), None)

    @property
    def head(self) -> Reading | None:
        """The pass that `peek` began, as long as no other was begun after it."""
        return None if self._head is None else self._head.reading

    def _usable_head(self, epoch: int) -> Head | None:
        """Return the pass that `peek` began if one that began now would be the same; forget it."""
        head, self._head = self._head, None
        if head is None or self._source.once:
            return head
        unchanged = head.epoch == epoch and head.outline == self._source.outline()
        prepares = hasattr(self._source.given, "on_epoch_begin")
        return head if unchanged and not prepares and head.begins_at(self.generators.get()) else None

    # One pass after the other

    def begin_epoch(self, epoch: int) -> Reading:
        """Tell the source that an epoch begins, and return the pass that it goes on with."""
        reading, source, head = self.reading, self._source, self._usable_head(epoch)
        counts = self._first_epoch is not None and source.counts_epochs
        if not source.plain and (counts or source.watches_epochs or self.goes_on):
            self.trail.begin("epoch", epoch, reading.at if reading else 0)
            if counts and head is None:
                source.set_epoch(epoch)
            source.begin_epoch()
            self.trail.end()
        if reading is None or (not source.once and (reading.over or (reading.taken and not self.goes_on))):
            return self.begin_pass(epoch, head)
        return reading

    def begin_pass(self, epoch: int, head: Head | None = None) -> Reading:
        """Go through the source anew, in an epoch, and return the pass; `head` is one that was begun already."""
        if self._source.plain:
            self.reading = head.reading if head else self._open(epoch)
            return self.reading
        self.generators.find()
        states = self.trail.begin("pass", epoch)
        self.reading = reading = self._opened(epoch, head)
        reading.states = states
        self.trail.end(reading.digest)
        return reading

    def _opened(self, epoch: int, head: Head | None) -> Reading:
        """Return a new pass, or what `peek` began, and its first batches, from which it can be told."""
        before = self.generators.get()
        reading = head.reading if head else self._open(epoch)
        if head is not None and head.begins_at(before):
            self.generators.set(head.after)
        reading.look(epoch)
        if self._looks_further:
            looked = self.generators.get()
            reading.look_further(epoch)
            self.trail.draws = self.trail.draws or not same(self.generators.get(), looked)
        return reading

    def _open(self, epoch: int) -> Reading:
        if self._stays and (restore := restoring(self._source.given)) is not None:
            restore(self._fresh)
        reading = Reading(self._source, epoch, self._prepare, self._warn)
        if self._rival is not None and self._rival.loses(reading.iterator):
            raise ValueError(
                f"training goes on in the next epoch where it stopped in {self._source.name}, and validation begins "
                f"the same iterator anew: give each its own, or leave out steps_per_epoch."
            )
        return reading

    def loses(self, iterator: Iterator[object]) -> bool:
        """Return whether an iterator that somebody began anew is the one that the next epoch would go on with."""
        reading = self.reading
        if reading is None or reading.iterator is not iterator or not self.goes_on:
            return False
        return not (reading.over or reading.at == reading.length)

    # Resuming

    def resume(self, saved: PassState, epoch: int, batch: int, in_step: bool) -> None:
        """Bring a new source to where the one of a saved run was, or to the last epoch's end.

        Args:
            saved: Is where that was.
            epoch: The epoch that goes on, or begins.
            batch: The batch of it that comes next.
            in_step: Whether batches were read one by one, when they were needed.
        """
        goes_on = bool(saved["goes_on"]) or batch > 0
        if saved["iterator"] is not None:
            self._restore_state(saved["iterator"], epoch, begins=not goes_on)
        elif self._source.plain:
            if goes_on:
                self.reading = self._open(epoch)
                self.reading.skip(saved["used"])
        else:
            program = self.generators.get()
            self._do_again(saved, goes_on)
            if batch == 0 or in_step:
                self.generators.set({**program, **saved["own"]})
            elif not self.trail.draws:
                self.generators.set({name: state for name, state in program.items() if not is_own(name)})

    def _restore_state(self, state: object, epoch: int, begins: bool) -> None:
        """Restore the state of the iterator or the source; an iterator that begins an epoch is right as it is."""
        source = self._source
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
        if not begins:
            reading.length = None
        self.reading = reading

    def _do_again(self, saved: PassState, goes_on: bool) -> None:
        """Repeat what was done with another source, as far as that brings this one to the same order."""
        trail, used = self.trail, saved["used"]
        trail.load_state_dict(saved["trail"])
        events, last = trail.events, last_pass(trail.events)
        whole = not (trail.moves or trail.repeats or self._source.counts_epochs or self._first_epoch is None)
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
            if self.reading is not None and (whole or at > last):
                self.reading.skip(None if event.kind == "pass" else event.at)
            self.generators.set(saved["before"] if at == last else event.states)
            self._do_event(event, is_past=at < last)
        if self.reading is not None and goes_on:
            self.reading.skip(used)
        elif self.reading is not None:
            if whole:
                self.reading.skip()
            self.reading = None

    def _is_direct(self) -> bool:
        """Return whether a pass depends on no other: all were alike, or workers are begun for each."""
        given = self._source.given
        workers = getattr(given, "num_workers", 0) and not getattr(given, "persistent_workers", False)
        return bool(self.trail.repeats or workers) and not self._source.watches_epochs

    def _do_event(self, event: Event, is_past: bool) -> None:
        """Repeat one thing that was done with a source; `is_past` if another pass began later."""
        if event.kind == "epoch":
            if self._first_epoch is not None:
                self._source.set_epoch(event.epoch)
            self._source.begin_epoch()
        elif event.kind == "end":
            self._source.end_epoch()
        elif not (self._source.indexed and is_past):
            self._open_again(event, is_past)

    def _open_again(self, event: Event, is_past: bool) -> None:
        states = self.generators.get()
        self.reading = reading = self._opened(event.epoch, self._usable_head(event.epoch))
        reading.states = states
        if not is_past and reading.digest != event.digest:
            self._warn(
                f"{self._source.name} gives its batches in another order than in the run that is resumed, so that "
                f"this epoch's batches may be others. Seed what shuffles them, or give the source set_epoch(epoch), "
                f"or state_dict() and load_state_dict(state)."
            )
