"""Calls the batch hooks: of those who are woken where a span ends, and of those who follow it batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from ..data.batches import Span
from .accord import Accord
from .cadence import WhenNotFinite
from .engine import Lookout
from .first_change import FirstChange
from .log_readers import kept_from_model
from .logs import Logs
from .looks import LookForecast
from .signals import Signals
from .started_span import StartedSpan
from .wakes import LONG_STEP_SECONDS, BatchHooks, ThroughputEstimate, WakeSchedule

SoFar: TypeAlias = Callable[[StartedSpan], Iterable[object]]
"""Returns the means of the epoch up to the end of a span, in the order of what a batch logs."""


class BatchHookCaller:
    """Calls batch hooks in list order, each for the batches that it is for.

    Followers, whose hooks are for every batch, don't end spans: a span runs ahead, and then their hooks are called for
    one batch after the other, with its own logs. If one of them looks at the model, the engine goes back to that batch,
    and the rest of the span is forgotten: it counts as not run.

    Args:
        wakes: Says whose hooks are called when.
        lookout: Notices who looks at the model.
        signals: Deliver what came while a span was run.
        names: What a batch logs.
        accord: Lets several processes decide alike.

    Attributes:
        is_begun: Whether the followers' begin hooks of the next batch have been called.
    """

    def __init__(
        self, wakes: WakeSchedule, lookout: Lookout, signals: Signals, names: Sequence[str], accord: Accord
    ) -> None:
        self._wakes, self._lookout, self._signals = wakes, lookout, signals
        self._accord, self._changes = accord, FirstChange(accord, lookout)
        self._names, self._keys = names, ("batch", "size", *names)
        self._begins = [watcher for watcher in wakes.followers if watcher.begin]
        self._ends = [watcher.end for watcher in wakes.followers if watcher.end]
        self._forecast, self._pace = LookForecast(), ThroughputEstimate()
        self.is_begun = False

    @property
    def follows(self) -> bool:
        """Whether there are followers."""
        return bool(self._wakes.followers)

    def begin_epoch(self) -> None:
        """Begin an epoch."""
        self._forecast.begin_epoch()
        self._changes.begin_epoch()

    def batches(self, count: int, batch: int, pace: ThroughputEstimate) -> int:
        """Return how many batches may run now.

        Args:
            count: Batches finished since the run began.
            batch: The index in the epoch of the next one.
            pace: That of the engine.
        """
        most = self._wakes.length(count, pace)
        if not self.follows or most == 1:
            return most
        if not self._lookout.is_possible or pace.seconds > LONG_STEP_SECONDS:
            return 1
        if self._pace.seconds:  # nobody waits for a woken hook because those of the followers take long
            most = min(most, int(self._wakes.seconds / (pace.seconds + self._pace.seconds)))
        return max(1, min(most, self._forecast.batches(count, batch)))

    def begin(self, count: int, batch: int, size: int, woken: list[BatchHooks]) -> None:
        """Call the begin hooks of the batch that comes now.

        Args:
            count: Batches finished since the run began.
            batch: Its index in the epoch.
            size: Samples in it.
            woken: Those who aren't followers.
        """
        begun, self.is_begun = self.is_begun, False
        begins = [] if begun else self._begins
        if not (woken or begins):
            return
        called = self._wakes.in_order(woken + ([] if batch < self._changes.begun else begins))
        logs = Logs({"batch": batch, "size": size})
        if not self.follows:  # nothing runs ahead, so nobody's look matters
            _call_begin(called, batch, logs)
            return
        self._lookout.begin(0)
        try:
            with kept_from_model(called):
                _call_begin(called, batch, logs)
            looked = self._lookout.has_changed()
            if self._begins and self._changes.any_looked(looked, f"before batch {count + 1}"):
                self._forecast.note(count, batch)
        finally:
            self._lookout.end(stays_ahead=False)

    def remember(self, span: Span) -> None:
        """Prepare for following a span, which is started next."""
        self._lookout.remember(span, self._wakes.finds_not_finite)

    def goes_on(self, count: int, batch: int) -> bool:
        """Return whether another span may be started before hooks are called for the one that ends here."""
        may = self.follows and not self._begins and self._lookout.is_possible and not self._wakes.is_due(count)
        return may and not self._forecast.is_expected(count, batch)

    def return_to_hooks(self) -> None:
        """Go back to the batch whose hooks come next."""
        self._lookout.return_to_hooks()

    def wake(self, span: StartedSpan, count: int, is_finite: bool, so_far: SoFar) -> bool:
        """Call the end hooks of those who are woken where a span ended; return whether there are any.

        Args:
            span: It may still be running: it is waited for when somebody reads the logs.
            count: Batches finished since the run began.
            is_finite: Whether the last loss is finite, or nobody asks.
            so_far: Returns the means of the epoch up to the span's end.
        """
        if woken := self._wakes.in_order(self._wakes.ending(count, is_finite)):
            facts = {"batch": span.end - 1, "size": span.size}
            self._call_end(woken, span, so_far, Logs(facts, self._names, lambda: span.rows()[-1]))
        return bool(woken)

    def follow(
        self, span: StartedSpan, count: int, is_finite: bool, interrupted: Callable[[], bool], so_far: SoFar
    ) -> bool:
        """Call the followers' hooks for each batch of a span that has run, and where it ended those that are woken.

        Whatever ends this, `span.count` is the number of batches that count as run, and the engine is in their state,
        unless this returns that it may stay ahead: all hooks were called, and changed nothing.

        Args:
            span: The span.
            count: Batches finished since the run began, those of the span included.
            is_finite: Whether the last loss is finite, or nobody asks.
            interrupted: Returns whether what is ahead is to be forgotten; called after each batch.
            so_far: Returns the means of the epoch up to the span's end.
        """
        lookout, asked, since, stays_ahead = self._lookout, span.count, time.perf_counter(), False
        self._changes.begin(f"at the hooks of batches {count - asked + 1} to {count}")
        times = self._wakes.times()
        lookout.begin(asked)
        try:
            with kept_from_model(self._wakes.followers):
                stays_ahead = self._follow(span, count, is_finite, interrupted, so_far) and is_finite
            looked, stays_ahead = self._settle(span.first, stays_ahead, is_finite)
            if lookout.at < asked:
                self._wakes.return_to(times)  # in which some processes have woken those at the span's end
        finally:
            span.count = lookout.at
            lookout.end(stays_ahead)
        if looked:
            self._forecast.note(count - asked + span.count, span.end)
        else:
            self._forecast.note_none()
            self._accord.learn(self._pace, span.count, time.perf_counter() - since)
        return stays_ahead

    def _settle(self, first: int, stays_ahead: bool, is_finite: bool) -> tuple[bool, bool]:
        """Return whether hooks have looked at the model, and whether the state may stay ahead; agree on it."""
        if self._accord.is_alone:
            return self._lookout.looked, stays_ahead
        place = self._changes.settle(changed=is_finite and not stays_ahead, first=first)
        self.is_begun = self._changes.in_begin
        return place is not None, stays_ahead and place is None

    def _follow(
        self, span: StartedSpan, count: int, is_finite: bool, interrupted: Callable[[], bool], so_far: SoFar
    ) -> bool:
        """Return whether all hooks were called and changed nothing."""
        lookout, signals, size, first = self._lookout, self._signals, span.size, span.first
        last, has_changed, changes = span.end - 1, lookout.has_changed, self._changes
        signals.deliver_early()  # what came while the span was run; from now on it is delivered as it comes
        for batch, row in enumerate(span.rows(), first):
            if self._begins and first < batch >= changes.begun:
                changes.in_begin = True
                _call_begin(self._begins, batch, Logs({"batch": batch, "size": size}))
                if has_changed():
                    self.is_begun = True
                    return False
                changes.in_begin = False
            lookout.at = batch + 1 - first
            woken = self._wakes.ending(count, is_finite) if batch == last else ()
            if batch < changes.ended:
                continue  # its hooks were called before all processes went back
            logs = Logs(zip(self._keys, (batch, size, *row), strict=True))
            if woken:
                called = self._wakes.in_order([*self._wakes.followers, *woken])
                self._call_end(called, span, so_far, logs)
            else:
                for end in self._ends:
                    end(batch, logs)
            if has_changed() or interrupted():
                return False
        return True

    def _call_end(self, watchers: Sequence[BatchHooks], span: StartedSpan, so_far: SoFar, logs: Logs) -> None:
        """Call the end hooks of the last batch of a span."""
        batch, facts = span.end - 1, {"batch": span.end - 1, "size": span.size}
        for watcher in watchers:
            if watcher.begin and isinstance(watcher.cadence, WhenNotFinite) and not watcher.follows:
                watcher.begin(batch, Logs(facts))
            if watcher.end and watcher.reads_means:
                watcher.end(batch, Logs(facts, self._names, lambda: so_far(span)))
            elif watcher.end:
                watcher.end(batch, logs)


def _call_begin(watchers: Sequence[BatchHooks], batch: int, logs: Logs) -> None:
    for watcher in watchers:
        if watcher.begin:
            watcher.begin(batch, logs)
