"""Runs batches span by span: in an epoch of training, an evaluation or a prediction."""

from __future__ import annotations

import functools
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from ..data.batches import Span
from ..data.cursor import CLOSE_SECONDS
from ..messages.printing import warn
from .cadence import WhenNotFinite
from .callback import Dispatcher, Phase
from .logs import Logs
from .means import Means
from .protocols import Data, Engine, LoggedResult, Model, Result
from .signals import Signals
from .wakes import ThroughputEstimate, WakeSchedule

HURRY_SECONDS = 1.0
"""How long data are waited for when an error has ended a phase."""

RUN_AHEAD = 32
"""Spans that may be under way on the device, at most, while the host goes on."""


@dataclass(eq=False)
class _Started:
    """A span that may still be running.

    Attributes:
        result: Its result.
        count: The number of its batches.
        size: Samples a batch.
    """

    result: Result
    count: int
    size: int


class PhaseRunner:
    """Runs batches on an engine, and calls the batch hooks of the callbacks.

    Args:
        phase: "train", "test" or "predict": which hooks are called and what the engine does.
        engine: Executes the spans.
        data: Gives the batches.
        hooks: The callbacks' hooks.
        signals: Keeps Ctrl-C away while the engine's state is replaced.

    Attributes:
        engine: Executes the spans.
        batch: The index in the epoch of the next batch.
        count: Batches finished since the run began, in all epochs.
        means: The sums for the epoch's means.
    """

    def __init__(self, phase: Phase, engine: Engine, data: Data, hooks: Dispatcher, signals: Signals) -> None:
        self.engine = engine
        self._execute: Callable[[Span, bool], Result] = getattr(engine, phase)
        self._names: Sequence[str] = ("outputs",) if phase == "predict" else engine.names
        self._averages = phase != "predict"
        self._data, self._signals = data, signals
        self._model, self._counted = hooks.model, 0.0
        self._wakes, self._pace = WakeSchedule(hooks.watchers(phase)), ThroughputEstimate()
        self._in_flight: deque[_Started] = deque()  # the host may be ahead of the device
        self._since = 0.0  # when the first of them began
        self._chunk_before: _Started | None = None  # the last span of that chunk
        self._epoch = self.batch = self.count = 0
        self.means = Means()

    def __enter__(self) -> PhaseRunner:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        ended = self._data.close(CLOSE_SECONDS if error is None else HURRY_SECONDS)
        if not ended and error is None:
            warn(
                f"the data are still being asked for a batch after {CLOSE_SECONDS:g} s: they are left to it in the "
                f"background, and an iterator can't be used again."
            )

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch; an epoch's start also forgets the means."""
        self._data.begin(epoch, batch)
        self._epoch, self.batch = epoch, batch
        if batch == 0:
            self.means = Means()

    def spans(self, stopped: Callable[[], bool] = lambda: False) -> Iterator[Result]:
        """Run the rest of the epoch; yield after each span, when all its hooks have been called.

        Args:
            stopped: Returns whether to end here; called before each span.
        """
        while not stopped() and (size := self._data.next_size()):
            beginning = self._wakes.beginning(self.count)
            if beginning:
                begin_logs = Logs({"batch": self.batch, "size": size})
                for watcher in beginning:
                    watcher.begin(self.batch, begin_logs)  # pyright: ignore[reportOptionalCall]
            first = self.batch
            result = self._run_span(size)
            self._signals.deliver_early()
            self._wake(result, first, size)
            yield result
        self.settle()

    @property
    def ended(self) -> bool:
        """Whether no batch of the epoch is left."""
        return self._data.next_size() == 0

    def end_epoch(self) -> None:
        """Tell the data that all batches of the epoch were used, if they were."""
        if self.ended:
            self._data.end_epoch()

    def _run_span(self, size: int) -> Result:
        span, signals = self._data.span(self._wakes.length(self.count, self._pace)), self._signals
        self._count_waiting()
        signals.held = signals.replacing = True
        try:
            if not self._in_flight:
                self._since = time.perf_counter()
            started = _Started(self._started_span(span), span.count, size)
            signals.replacing = False
            self._in_flight.append(started)
            ends_chunk = span.at + span.count == span.chunk.count
            if ends_chunk:
                self._data.prepare(self._epoch + 1)  # the device is busy, the host is not
            if self._wakes.finds_not_finite or self._is_far_ahead():
                self._wait_for(started)
            self._data.advance(started.count)
            self.batch += started.count
            self.count += started.count
            if ends_chunk:
                self._end_chunk(started)
        finally:
            signals.held = signals.replacing = False
        return started.result

    def _end_chunk(self, started: _Started) -> None:
        """Wait for the chunk before, so that two at most are with the device: one it works on, and the next."""
        before, self._chunk_before = self._chunk_before, started
        if before in self._in_flight:
            self._wait_for(before)

    def _started_span(self, span: Span) -> Result:
        try:
            return self._execute(span, self._wakes.finds_not_finite)
        except Exception as error:
            first, last = self.batch + 1, self.batch + span.count
            batches = f"batch {last}" if span.count == 1 else f"batches {first} to {last}"
            error.add_note(f"This was raised for {batches} of epoch {self._epoch + 1}, counted from 1.")
            raise

    def _count_waiting(self) -> None:
        waited = self._data.waited
        if waited != self._counted:
            self._model.data_wait = getattr(self._model, "data_wait", 0.0) + waited - self._counted
            self._counted = waited

    def _is_far_ahead(self) -> bool:
        batches = sum(started.count for started in self._in_flight)
        return len(self._in_flight) >= RUN_AHEAD or batches >= self._pace.batches_in(self._wakes.seconds)

    def _wait_for(self, last: _Started) -> None:
        """Wait until a span has run, and all before it; learn the pace and add their values to the means."""
        batches, cold = 0, False
        last.count = last.result.count()
        now = time.perf_counter()
        while self._in_flight:
            started = self._in_flight.popleft()
            batches, cold = batches + started.count, cold or started.result.cold
            if self._averages:
                result = cast("LoggedResult", started.result)
                self.means.add(result.sums(), started.size, result.counts)
            if started is last:
                break
        if batches and not cold:
            self._pace.learn(batches, now - self._since)
        self._since = now

    def settle(self) -> None:
        """Wait for everything started and bring the means up to it."""
        if self._in_flight:
            self._wait_for(self._in_flight[-1])
        self._count_waiting()

    def _wake(self, result: Result, first: int, size: int) -> None:
        if self._wakes.replays:
            self._replay(result, first, size)
        logs = Logs(
            {"batch": self.batch - 1, "size": size},
            self._names,
            functools.partial(_last, result, self.batch - 1 - first),
        )
        woken = self._wakes.ending(self.count, lambda: math.isfinite(logs.get("loss", 0.0)))
        for watcher in woken:
            if isinstance(watcher.cadence, WhenNotFinite) and watcher.begin:
                watcher.begin(self.batch - 1, Logs({"batch": self.batch - 1, "size": size}))
            if watcher.end:
                watcher.end(self.batch - 1, logs)

    def _replay(self, result: Result, first: int, size: int) -> None:
        """Call every batch hook of the callbacks that only read logs, as if each batch had been a span."""
        rows = result.rows()
        with ExitStack() as stack:
            for watcher in self._wakes.replays:
                stack.enter_context(replayed(watcher.callback))
            for batch in range(first, self.batch):
                facts = {"batch": batch, "size": size}
                logs = Logs(facts | dict(zip(self._names, rows[batch - first], strict=True)))
                for watcher in self._wakes.replays:
                    if watcher.begin:
                        watcher.begin(batch, Logs(facts))
                    if watcher.end:
                        watcher.end(batch, logs)


def _last(result: Result, at: int) -> Any:
    return result.rows()[at]


class Replayed:
    """Stands for the model while hooks are replayed: it can be told to stop, and asked for nothing else."""

    def __init__(self, model: Model, owner: str) -> None:
        self.__dict__.update(_model=model, _owner=owner)

    def __getattr__(self, name: str) -> Any:
        if name == "stop_training":
            return self._model.stop_training
        raise RuntimeError(
            f"{self._owner} has replay = True: its batch hooks run after the whole span, when model.{name} is no "
            f"longer that of the batch. Set replay = False to be woken at each batch."
        )

    def __setattr__(self, name: str, value: object) -> None:
        if name != "stop_training":
            self.__getattr__(name)
        self._model.stop_training = value


@contextmanager
def replayed(callback: Any) -> Generator[None]:
    """Put a `Replayed` in the place of the callback's model for a while."""
    model = callback.model
    callback.model = Replayed(model, type(callback).__name__)
    try:
        yield
    finally:
        callback.model = model
