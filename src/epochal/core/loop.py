"""The one training loop. Engines execute spans of batches, callbacks watch, and they meet only here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import run_state
from .callback import Dispatcher
from .logs import Logs
from .passes import Pass
from .protocols import Data, Engine
from .signals import Signals


@dataclass
class Validation:
    """What an epoch is validated on, and in which epochs.

    Attributes:
        data: The batches.
        freq: Every how many epochs, or the epochs' numbers counted from 1.
    """

    data: Data
    freq: int | Iterable[int] = 1

    def is_due(self, epoch: int) -> bool:
        """Say whether the epoch, counted from 0, is validated."""
        if isinstance(self.freq, int):
            return (epoch + 1) % self.freq == 0
        return epoch + 1 in self.freq


@dataclass
class Run:
    """A fit under way: who takes part in it, and where it is.

    Attributes:
        engine: Executes the steps and holds what they change.
        model: What callbacks know as `self.model`; `stop_training` is read from it.
        call: The callbacks.
        data: The training batches.
        epochs: The number of the last epoch, counted from 1.
        validation: What epochs are validated on, if anything.
        epoch: The epoch under way, or to come, counted from 0.
        logs: Those of the last epoch that ended.
    """

    engine: Engine
    model: Any
    call: Dispatcher
    data: Data
    epochs: int
    validation: Validation | None = None
    epoch: int = 0

    def __post_init__(self) -> None:
        self.savers: list[Any] = [c for c in self.call.callbacks if hasattr(c, "save_run")]
        self.signals = Signals(can_save=bool(self.savers))
        self.training = Pass("train", self.engine, self.data, self.call, self.signals)
        self.testing = self.validation and Pass("test", self.engine, self.validation.data, self.call, self.signals)
        self.under_way = False  # whether the epoch's on_epoch_begin has been called
        self.named_as_stateless: set[str] = set()
        self.logs = Logs()

    def stopped(self) -> bool:
        """Say whether a callback asked to end the fit."""
        return bool(self.model.stop_training)

    def end_moment(self) -> None:
        """Save what was asked for, and let a signal take its course; every hook of the moment has been called."""
        self.call.writer.check()
        pending = self.signals.pending
        due = [saver for saver in self.savers if pending or saver.save_due]
        if due:
            state = run_state.gather(self)
            for saver in due:
                saver.save_run(state)
        if pending:
            self.signals.deliver()

    def finish(self, at_last_epoch_end: dict[str, Any]) -> None:
        """Save the run as finished, unless a loss that isn't finite ended it; `on_train_end` has been called."""
        if math.isfinite(self.logs.get("loss", 0.0)):
            for saver in self.savers:
                saver.save_run(run_state.finish(self, at_last_epoch_end))
        self.signals.deliver()


def fit(run: Run) -> None:
    """Train until the last epoch or until a callback stops it.

    Raises:
        BaseException: What a hook, the data or the engine raised; before that, every callback's
            `on_exception` and `close` have been called.
    """
    with run.signals.handled():
        try:
            saved = run_state.find(run)
            if saved is not None and run_state.is_finished(saved, run.epochs):
                run_state.restore_finished(run, saved)
            else:
                _train(run, saved)
        except BaseException as error:
            run.call.close(error)
            raise
        run.call.close()


def _train(run: Run, saved: Mapping[str, Any] | None) -> None:
    run.call("on_train_begin", Logs())
    if saved is not None:
        run_state.restore(run, saved)
    while run.epoch < run.epochs and not run.stopped():
        _epoch(run)
    ended = run_state.gather(run) if run.savers else {}
    run.call("on_train_end", run.logs)
    run.finish(ended)


def _epoch(run: Run) -> None:
    epoch, training = run.epoch, run.training
    training.begin(epoch, training.batch if run.under_way else 0)
    if not run.under_way:
        run.engine.reset_metrics("train")
        run.under_way = True
        run.call("on_epoch_begin", epoch, Logs())
    for _ in training.spans(run.stopped):
        run.end_moment()
    logs = epoch_logs(training, "train")
    if run.validation and run.validation.is_due(epoch) and training.ended:
        assert run.testing is not None
        values = evaluate(run.testing, run.call)
        logs.update({f"val_{name}": value for name, value in values.items()})
    run.call("on_epoch_end", epoch, logs)
    run.epoch, run.under_way, training.batch, run.logs = epoch + 1, False, 0, logs
    run.end_moment()


def epoch_logs(done: Pass, phase: str) -> Logs:
    """Return a pass's means, and the own results of metrics that are no means; empty if no batch was run."""
    logs = Logs(zip(done.engine.names, done.means.values(), strict=False))
    if logs:
        logs.update(done.engine.metric_results(phase))
    return logs


def evaluate(testing: Pass, call: Dispatcher) -> Logs:
    """Return the means of loss and metrics over all the data of a pass, calling the test hooks."""
    call("on_test_begin", Logs())
    testing.engine.reset_metrics("test")
    testing.begin(0)
    for _ in testing.spans():
        pass
    logs = epoch_logs(testing, "test")
    call("on_test_end", logs)
    return logs


def predict(predicting: Pass, call: Dispatcher) -> list[Any]:
    """Return the output of each batch, on the host, calling the predict hooks."""
    call("on_predict_begin", Logs())
    predicting.begin(0)
    outputs = [row[0] for result in predicting.spans() for row in result.rows()]
    call("on_predict_end", Logs())
    return outputs
