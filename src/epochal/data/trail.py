"""The trail of a source: what was done with it since a run began, so that a resumed run can do it with another."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

from .generators import Generators, States, changed, same
from .nests import leaves

DIGEST_BYTES = 1 << 16
"""Bytes of each array of a batch, at most, that make its digest."""


Kind: TypeAlias = Literal["epoch", "pass", "end"]

EventState: TypeAlias = tuple[Kind, int, int, int | None, States]
"""An event's kind, epoch, `at`, digest and states."""


@dataclass(eq=False)
class Event:
    """One thing that was done with a source.

    Attributes:
        kind: "epoch": it was told that an epoch begins. "pass": it was gone through anew, up to the second batch.
            "end": it was told that an epoch has ended.
        epoch: Counted from 0.
        at: The number of batches of the pass that had been read before.
        states: The generators' states before, as far as the event before didn't leave them so.
        digest: The digest of the first batches of a pass.
    """

    kind: Kind
    epoch: int
    at: int
    states: States
    digest: int | None = None

    def state_dict(self) -> EventState:
        """Return the event as plain values."""
        return self.kind, self.epoch, self.at, self.digest, self.states

    @classmethod
    def of(cls, state: EventState) -> Event:
        """Return the event that returned this from `state_dict`."""
        kind, epoch, at, digest, states = state
        return cls(kind, epoch, at, states, digest)


class TrailState(TypedDict):
    """A trail as plain values and arrays; see the attributes of `Trail`."""

    events: list[EventState]
    moves: bool
    draws: bool


class Trail:
    """The events since the run began.

    Attributes:
        events: In their order.
        moves: Whether a generator that is known was drawn from when a pass began.
        draws: Whether one is drawn from later in a pass, batch by batch or at its end.
        after: The generators' states after the last event.
    """

    def __init__(self, generators: Generators) -> None:
        self._generators = generators
        self._before: States = {}
        self.after: States = {}
        self.events: list[Event] = []
        self.moves = self.draws = False

    def begin(self, kind: Kind, epoch: int, at: int = 0) -> States:
        """Note an event that comes now; return the generators' states before it."""
        self._before = self._generators.get()
        self.events.append(Event(kind, epoch, at, changed(self._before, self.after)))
        return self._before

    def end(self, digest: int | None = None) -> None:
        """Note that the last event is over."""
        self.after = self._generators.get()
        event = self.events[-1]
        event.digest = digest
        if event.kind == "pass":
            self.moves = self.moves or not same(self.after, self._before)

    @property
    def repeats(self) -> bool:
        """Whether two passes or more began, all alike and without random numbers, so that none depends on another."""
        digests = [event.digest for event in self.events if event.kind == "pass"]
        return len(digests) > 1 and len(set(digests)) == 1 and not self.moves

    def state_dict(self) -> TrailState:
        """Return the trail as plain values and arrays."""
        return {"events": [event.state_dict() for event in self.events], "moves": self.moves, "draws": self.draws}

    def load_state_dict(self, state: TrailState) -> None:
        """Restore the trail that returned this from `state_dict`."""
        self.events = [Event.of(values) for values in state["events"]]
        self.moves, self.draws = state["moves"], state["draws"]
        self.after = {}


def digest(batch: object) -> int:
    """Return a number that tells a batch, a nest of arrays, from others."""
    number = 0
    for array in leaves(batch):
        rows = max(1, DIGEST_BYTES // max(1, array.nbytes // max(1, len(array))))
        number = zlib.crc32(array[:rows].tobytes(), number)
    return number


def last_pass(events: Sequence[Event]) -> int:
    """Return the place of the last pass among events; -1 if there is none."""
    return max((at for at, event in enumerate(events) if event.kind == "pass"), default=-1)
