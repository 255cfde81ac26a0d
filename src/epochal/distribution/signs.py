"""Signs of life: what processes tell of themselves, and what follows from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import monotonic

from ..messages.printing import say

AGAIN = "Start all processes again to resume."


@dataclass(frozen=True)
class Late:
    """A process that others wait for."""

    index: int
    stage: str
    seconds: float

    def __str__(self) -> str:
        return f"process {self.index} is late: for {self.seconds:.0f} s it {self.stage}"


@dataclass(frozen=True)
class Ended:
    """A process that has ended, and how: the words after "process 1"."""

    index: int
    how: str

    def __str__(self) -> str:
        return f"process {self.index} {self.how}. {AGAIN}"


@dataclass(frozen=True)
class Sign:
    """What a process tells of itself, some times within each heartbeat.

    Attributes:
        number: Counts its signs.
        stage: What it does.
        stage_seconds: Since when.
        meetings: How many waits for the others are over.
        waits_seconds: How long it has been waiting for the others; None if it isn't.
        error: The exception with which it ends; None if there is none.
        at_end: Whether its script is at its end.
        left: Whether it is about to be gone.
        late: The processes that are waited for, as the primary sees it: a few of them.
    """

    number: int
    stage: str = "runs the script"
    stage_seconds: float = 0.0
    meetings: int = 0
    waits_seconds: float | None = None
    error: str | None = None
    at_end: bool = False
    left: bool = False
    late: tuple[Late, ...] = ()

    def text(self) -> str:
        """Return it as a text, which `read` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Sign:
        """Return what `text` has written."""
        values = json.loads(text)
        return cls(**values | {"late": tuple(Late(**late) for late in values["late"])})

    @property
    def reached(self) -> int:
        """How many waits for the others it has begun."""
        return self.meetings + (self.waits_seconds is not None)


class Silence:
    """How long a process has given no new sign, on the clock of one who looks for it often.

    What the looker slept through counts little: it couldn't have seen a sign either.
    """

    def __init__(self) -> None:
        self.seconds, self._number = 0.0, -1

    def saw(self, sign: Sign | None, seconds: float) -> None:
        """Note the newest sign that there is, and how long ago the look before was."""
        if sign is None or sign.number == self._number:
            self.seconds += seconds
        else:
            self.seconds, self._number = 0.0, sign.number


def fallen_silent(index: int, heartbeat: float, sign: Sign | None) -> Ended:
    """Return what is said of a process without signs of life."""
    last = "" if sign is None else f"; the last thing known is that it {sign.stage}"
    return Ended(index, f"ended or hangs: no sign of life for {heartbeat:g} s{last}")


class Roll:
    """What the primary makes of the signs of all processes.

    Args:
        count: How many processes there are.
        heartbeat: After how many seconds of silence a process counts as ended.
    """

    def __init__(self, count: int, heartbeat: float) -> None:
        self._heartbeat = heartbeat
        self._signs: dict[int, Sign] = {}
        self._silences = [Silence() for _ in range(count)]

    def read(self, signs: dict[int, Sign], seconds: float) -> None:
        """Take the newest sign of each process, `seconds` after the look before."""
        self._signs = signs
        for index, silence in enumerate(self._silences):
            silence.saw(signs.get(index), seconds)

    def ended(self) -> Ended | None:
        """Return the process that has ended while others go on: by an error, in silence, or before its time."""
        for index, sign in self._signs.items():
            if sign.error is not None:
                return Ended(index, f"ended: {sign.error}")
        for index, silence in enumerate(self._silences):
            if silence.seconds >= self._heartbeat:
                return fallen_silent(index, self._heartbeat, self._signs.get(index))
        longest = max((s for s in self._signs.values() if (s.waits_seconds or 0) > self._heartbeat),
                      key=lambda s: s.reached, default=None)  # fmt: skip
        for index, sign in self._signs.items():
            if longest is not None and sign.at_end and sign.meetings < longest.reached:
                return Ended(index, "ended: its script came to its end, while others wait for it")
        return None

    def late(self) -> tuple[Late, ...]:
        """Return processes that don't wait yet where others do."""
        front = max((sign.reached for sign in self._signs.values()), default=0)
        behind = [(i, sign) for i, sign in self._signs.items() if sign.reached < front and not self.is_silent(i)]
        return tuple(Late(index, sign.stage, sign.stage_seconds) for index, sign in behind[: LateWarnings.MOST])

    def is_silent(self, index: int) -> bool:
        """Return whether a process seems to be gone, before it is certain."""
        return self._silences[index].seconds > self._heartbeat / 2

    def all_at_end(self) -> bool:
        """Return whether every process's script is at its end."""
        return len(self._signs) == len(self._silences) and all(sign.at_end for sign in self._signs.values())


class Clock:
    """How long ago the look before was, as far as the looker was awake: a stopped process has seen nothing.

    Args:
        heartbeat: In seconds; looks are to be a small part of it apart.
    """

    def __init__(self, heartbeat: float) -> None:
        self._most, self._last = 0.3 * heartbeat, monotonic()

    def passed(self) -> float:
        """Return the seconds since the last call."""
        last, self._last = self._last, monotonic()
        return min(self._last - last, self._most)


class LateWarnings:
    """Prints which processes are waited for, first after some seconds, then after twice as many each time."""

    MOST = 3
    """How many processes are named, at most."""

    def __init__(self, seconds: float) -> None:
        self._first = self._next = seconds

    def consider(self, find: Callable[[], tuple[Late, ...]], waits_since: float | None) -> None:
        """Print a line a process if it is time; `waits_since` is None if nobody is waited for here."""
        waited = 0.0 if waits_since is None else monotonic() - waits_since
        if waited < self._first:
            self._next = self._first
        elif waited >= self._next and (late := find()):
            self._next = 2 * waited
            for each in late:
                say(f"Warning: {each}. It is waited for here for {waited:.0f} s.", "stderr")
