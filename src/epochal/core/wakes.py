"""When the batch hooks of callbacks must be called, and how far the loop may run until then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .cadence import Cadence, Every, WhenNotFinite

Phase: TypeAlias = Literal["train", "test", "predict"]
"""Which hooks are called, and what an engine does."""

SPAN_SECONDS = 0.25
"""Seconds that a span is meant to last, at most, so that Ctrl-C is heard and the progress is seen."""

MOST_BATCHES = 8192
"""Batches of a span, at most, so that an engine can keep its logs in a buffer."""

LONG_STEP_SECONDS = 0.002
"""About twenty times what it costs to end a span: batches that take longer are spans of their own for followers."""


class ThroughputEstimate:
    """Estimates how long a batch takes, from the spans that were waited for."""

    GROWTH = 8  # a span is at most this many times the longest one timed so far

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._longest = 0

    @property
    def seconds(self) -> float:
        """How long a batch takes; 0 as long as nothing is known."""
        return self._seconds or 0.0

    def batches_in(self, seconds: float) -> int:
        """Return how many batches take about this long; 1 as long as nothing is known."""
        if self._seconds is None:
            return 1
        return max(1, min(int(seconds / self._seconds), self.GROWTH * self._longest))

    def learn(self, batches: int, seconds: float) -> None:
        """Learn from a span that had so many batches and took so many seconds."""
        if batches * self.GROWTH < self._longest:
            return  # mostly the cost of the call
        self._longest = max(self._longest, batches)
        new = seconds / batches
        # A longer span corrects a short one's overhead at once; a slow one may be the machine's noise.
        self._seconds = new if self._seconds is None or new < self._seconds else (self._seconds + new) / 2


@dataclass(eq=False)
class BatchHooks:
    """The batch hooks of one callback in one phase, and when they are called.

    Attributes:
        callback: Whose they are.
        begin: Called before a batch, if there is one.
        end: Called after a batch, if there is one.
        cadence: For which batches they are called.
        follows: Whether they are for every batch, and may be called after the span that the batch was in.
        only_reads_logs: Whether they ask the model for nothing, which is an error then.
        reads_means: Whether the end hook gets the means of the epoch so far, not the batch's own values.
    """

    callback: object
    begin: Callable[..., None] | None
    end: Callable[..., None] | None
    cadence: Cadence
    follows: bool = False
    only_reads_logs: bool = False
    reads_means: bool = False

    def __post_init__(self) -> None:
        if self.reads_means and self.follows:
            raise TypeError(f"{type(self.callback).__name__}.reads_means = True needs a cadence, and no replay.")


class WakeSchedule:
    """Decides whose batch hooks are called when, and how many batches may run until the next call.

    `count` is always the number of batches finished since the run began.

    Attributes:
        followers: The watchers that get all batches after a span.
        seconds: How long a span may last, and the host be ahead of the device.
        finds_not_finite: Whether a watcher is woken by a loss that isn't finite, which only the end of a span tells.
    """

    def __init__(self, watchers: list[BatchHooks], clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._place = {watcher: at for at, watcher in enumerate(watchers)}
        self.followers = [w for w in watchers if w.follows]
        live = [w for w in watchers if not w.follows]
        self._by_batch = [
            (w, int(w.cadence.n)) for w in live if isinstance(w.cadence, Every) and w.cadence.unit == "batch"
        ]
        self._by_second = [
            (w, w.cadence.n) for w in live if isinstance(w.cadence, Every) and w.cadence.unit == "second"
        ]
        self._by_value = [w for w in live if isinstance(w.cadence, WhenNotFinite)]
        self.seconds = min([SPAN_SECONDS, *(seconds for _, seconds in self._by_second)])
        self._woken = dict.fromkeys((w for w, _ in self._by_second), clock())
        self._begun: list[BatchHooks] = []  # watchers by the second whose begin hook was just called
        self.finds_not_finite = bool(self._by_value)

    def beginning(self, count: int) -> list[BatchHooks]:
        """Return the watchers by count or clock whose begin hook is called for the batch that comes now."""
        self._begun = [w for w, seconds in self._by_second if w.begin and self._is_time(w, seconds)]
        return [w for w, n in self._by_batch if w.begin and (count + 1) % n == 0] + self._begun

    def length(self, count: int, pace: ThroughputEstimate) -> int:
        """Return how many batches may run now. Call it after `beginning`."""
        if self._begun:
            return 1
        length = min(MOST_BATCHES, pace.batches_in(self.seconds))
        for watcher, n in self._by_batch:
            to_end = n - count % n
            # A begin hook is called for the same batch as the end hook, so the span stops before that batch.
            length = min(length, to_end if watcher.begin is None else max(1, to_end - 1))
        return length

    def is_due(self, count: int) -> bool:
        """Return whether a watcher by count or clock is to be woken now."""
        return any(count % n == 0 for _, n in self._by_batch) or any(self._ends(w, n) for w, n in self._by_second)

    def ending(self, count: int, is_finite: bool) -> list[BatchHooks]:
        """Return the watchers to wake now, followers left out.

        Args:
            count: Of batches.
            is_finite: Whether the last one's loss is finite.
        """
        woken = [w for w, n in self._by_batch if count % n == 0]
        for watcher, seconds in self._by_second:
            if self._ends(watcher, seconds):
                self._woken[watcher] = self._clock()
                woken.append(watcher)
        return woken if is_finite else woken + self._by_value

    def times(self) -> dict[BatchHooks, float]:
        """Return when each watcher by the second was woken last."""
        return dict(self._woken)

    def return_to(self, times: dict[BatchHooks, float]) -> None:
        """Let watchers by the second have been woken last when `times` says."""
        self._woken = times

    def in_order(self, watchers: list[BatchHooks]) -> list[BatchHooks]:
        """Return watchers in the order in which their hooks are called."""
        return sorted(watchers, key=self._place.__getitem__) if len(watchers) > 1 else watchers

    def _ends(self, watcher: BatchHooks, seconds: float) -> bool:
        return watcher in self._begun or (watcher.begin is None and self._is_time(watcher, seconds))

    def _is_time(self, watcher: BatchHooks, seconds: float) -> bool:
        return self._clock() - self._woken[watcher] >= seconds
