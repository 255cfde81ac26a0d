"""Runs batches span by span: in an epoch of training, an evaluation or a prediction."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from ..data.batches import Span
from ..data.cursor import CLOSE_SECONDS, HURRY_SECONDS
from ..messages.printing import warn
from .accord import Accord
from .batch_hooks import BatchHookCaller
from .callback import Dispatcher
from .data_wait import DataWait
from .engine import Engine, Result
from .means import Means
from .processes import THIS
from .protocols import Data
from .signals import Signals
from .started_span import StartedSpan
from .stop_flag import StopFlag
from .user_code import are_users
from .wakes import Phase, ThroughputEstimate, WakeSchedule

RUN_AHEAD = 32
"""Spans that may be under way on the device, at most, while the host goes on."""


class PhaseRunner:
    """Runs batches on an engine, and calls the batch hooks of the callbacks.

    Args:
        phase: "train", "test" or "predict": which hooks are called and what the engine does.
        engine: Executes the spans.
        data: Gives the batches.
        hooks: The callbacks' hooks.
        signals: Keeps Ctrl-C away while the engine's state is replaced.
        accord: Lets several processes decide alike; that of the engine, without wishes, if None.

    Attributes:
        engine: Executes the spans.
        stop: Whether a hook has asked to end.
        batch: The index in the epoch of the next batch.
        count: Batches finished since the run began, in all epochs.
        means: The sums for the epoch's means.
    """

    def __init__(
        self, phase: Phase, engine: Engine, data: Data, hooks: Dispatcher, signals: Signals,
        accord: Accord | None = None,
    ) -> None:  # fmt: skip
        self.engine, self._accord = engine, accord or Accord(engine.least)
        self._execute: Callable[[Span, bool, Result | None], Result] = getattr(engine, phase)
        self._averages = phase != "predict"
        self._data, self._signals = data, signals
        self._wait = DataWait(hooks.model, data)
        self.stop = StopFlag(phase, hooks.model, self._accord)
        watchers = hooks.watchers(phase)
        self._wakes, self._pace = WakeSchedule(watchers, self._accord.clock), ThroughputEstimate()
        names: Sequence[str] = engine.names(phase) if self._averages else ("outputs",)
        lookout = engine.lookout(phase, signals.uninterrupted)
        self._caller = BatchHookCaller(self._wakes, lookout, signals, names, self._accord)
        self._breaks = self._wakes.finds_not_finite and self._averages
        # A user's hook at a loss that isn't finite may draw random numbers, or anything, before data are read on
        self._chains = self._breaks and (self._caller.follows or not are_users(watchers))
        if self._chains or self._caller.follows:
            data.keep_one_more()
        self._in_flight: deque[StartedSpan] = deque()  # the host may be ahead of the device
        self._since = 0.0  # when the first of them began
        self._chunk_before: StartedSpan | None = None  # the last span of that chunk
        self._broken: StartedSpan | None = None  # which ended at a loss that somebody waits for
        self._failure: tuple[int, Exception] | None = None  # a batch that can't be given or run, and why
        self._epoch = self.batch = self.count = 0
        self.means = Means()

    def __enter__(self) -> PhaseRunner:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._caller.follows and not self.engine.lost:
            self._return_to_hooks()
        ended = self._data.close(CLOSE_SECONDS if error is None else HURRY_SECONDS)
        if not ended and error is None:
            warn(
                f"the data are still being asked for a batch after {CLOSE_SECONDS:g} s: they are left to it in the "
                f"background, and an iterator can't be used again."
            )

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch; an epoch's start also forgets the means."""
        self._data.begin(epoch, batch)
        self._epoch, self.batch, self._failure = epoch, batch, None
        if batch == 0:
            self.means = Means()
            self._caller.begin_epoch()

    def spans(self, interrupted: Callable[[], bool] | None = None) -> Iterator[StartedSpan]:
        """Run the rest of the epoch, or until a hook asks to end; yield after each span, when its hooks were called.

        Args:
            interrupted: Returns whether to end here, or to do something else, before the next batch; called after each
                batch whose hooks are called after its span. None for whether a hook has asked to end.
        """
        interrupted = interrupted or (lambda: self.stop.is_set)
        while self.is_amid_batch or not self.stop.is_set:
            size = self._next_size()
            beginning = self._wakes.beginning(self.count) if size else []
            if (beginning or self._ends_run_of(size)) and (done := self._catch_up(interrupted)):
                yield done  # it may have brought this back into the epoch
                continue
            if not size:
                if self._known_error is not None:
                    continue  # it is raised now
                break
            self._caller.begin(self.count, self.batch, size, beginning)
            try:
                started = self._start(size)
            except Exception as error:
                if not self._is_raised_later(error):
                    raise
                continue
            if not self._is_followed_later(started):
                yield self._call_ends(started, interrupted)
        self.settle()

    def _ends_run_of(self, size: int) -> bool:
        """Return whether hooks must be called before batches of this size are started; 0 is the epoch's end.

        The program for another size may have to be compiled, and then takes up what hooks have set.
        """
        return not size or (self._caller.follows and bool(self._in_flight) and size != self._in_flight[-1].size)

    @property
    def is_amid_batch(self) -> bool:
        """Whether hooks have been called for the beginning of the next batch."""
        return self._caller.is_begun

    @property
    def ended(self) -> bool:
        """Whether no batch of the epoch is left."""
        return self._data.next_size() == 0

    def end_epoch(self) -> None:
        """Tell the data that all batches of the epoch were used, if they were."""
        if self.ended:
            self._data.end_epoch()

    def settle(self) -> StartedSpan | None:
        """Wait for everything started whose hooks have been called, forget the rest, and bring the means up to it.

        Return the span that ended at a loss that isn't finite, if there is one; the hooks for that have been called.
        """
        if self._caller.follows:
            self._return_to_hooks()
        elif self._in_flight:
            self._wait_for(self._in_flight[-1])
        self._wait.count()
        if (broken := self._broken) is not None:
            self._wake(broken)
        return broken

    # Starting a span

    def _next_size(self) -> int:
        """Return the number of samples in the next batch; 0 where hooks must be called before an error."""
        if (error := self._known_error) is not None:
            if self._in_flight:
                return 0
            raise error
        if not self._accord.is_alone:
            THIS.at(f"waits for batch {self.batch + 1} of epoch {self._epoch + 1}")
        try:
            return self._data.next_size()
        except Exception as error:
            if not self._is_raised_later(error):
                raise
            return 0

    @property
    def _known_error(self) -> Exception | None:
        """What the next batch is known to raise, if it is."""
        batch, error = self._failure or (-1, None)
        return error if batch == self.batch else None

    def _is_raised_later(self, error: Exception) -> bool:
        """Return whether batches that were started come before the next one's error: their hooks, or a loss of NaN."""
        if not (self._in_flight and (self._caller.follows or self._chains) and self._accord.is_alone):
            return False
        self._failure = self.batch, error
        return True

    def _start(self, size: int) -> StartedSpan:
        """Start the next span, and wait for it, or for others before it, where the host must not be further ahead."""
        signals = self._signals
        span = self._data.span(self._caller.batches(self.count, self.batch, self._pace))
        self._wait.count()
        signals.held = signals.replacing = True
        try:
            if not self._in_flight:
                self._since = time.perf_counter()
            started = StartedSpan(self._executed(span), self.batch, span.count, size)
            signals.replacing = False
            self._in_flight.append(started)
            self._advance(span.count)
            ends_chunk = span.at + span.count == span.chunk.count
            if ends_chunk:
                self._data.prepare(self._epoch + 1)  # the device is busy, the host is not
            if not self._caller.follows:
                if (self._breaks and not self._chains) or self._is_far_ahead():
                    self._wait_for(started)
                if ends_chunk:
                    self._end_chunk(started)
        finally:
            signals.held = signals.replacing = False
        return started

    def _executed(self, span: Span) -> Result:
        behind = self._in_flight[-1].result if self._chains and self._in_flight else None
        try:
            if self._caller.follows and (span.count > 1 or self._in_flight):
                self._caller.remember(span)
            return self._execute(span, self._breaks, behind)
        except Exception as error:
            first, last = self.batch + 1, self.batch + span.count
            batches = f"batch {last}" if span.count == 1 else f"batches {first} to {last}"
            error.add_note(f"This was raised for {batches} of epoch {self._epoch + 1}, counted from 1.")
            raise

    def _advance(self, batches: int) -> None:
        self._data.advance(batches)
        self.batch += batches
        self.count += batches

    def _go_back_to(self, batch: int) -> None:
        """Let a batch of the epoch be the next one again."""
        if batches := self.batch - batch:
            self._data.go_back(batches)
            self.batch -= batches
            self.count -= batches

    def _end_chunk(self, started: StartedSpan) -> None:
        """Wait for the chunk before, so that two at most are with the device: one it works on, and the next."""
        before, self._chunk_before = self._chunk_before, started
        if before in self._in_flight:
            self._wait_for(before)

    def _is_far_ahead(self) -> bool:
        batches = sum(started.count for started in self._in_flight)
        return len(self._in_flight) >= RUN_AHEAD or batches >= self._pace.batches_in(self._wakes.seconds)

    # What became of it

    def _wait_for(self, last: StartedSpan) -> None:
        """Wait until a span has run, and all before it; learn the pace and add their values to the means.

        If one ended at a loss that somebody waits for, those after it weren't run, and are forgotten.
        """
        batches, cold = 0, False
        with THIS.waiting():
            last.count = last.result.count()
        now = time.perf_counter()
        while self._in_flight:
            started = self._in_flight.popleft()
            started.count = started.result.count()
            batches, cold = batches + started.count, cold or started.result.cold
            if not self._caller.follows:
                self._add_to_means(started)
            if self._breaks and not started.is_finite:
                self._broken = started
                self._in_flight.clear()
                self._go_back_to(started.end)
            if started is last:
                break
        if batches and not cold:
            self._accord.learn(self._pace, batches, now - self._since)
        self._since = now

    def _add_to_means(self, span: StartedSpan) -> None:
        if self._averages:
            self.means.add(span.sums(), span.size, span.counts)

    def _so_far(self, span: StartedSpan) -> Sequence[object]:
        """Return the epoch's means up to a span whose hooks are called; what is no mean is averaged over batches."""
        if not self._averages or self.engine.logs_so_far:
            return span.rows()[-1]
        means, flight = self.means, self._in_flight  # neither is changed: of several processes only one may ask
        behind = list(flight)[: flight.index(span) + 1] if span in flight else [span] if self._caller.follows else []
        for started in behind:
            means = means.with_more(started.sums(), started.size, started.counts)
        return means.values()

    # Calling the hooks

    def _is_followed_later(self, started: StartedSpan) -> bool:
        """Return whether the device is to work on the next span while hooks are called for this one."""
        alone = len(self._in_flight) == 1 and started.count > 1
        return alone and self._caller.goes_on(self.count, self.batch)

    def _catch_up(self, interrupted: Callable[[], bool]) -> StartedSpan | None:
        """Call hooks that wait for what has been started; return the span if there are any."""
        if self._caller.follows:
            return self._follow(interrupted) if self._in_flight else None
        return self.settle() if self._chains else None

    def _call_ends(self, started: StartedSpan, interrupted: Callable[[], bool]) -> StartedSpan:
        """Call the hooks of the oldest span whose hooks weren't called yet, and return it."""
        if self._caller.follows:
            return self._follow(interrupted)
        self._signals.deliver_early()
        if self._chains and self._broken is None:
            if not self._wakes.is_due(self.count):
                return started  # nobody is to be woken, as far as is known
            self._wait_for(started)
        self._wake(started)
        return started

    def _wake(self, started: StartedSpan) -> None:
        broken, self._broken = self._broken, None
        woken = self._caller.wake(broken or started, self.count, broken is None, self._so_far)
        if self._accord.is_due(started.count, self._pace.batches_in(self._wakes.seconds)) or woken:
            self.stop.meet(f"after batch {self.count}")

    def _follow(self, interrupted: Callable[[], bool]) -> StartedSpan:
        """Call the followers' hooks for the oldest span; if they change anything, forget what is ahead of them."""
        oldest, self._signals.held = self._in_flight[0], True
        try:
            self._wait_for(oldest)
        finally:
            self._signals.held = False
        broken, self._broken = self._broken, None
        count, stays_ahead = self.count - (self.batch - oldest.end), False
        try:
            stays_ahead = self._caller.follow(oldest, count, broken is None, interrupted, self._so_far)
        finally:
            self._add_to_means(oldest)
            if not stays_ahead:
                self._in_flight.clear()
                self._go_back_to(oldest.end)
        if not stays_ahead:
            self.stop.meet(f"after batch {self.count}")
        return oldest

    def _return_to_hooks(self) -> None:
        """Forget spans whose hooks haven't been called."""
        if self._in_flight:
            self._caller.return_to_hooks()
            self._go_back_to(self._in_flight[0].first)
            self._in_flight.clear()
