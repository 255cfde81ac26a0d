"""What processes that train together agree on before any of them goes on."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .processes import THIS
from .wakes import ThroughputEstimate

Least: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""Returns the least of each of some int32 numbers over all processes; each process must call it."""

NOTHING = 2**31 - 1
"""What takes no part in a minimum."""

MOST_NUMBERS = 8
"""The room for numbers at a meeting, the same at each, so that processes that differ are told, and don't crash."""

SPEEDS = 2
"""Of how many estimates a meeting tells what was measured."""


@dataclass
class Wishes:
    """What a process asks for at a meeting, or what any of them has asked for.

    Attributes:
        stop: To end the training, or what else is run.
        signal: To let a signal take its course, after the run was saved.
        save: To save the run.
        change: The first place at which hooks have looked at the model, or asked for something; `NOTHING` if nowhere.
    """

    stop: bool = False
    signal: bool = False
    save: bool = False
    change: int = NOTHING


class Accord:
    """Lets several processes decide alike, each time that their hooks or their clocks might not.

    What follows from counts and from logged values is the same in all of them. The rest they bring to meetings: whoever
    wants to stop, to save or to be heard for a signal gets it everywhere at once, and what time decides is decided by
    the primary's clock. A process alone meets nobody, and its own clock counts.

    Args:
        least: How processes find a minimum together; None in a process alone.
        wishes: Returns what this process asks for, but for its `stop` and `change`.
    """

    def __init__(self, least: Least | None = None, wishes: Callable[[], Wishes] = Wishes) -> None:
        self._least, self._wishes = least, wishes
        self._now, self._last = 0.0, time.perf_counter()
        self._measured: dict[int, tuple[ThroughputEstimate, int, float]] = {}
        self._batches = 0  # since the last meeting
        self._untaken = Wishes()

    @property
    def is_alone(self) -> bool:
        """Whether there is nobody to meet."""
        return self._least is None

    def clock(self) -> float:
        """Return the seconds on the clock that counts: the primary's at the last meeting."""
        return time.perf_counter() if self._least is None else self._now

    def learn(self, estimate: ThroughputEstimate, batches: int, seconds: float) -> None:
        """Let an estimate learn what was measured; of several processes what the primary has, at the next meeting."""
        if self._least is None:
            estimate.learn(batches, seconds)
        else:
            self._measured[id(estimate)] = estimate, batches, seconds

    def is_due(self, batches: int, most: int) -> bool:
        """Return whether so many batches more, of at most so many, are enough for a meeting."""
        self._batches += batches
        return self._least is not None and self._batches >= most

    def take(self) -> Wishes:
        """Return, once, whether the run is to be saved, and signals are to take their course, after this moment."""
        if self._least is None:
            return self._wishes()
        taken, self._untaken = self._untaken, Wishes()
        return taken

    def meet(self, where: str, stop: bool = False, change: int = NOTHING) -> Wishes:
        """Bring this process's wishes together with the others', and return what any of them asks for.

        Args:
            where: In which moment of the fit this is; the same in all processes.
            stop: Whether this process wants to stop.
            change: Where its hooks have looked at the model or asked for something.

        Raises:
            RuntimeError: If the processes are in different moments, or one has ended.
        """
        if self._least is None:
            return Wishes(stop, change=change)
        wishes = self._wishes()
        measured, self._measured, self._batches = list(self._measured.values())[:SPEEDS], {}, 0
        speeds = [seconds for _, _, seconds in measured] + [0.0] * (SPEEDS - len(measured))
        flags = [not stop, not wishes.signal, not wishes.save, change]
        answer = together(self._least, where, [*map(int, flags), *_of_primary([self._elapsed(), *speeds])])
        self._now += _seconds(answer[4])
        for (estimate, batches, _), seconds in zip(measured, answer[5:], strict=False):
            estimate.learn(batches, _seconds(seconds))
        stop, signal, save = (number == 0 for number in answer[:3])
        self._untaken = Wishes(signal=signal, save=save)
        return Wishes(stop, signal, save, answer[3])

    def _elapsed(self) -> float:
        last, self._last = self._last, time.perf_counter()
        return self._last - last


def together(least: Least, where: str, numbers: Sequence[int] = ()) -> list[int]:
    """Return the least of each of some numbers over all processes, which must all be in the same moment.

    Args:
        least: Finds it.
        where: In which moment this process is.
        numbers: Those of this process; at most `MOST_NUMBERS`.

    Raises:
        RuntimeError: If they aren't, or one has ended.
    """
    THIS.at(f"is {where}")
    place = zlib.crc32(where.encode()) >> 1
    padding = [NOTHING] * (MOST_NUMBERS - len(numbers))
    with THIS.waiting():
        first, last, *found = least(np.array([place, -place, *numbers, *padding], np.int32)).tolist()
    if first != -last:
        THIS.differ(where)
    return found[: len(numbers)]


def _of_primary(seconds: list[float]) -> list[int]:
    """Return numbers that are in the order of these seconds, and take no part if this isn't the primary."""
    return np.array(seconds, np.float32).view(np.int32).tolist() if THIS.is_primary else [NOTHING] * len(seconds)


def _seconds(number: int) -> float:
    return float(np.array(number, np.int32).view(np.float32))
