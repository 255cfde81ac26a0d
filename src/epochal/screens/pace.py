"""How far batches that come one after the other are, and how fast."""

from __future__ import annotations

import time

from ..messages.progress import seconds_compiled


class Pace:
    """Measures the batches of an epoch, an evaluation or a prediction.

    What compiles is left out, and so is what comes before the first look after it, by which the device has just begun,
    unless that was most of the batches.

    Args:
        total: How many batches there will be; None if nobody knows.
        is_resumed: Whether it goes on amid its batches: those before the first look weren't made in this process.

    Attributes:
        total: The argument.
        done: How many are done.
    """

    def __init__(self, total: int | None, is_resumed: bool = False) -> None:
        self.total, self.done, self._is_resumed = total, 0, is_resumed
        self._started, self._compiled = time.perf_counter(), seconds_compiled()
        self._base: tuple[float, float, int] | None = None  # when measuring begins, what was compiled, batches by then
        self._ended: tuple[float, float] | None = None  # when, and what was compiled by then

    @property
    def seconds(self) -> float:
        """How long it has taken, all in all."""
        return time.perf_counter() - self._started

    def reach(self, done: int) -> None:
        """Note that so many batches are done."""
        self.done = done
        if self._base is None and (self._is_resumed or seconds_compiled() > self._compiled):
            self._base = time.perf_counter(), seconds_compiled(), done

    def end(self, done: int = 0) -> None:
        """Note that no batch comes any more; once only.

        Args:
            done: How many were done; 0 for all of which there are so many.
        """
        if self._ended is None:
            self._ended = time.perf_counter(), seconds_compiled()
            self.done = done or self.total or self.done

    def seconds_a_batch(self) -> float | None:
        """Return how long a batch takes; None where that isn't known, such as after a single one."""
        if self._is_resumed and (self._base is None or self.done <= self._base[2]):
            return None
        started, compiled, before = self._base or (self._started, self._compiled, 0)
        if self.done - before < before and not self._is_resumed:
            started, compiled, before = self._started, self._compiled, 0
        if self.done < 2:
            return None
        ended, compiled_by_then = self._ended or (time.perf_counter(), seconds_compiled())
        return max(0.0, ended - started - (compiled_by_then - compiled)) / (self.done - before)

    def seconds_left(self) -> float | None:
        """Return how long the batches that are left will take; None where that isn't known."""
        pace = self.seconds_a_batch()
        return None if pace is None or not self.total else pace * (self.total - self.done)
