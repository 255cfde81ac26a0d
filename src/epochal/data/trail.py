"""What was done with a source since a run began, so that a resumed run can bring another one there."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .chunks import leaves
from .generators import Generators, changed, same

DIGEST_BYTES = 1 << 16
"""So much of each array of a batch, at most, makes its digest."""


@dataclass(eq=False)
class Event:
    """One thing that was done with a source.

    Attributes:
        kind: "epoch": it was told that an epoch begins. "pass": it was gone through anew, up to the second batch.
            "end": it was told that an epoch has ended.
        epoch: Counted from 0.
        at: How many batches of the pass had been read before.
        states: The generators' states before, as far as the event before didn't leave them so.
        digest: Of the first batches of a pass.
    """

    kind: str
    epoch: int
    at: int
    states: Mapping[str, Any]
    digest: int | None = None

    def state_dict(self) -> list[Any]:
        """Return it as plain values."""
        return [self.kind, self.epoch, self.at, self.digest, *([self.states] if self.states else [])]


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
        self._before: Mapping[str, Any] = {}
        self.after: Mapping[str, Any] = {}
        self.events: list[Event] = []
        self.moves = self.draws = False

    def begin(self, kind: str, epoch: int, at: int = 0) -> Mapping[str, Any]:
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
        """Whether two passes or more began, all alike and without random numbers: so none depends on those before."""
        digests = [event.digest for event in self.events if event.kind == "pass"]
        return len(digests) > 1 and len(set(digests)) == 1 and not self.moves

    def state_dict(self) -> dict[str, Any]:
        """Return all of it as plain values and arrays."""
        return {"events": [event.state_dict() for event in self.events], "moves": self.moves, "draws": self.draws}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.events = [_event(*values) for values in state["events"]]
        self.moves, self.draws = state["moves"], state["draws"]
        self.after = {}


def _event(kind: str, epoch: int, at: int, digest: int | None, states: Mapping[str, Any] | None = None) -> Event:
    return Event(kind, epoch, at, states or {}, digest)


def digest(batch: Any) -> int:
    """Return a number that tells a batch, a nest of arrays, from others."""
    number = 0
    for array in leaves(batch):
        rows = max(1, DIGEST_BYTES // max(1, array.nbytes // max(1, len(array))))
        number = zlib.crc32(array[:rows].tobytes(), number)
    return number


def last_pass(events: Sequence[Event]) -> int:
    """Return the place of the last pass among events; -1 if there is none."""
    return max((at for at, event in enumerate(events) if event.kind == "pass"), default=-1)
