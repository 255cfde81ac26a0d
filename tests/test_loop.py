"""What happens when in a fit: the order of hooks, what their logs hold, and what an error leaves."""

import itertools
import json

import numpy as np
import pytest
from interrupted import Raises
from numpy_engine import Model, Recorder, X, Y, fit, make_run

from epochal.callbacks import Callback, History, TerminateOnNaN
from epochal.core import loop
from epochal.core.phase_runner import PhaseRunner
from epochal.core.run import Validation
from epochal.core.signals import Signals
from epochal.data.array_data import ArrayData

BATCH = ["on_train_batch_begin", "on_train_batch_end"]
TEST = ["on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end"]


def validation(samples=4):
    return ArrayData(X[:samples], Y[:samples], batch_size=4)


class Stops(Callback):
    """Stops the training in one hook, in the batch or epoch given."""

    def __init__(self, hook, at=None):
        setattr(self, hook, self._stop)
        self.at = at

    def _stop(self, *arguments):
        if self.at in (None, arguments[0]):
            self.model.stop_training = True


# Order


def test_the_hooks_of_a_fit_in_order():
    recorder = Recorder()
    fit([recorder], epochs=2, validation=validation())
    epoch = ["on_epoch_begin", *BATCH * 3, *TEST, "on_epoch_end"]
    assert recorder.names() == ["on_train_begin", *epoch * 2, "on_train_end"]


def test_params_and_model_are_set_before_train_begin():
    order = []

    class Told(Callback):
        def set_params(self, params):
            order.append("params")

        def set_model(self, model):
            order.append("model")

        def on_train_begin(self, logs=None):
            order.append("train begin")

    fit([Told()], epochs=1)
    assert order == ["params", "model", "train begin"]


def test_one_dict_of_params_is_shared():
    first, second = Callback(), Callback()
    fit([first, second], epochs=4, validation=validation())
    assert first.params is second.params
    assert first.params == {
        "verbose": 0,
        "batch_size": 4,
        "epochs": 4,
        "steps": 3,
        "samples": 10,
        "do_validation": True,
        "metrics": ["loss", "error", "val_loss", "val_error"],
    }


def test_logs_are_always_passed():
    arguments = []

    class Strict(Callback):
        def on_train_begin(self, logs):
            arguments.append(logs)

        def on_epoch_begin(self, epoch, logs):
            arguments.append(logs)

        def on_batch_begin(self, batch, logs):
            arguments.append(logs)

        def on_train_end(self, logs):
            arguments.append(logs)

    fit([Strict()], epochs=1)
    assert [sorted(logs) for logs in arguments] == [[], [], *[["batch", "size"]] * 3, ["error", "loss"]]


def test_epochs_count_from_the_initial_one():
    recorder = Recorder()
    history = fit([recorder], epochs=5, initial_epoch=3)
    assert history.epoch == recorder.batches("on_epoch_begin") == [3, 4]
    assert fit(epochs=2, initial_epoch=2).epoch == []


@pytest.mark.parametrize(("freq", "validated"), [(1, [0, 1, 2, 3]), (2, [1, 3]), ([1, 4], [0, 3]), ([], [])])
def test_validation_runs_in_the_epochs_asked_for(freq, validated):
    recorder = Recorder()
    fit([recorder], epochs=4, validation=Validation(validation(), freq))
    assert [epoch for epoch, logs in enumerate(recorder.logs("on_epoch_end")) if "val_loss" in logs] == validated


# Stopping


def test_a_stop_in_train_begin_lets_no_batch_run():
    recorder = Recorder()
    run = make_run([Stops("on_train_begin"), recorder])
    loop.fit(run)
    assert recorder.names() == ["on_train_begin", "on_train_end"]
    assert run.engine.spans == []


def test_a_stop_at_epoch_begin_leaves_no_epoch():
    recorder = Recorder()
    history = fit([Stops("on_epoch_begin", 1), recorder], epochs=5, validation=validation())
    assert recorder.batches("on_train_batch_end") == [0, 1, 2]
    assert recorder.names()[-3:] == ["on_epoch_end", "on_epoch_begin", "on_train_end"]
    assert (history.epoch, len(history.history["loss"])) == ([0], 1)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_train_batch_begin"])
def test_a_stop_in_mid_epoch_skips_validation_and_ends_the_epoch(hook):
    recorder = Recorder()
    history = fit([Stops(hook, 1), recorder], epochs=5, validation=validation())
    assert recorder.batches("on_train_batch_end") == [0, 1]
    assert recorder.names()[-2:] == ["on_epoch_end", "on_train_end"]
    assert sorted(recorder.logs("on_epoch_end")[0]) == ["error", "loss"]
    assert (history.epoch, list(history.history)) == ([0], ["loss", "error"])


def test_a_stop_at_the_last_batch_is_no_stop_in_mid_epoch():
    history = fit([Stops("on_train_batch_end", 2)], epochs=5, validation=validation())
    assert len(history.history["val_loss"]) == 1


def test_a_stop_at_epoch_end_is_the_last_epoch():
    assert fit([Stops("on_epoch_end", 1)], epochs=5).epoch == [0, 1]


# Logs


def by_hand(epochs=1, lr=0.1):
    """Return the loss and error of each batch of each epoch, and the weights."""
    weights, rows = np.zeros(2), []
    for _ in range(epochs):
        rows.append([])
        for at in (slice(0, 4), slice(4, 8), slice(8, 10)):
            residual = X[at] @ weights - Y[at]
            rows[-1].append((np.mean(residual**2), np.mean(abs(residual))))
            weights = weights - lr * 2 * X[at].T @ residual / len(residual)
    return np.array(rows), weights


def test_batch_logs_are_the_batchs_own():
    recorder = Recorder()
    fit([recorder], epochs=1)
    rows, _ = by_hand()
    wanted = [
        {"batch": batch, "size": size, "loss": loss, "error": error}
        for batch, (size, (loss, error)) in enumerate(zip((4, 4, 2), rows[0], strict=True))
    ]
    assert recorder.logs("on_train_batch_end") == wanted
    assert [list(logs) for logs in recorder.logs("on_train_batch_end")] == [["batch", "size", "loss", "error"]] * 3
    assert recorder.logs("on_train_batch_begin") == [{"batch": logs["batch"], "size": logs["size"]} for logs in wanted]


def test_epoch_logs_are_means_weighted_by_size():
    history = fit(epochs=3)
    rows, _ = by_hand(epochs=3)
    wanted = np.average(rows, axis=1, weights=[4, 4, 2])
    np.testing.assert_allclose(history.history["loss"], wanted[:, 0], rtol=1e-12)
    np.testing.assert_allclose(history.history["error"], wanted[:, 1], rtol=1e-12)


def test_validation_values_are_those_of_the_weights_at_the_epochs_end():
    history = fit(epochs=2, validation=ArrayData(X, Y, batch_size=3))
    residual = X @ by_hand(epochs=2)[1] - Y
    assert history.history["val_loss"][1] == pytest.approx(np.mean(residual**2), rel=1e-12)
    assert history.history["val_error"][1] == pytest.approx(np.mean(abs(residual)), rel=1e-12)


def test_epoch_logs_stand_in_order():
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = 1.0

    history = fit([Adds()], epochs=1, validation=validation())
    assert list(history.history) == ["loss", "error", "val_loss", "val_error", "extra"]


def test_logs_are_plain_numbers():
    recorder = Recorder()
    fit([recorder], epochs=1, validation=validation())
    for _, *arguments in recorder.calls:
        assert json.loads(json.dumps(arguments[-1])) == arguments[-1]


def test_train_end_gets_the_last_epochs_logs():
    recorder = Recorder()
    fit([recorder], epochs=2, validation=validation())
    assert recorder.logs("on_train_end") == recorder.logs("on_epoch_end")[-1:]


def test_test_hooks_get_each_batchs_own_logs_and_the_means():
    recorder = Recorder()
    fit([recorder], epochs=1, validation=ArrayData(X, Y, batch_size=4))
    batches = recorder.logs("on_test_batch_end")
    assert [logs["size"] for logs in batches] == [4, 4, 2]
    means = recorder.logs("on_test_end")[0]
    assert means["loss"] == pytest.approx(np.average([logs["loss"] for logs in batches], weights=[4, 4, 2]))
    assert recorder.logs("on_epoch_end")[0]["val_loss"] == means["loss"]


@pytest.mark.parametrize("cut", [1, 2, 7, 1000])
def test_cutting_an_epoch_into_spans_changes_no_bit(spans_of, cut):
    long = ArrayData(np.tile(X, (10, 1)), np.tile(Y, 10), batch_size=3, shuffle=True, seed=1)
    spans_of(1)
    model, other = Model(0.01), Model(0.01)
    history = fit(model=model, data=long, epochs=3).history
    spans_of(cut)
    assert fit(model=other, data=long, epochs=3).history == history
    np.testing.assert_array_equal(other.weights, model.weights)


# evaluate and predict


def test_the_hooks_of_an_evaluation_and_a_prediction():
    recorder = Recorder()
    run = make_run([recorder])
    logs = loop.evaluate(PhaseRunner("test", run.engine, run.data, run.hooks, Signals()), run.hooks)
    assert recorder.names() == ["on_test_begin", *["on_test_batch_begin", "on_test_batch_end"] * 3, "on_test_end"]
    assert logs["loss"] == pytest.approx(np.mean(Y**2))
    recorder.calls.clear()
    outputs = loop.predict(PhaseRunner("predict", run.engine, run.data, run.hooks, Signals()), run.hooks)
    assert recorder.names()[1:3] == ["on_predict_batch_begin", "on_predict_batch_end"]
    assert [len(output) for output in outputs] == [4, 4, 2]
    assert recorder.logs("on_predict_batch_end")[2]["outputs"].tolist() == [0.0, 0.0]


def test_watching_for_nan_does_not_disturb_a_prediction():
    run = make_run([Recorder(TerminateOnNaN.cadence)])
    assert len(loop.predict(PhaseRunner("predict", run.engine, run.data, run.hooks, Signals()), run.hooks)) == 3


# Errors

HOOKS = ["on_train_begin", "on_epoch_begin", *BATCH, *TEST, "on_epoch_end", "on_train_end"]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt("broken")])
def test_an_error_reaches_every_callback_and_then_the_caller(hook, error):
    recorder, closed = Recorder(), []
    recorder.close = lambda: closed.append("closed")
    with pytest.raises(type(error), match="broken") as caught:
        fit([Raises(hook, error=error), recorder], validation=validation())
    assert caught.value is error
    assert recorder.calls[-1] == ("on_exception", error)
    assert "on_train_end" not in recorder.names()
    assert closed == ["closed"]


def test_after_an_error_the_finished_epochs_and_batches_are_kept():
    history, model = History(), Model()
    with pytest.raises(RuntimeError, match="on_train_batch_end failed"):
        fit([_in_epoch(2, Raises("on_train_batch_end", 1)), history], epochs=5, model=model)
    assert (history.epoch, len(history.history["loss"])) == ([0, 1], 2)
    _, weights = by_hand(epochs=2)
    for at in (slice(0, 4), slice(4, 8)):
        weights -= 0.1 * 2 * X[at].T @ (X[at] @ weights - Y[at]) / 4
    np.testing.assert_allclose(model.weights, weights, rtol=1e-12)


def _in_epoch(epoch, raises):
    """Let a `Raises` raise in one epoch only."""
    counter, hook = itertools.count(), raises.on_train_batch_end
    raises.on_train_batch_end = lambda batch, logs: hook(batch, logs) if next(counter) >= 3 * epoch else None
    return raises


@pytest.mark.parametrize("hook", HOOKS)
def test_after_an_error_a_second_fit_works(hook):
    recorder, model = Recorder(), Model()
    callbacks = [recorder, Raises(hook)]
    with pytest.raises(RuntimeError, match=f"{hook} failed"):
        fit(callbacks, model=model, validation=validation())
    recorder.calls.clear()
    assert fit(callbacks[:1], model=model, epochs=2, validation=validation()).epoch == [0, 1]
    assert recorder.names()[-1] == "on_train_end"


def test_closing_twice_is_safe():
    recorder = Recorder()
    run = make_run([recorder])
    loop.fit(run)
    run.hooks.close()
