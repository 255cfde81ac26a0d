"""The one training loop. Engines execute spans of batches, callbacks watch, and they meet only here."""

from __future__ import annotations

import math
from typing import Any

from . import callback_states, saved_run
from .alike import check_alike, check_same_weights
from .callback import Dispatcher
from .logs import Logs, validation_name
from .phase_runner import PhaseRunner
from .processes import THIS
from .protocols import RunSaver
from .run import Run
from .run_state import RunState
from .validated import check_validated
from .wakes import Phase


def fit(run: Run) -> None:
    """Train until the last epoch or until a callback stops it.

    Raises:
        BaseException: What a hook, the data or the engine raised; before that, every callback's
            `on_exception` and `close` have been called.
    """
    with run.signals.handled(), run.hooks, run.training:
        saved = saved_run.find(run)
        check_alike(run, saved)
        if saved is not None and saved.is_finished_at(run.epochs):
            saved_run.restore_end(run, saved)
        else:
            _train(run, saved)


def _train(run: Run, saved: RunState | None) -> None:
    run.model.stop_training = False
    run.hooks.stop_reason.clear()
    check_validated(run)
    callback_states.warn_of_shared_paths(run.hooks.callbacks)
    run.hooks("on_train_begin", Logs())
    run.meet("at the beginning")
    run.epoch = run.first_epoch(run.epoch)
    if saved is not None:
        saved_run.restore(run, saved)
    if run.accord.take().save:
        _save(run, _due(run), begins=saved is None)
    while run.epoch < run.epochs and (run.epoch_open or not run.stopped()):
        _epoch(run)
    at_last_epoch_end = saved_run.gather(run) if run.savers else None
    if at_last_epoch_end is not None:
        for parts in at_last_epoch_end.parts().values():
            parts.lend()
    run.hooks("on_train_end", run.logs)
    if at_last_epoch_end is not None:
        _save_finished(run, at_last_epoch_end)
    if run.signals.pending:
        _deliver(run)


def _epoch(run: Run) -> None:
    epoch, training = run.epoch, run.training
    training.begin(epoch, training.batch if run.epoch_open else 0)
    if not run.epoch_open:
        run.engine.reset_metrics("train")
        run.hooks("on_epoch_begin", epoch, Logs())
        run.meet("at the beginning")
        if run.stopped():
            return  # there was no such epoch
        run.epoch_open = True
    for _ in training.spans(run.is_interrupted):
        if not training.is_amid_batch:
            _end_moment(run)
    run.hooks.stop_reason.batches = training.batch
    training.end_epoch()
    logs = epoch_logs(training, "train")
    if (testing := run.due_validation()) is not None and (training.ended or run.validates_when_stopped):
        logs.update({validation_name(name): value for name, value in evaluate(testing, run.hooks).items()})
    run.hooks("on_epoch_end", epoch, logs)
    run.meet("at the end")
    check_same_weights(run, f"at the end of epoch {epoch + 1}")
    run.epoch, run.epoch_open, training.batch, run.logs = epoch + 1, False, 0, logs
    _end_moment(run)


def _end_moment(run: Run) -> None:
    """Save what was asked for, and let a signal take its course; every hook of the moment has been called."""
    run.hooks.writer.check()
    asked = run.accord.take()
    if run.savers and (asked.save or asked.signal):
        _save(run, run.savers if asked.signal else _due(run))
    if asked.signal:
        _deliver(run)


def _due(run: Run) -> list[RunSaver]:
    """Return the callbacks that are to save the run: all, if it is another process in which they want to."""
    return [saver for saver in run.savers if saver.save_due] or run.savers


def _save(run: Run, savers: list[RunSaver], begins: bool = False) -> None:
    state = saved_run.gather(run, begins)
    for saver in savers:
        if THIS.is_primary or run.saves_parts:
            saver.save_run(state)
        saver.save_due = False
    if begins:  # a kill before this is on the disk would leave in logs what no saved run knows of
        _wait(run)


def _save_finished(run: Run, at_last_epoch_end: RunState) -> None:
    """Save the run as finished, unless a loss that isn't finite ended it; `on_train_end` has been called."""
    if math.isfinite(run.logs.get("loss", 0.0)):
        state = saved_run.finished(run, at_last_epoch_end)
        for saver in run.savers if THIS.is_primary or run.saves_parts else ():
            saver.save_run(state)


def _deliver(run: Run) -> None:
    """Let signals take their course once what was saved is on the disk: a script's handler may end the process."""
    _wait(run)
    run.signals.deliver()


def _wait(run: Run) -> None:
    """Wait until what was saved is on the disk."""
    for saver in run.savers:
        saver.wait()
    run.hooks.writer.check()


def epoch_logs(done: PhaseRunner, phase: Phase) -> Logs:
    """Return the means over a phase's batches, and the results of metrics that are no means; empty without a batch."""
    logs = Logs(zip(done.engine.names(phase), done.means.values(), strict=False))
    if logs:
        logs.update(done.engine.metric_results(phase))
    return logs


def evaluate(testing: PhaseRunner, hooks: Dispatcher) -> Logs:
    """Return the means of the loss and the metrics over all the data, calling the test hooks."""
    hooks("on_test_begin", Logs())
    testing.engine.reset_metrics("test")
    testing.begin(0)
    testing.stop.clear()
    with testing:
        testing.stop.meet("at the beginning of an evaluation")
        for _ in testing.spans():
            pass
        testing.end_epoch()
    logs = epoch_logs(testing, "test")
    hooks("on_test_end", logs)
    return logs


def predict(predicting: PhaseRunner, hooks: Dispatcher) -> list[Any]:
    """Return the output of each batch, on the host, calling the predict hooks."""
    hooks("on_predict_begin", Logs())
    predicting.begin(0)
    predicting.stop.clear()
    with predicting:
        predicting.stop.meet("at the beginning of a prediction")
        outputs = [row[0] for span in predicting.spans() for row in span.rows()]
        predicting.end_epoch()
    hooks("on_predict_end", Logs())
    return outputs
