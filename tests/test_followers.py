"""Callbacks for every batch: spans run ahead of them, and nothing that they see or do shows it."""

import functools
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from following import ACTIONS, Acts, Ended, X, Y, net, toy_outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_engine import Model, NumpyEngine, Recorder, fit, make_run

from epochal.callbacks import BackupAndRestore, Callback, Every, LambdaCallback, TerminateOnNaN, WhenNotFinite
from epochal.core import loop, wakes
from epochal.core.wakes import ThroughputEstimate
from epochal.data.array_data import ArrayData
from epochal.layers import Dense
from epochal.models import Sequential

HOOKS = st.sampled_from(["on_train_batch_begin", "on_train_batch_end"])
PLANS = st.lists(
    st.tuples(
        HOOKS, st.dictionaries(st.integers(0, 30), st.sampled_from(ACTIONS), max_size=4), st.sampled_from([1, 1, 4])
    ),
    min_size=1,
    max_size=3,
)


@given(PLANS, st.integers(1, 60), st.sampled_from([1, 3, 5]))
@settings(max_examples=300, deadline=None)
def test_they_see_and_do_what_they_would_if_each_batch_were_a_span(plans, cut, size):
    make = functools.partial(ArrayData, X[:, :2], Y[:, 0], batch_size=size, shuffle=True, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ThroughputEstimate, "batches_in", lambda self, seconds: cut)
        ahead = toy_outcome(fit, plans, own_cadence=False, data=make())
    assert ahead == toy_outcome(fit, plans, own_cadence=True, data=make())


# Who follows


class Losses(Callback):
    """The example of the reference."""

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])


def test_a_callback_that_reads_logs_costs_no_span(spans_of):
    spans_of(1000)
    losses, recorder = Losses(), Recorder(Every(1, "batch"))
    run = make_run([losses])
    loop.fit(run)
    assert run.engine.spans == [2, 1, 2, 1]  # the full batches, and the smaller last one
    fit([recorder])
    assert losses.losses == [logs["loss"] for logs in recorder.logs("on_train_batch_end")]


class Both(Callback):
    """May measure how long a batch takes, whatever with."""

    def on_batch_begin(self, batch, logs=None):
        self.at = batch

    def on_batch_end(self, batch, logs=None):
        self.at = batch


class Clock(Callback):
    """Asks for the time in a function that its hook calls."""

    def on_batch_end(self, batch, logs=None):
        self.mark()

    def mark(self):
        self.at = time.perf_counter_ns()


@pytest.mark.parametrize("kind", [Both, Clock])
def test_who_may_measure_time_is_woken_at_each_batch(spans_of, kind):
    spans_of(1000)
    run = make_run([kind()], epochs=1)
    loop.fit(run)
    assert run.engine.spans == [1, 1, 1]


def test_long_steps_are_spans_of_their_own(monkeypatch):
    monkeypatch.setattr(wakes, "LONG_STEP_SECONDS", 0.0)
    monkeypatch.setattr("epochal.core.batch_hooks.LONG_STEP_SECONDS", 0.0)
    run = make_run([Losses()], epochs=3)
    loop.fit(run)
    assert set(run.engine.spans) == {1}


def test_where_the_engine_cant_go_back_each_batch_is_a_span(spans_of):
    spans_of(1000)

    class OneWay(NumpyEngine):
        def lookout(self, phase, uninterrupted):
            lookout = super().lookout(phase, uninterrupted)
            lookout.is_possible = False
            return lookout

    run = make_run([Losses()], engine=OneWay, epochs=1)
    loop.fit(run)
    assert run.engine.spans == [1, 1, 1]


def test_looks_at_equal_distances_are_foretold(spans_of):
    spans_of(1000)

    class Looks(Callback):
        def on_batch_end(self, batch, logs=None):
            if batch % 10 == 9:
                self.model.get_weights()

    run = make_run([Looks()], data=ArrayData(X[:40, :2], Y[:40, 0], batch_size=1), epochs=2)
    loop.fit(run)
    assert run.engine.spans == [40, 10] + [10] * 7  # one is run in vain, and again up to the first look


def test_looks_at_the_same_batches_of_each_epoch_are_foretold(spans_of):
    spans_of(1000)

    class Looks(Callback):
        def on_batch_end(self, batch, logs=None):
            if batch in (6, 28):
                self.model.get_weights()

    run = make_run([Looks()], data=ArrayData(X[:40, :2], Y[:40, 0], batch_size=1), epochs=3)
    loop.fit(run)
    assert run.engine.spans[-6:] == [7, 22, 11] * 2


def test_what_the_data_raise_comes_after_the_hooks_of_all_batches_before(spans_of):
    spans_of(3)

    def batches():
        for at in range(0, 40, 4):
            yield X[at : at + 4], Y[at : at + 4]
        raise OSError

    outcomes = []
    for cadence in (None, Every(1, "batch")):
        model, losses = net(), Losses()
        losses.cadence = cadence
        with pytest.raises(OSError):
            model.fit(batches(), steps_per_epoch=12, verbose=0, callbacks=[losses])
        outcomes.append((losses.losses, model.get_weights()))
    assert len(outcomes[0][0]) == 10
    jax.tree.map(np.testing.assert_array_equal, *outcomes)


def test_a_step_that_cant_be_compiled_fails_after_the_hooks_of_all_batches_before(spans_of):
    spans_of(4)

    def picky(y_true, y_pred):
        if len(y_true) != 4:
            raise ArithmeticError
        return (y_true - y_pred) ** 2

    outcomes = []
    for cadence in (None, Every(1, "batch")):
        model, losses = net(), Losses()
        model.compile("sgd", picky)
        losses.cadence = cadence
        with pytest.raises(ArithmeticError):
            model.fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[losses])
        outcomes.append((losses.losses, model.get_weights()))
    assert len(outcomes[0][0]) == 11
    jax.tree.map(np.testing.assert_array_equal, *outcomes)


def test_the_device_works_while_hooks_are_called(spans_of):
    spans_of(4)
    running, model = [], net()

    def seen(batch, logs):
        running.append((batch, len(started)))

    model.fit(X, Y, batch_size=1, verbose=0)
    engine, started = model.trainee.runtime.engine, []
    run = engine._run
    engine._run = lambda phase, span, *more: started.append(span.at) or run(phase, span, *more)
    model.fit(X[:12], Y[:12], batch_size=1, verbose=0, callbacks=[LambdaCallback(on_batch_end=seen)])
    assert [spans for _, spans in running] == [2] * 4 + [3] * 4 + [3] * 4


# Interruptions


class Remembers(Losses):
    """Keeps its losses in the saved run, and presses Ctrl-C after so many."""

    def __init__(self, press_at):
        self.press_at = press_at

    def on_batch_end(self, batch, logs=None):
        super().on_batch_end(batch, logs)
        if len(self.losses) == self.press_at:
            signal.raise_signal(signal.SIGINT)

    def state_dict(self):
        return {"losses": self.losses}

    def load_state_dict(self, state):
        self.losses = list(state["losses"])


@pytest.mark.parametrize("moment", ["begin", "end"])
def test_ctrl_c_in_a_hook_leaves_the_state_of_its_batch(spans_of, moment):
    spans_of(1000)

    def interrupted(callback):
        model, calls = Model(), []

        def press(batch, logs):
            calls.append(batch)
            if len(calls) == 8:
                signal.raise_signal(signal.SIGINT)

        setattr(callback, f"on_train_batch_{moment}", press)
        with pytest.raises(KeyboardInterrupt):
            fit([callback], model=model, data=ArrayData(X[:, :2], Y[:, 0], batch_size=4))
        return model.get_weights()[0].tobytes(), calls

    woken = Callback()
    woken.cadence = Every(1, "batch")
    assert interrupted(Callback()) == interrupted(woken)


def test_a_signal_that_waits_is_delivered_after_the_batch_whose_hooks_were_called(spans_of, tmp_path):
    spans_of(1000)

    def train(folder, press_at=None):
        model, losses = net(), Remembers(press_at)
        backup = BackupAndRestore(folder, save_freq=1000)
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0, seed=0, callbacks=[backup, losses])
        return model.get_weights(), losses.losses

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", press_at=7)
    resumed, whole = train(tmp_path / "run"), train(tmp_path / "whole")
    assert len(whole[1]) == 24
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)


def test_a_save_that_a_follower_asks_for_is_of_that_batch(spans_of):
    spans_of(1000)

    class Saves(Callback):
        """Asks for a save at each third batch."""

        save_due = False

        def __init__(self, cadence=None):
            self.cadence, self.saved = cadence, []

        def on_batch_end(self, batch, logs=None):
            self.save_due = batch % 3 == 2

        def restore_run(self, wanted):
            return None

        def save_run(self, state):
            self.save_due = False
            self.saved.append((state.epoch, state.batch, state.engine["arrays"]["params/weights"].tolist()))

        def wait(self):
            pass

        def state_dict(self):
            return {}

    follows, woken = Saves(), Saves(Every(1, "batch"))
    for saves in (follows, woken):
        fit([saves], data=ArrayData(X[:, :2], Y[:, 0], batch_size=4))
    assert follows.saved == woken.saved
    assert [batch for _, batch, _ in follows.saved][:5] == [3, 6, 9, 12, 3]


def test_a_loss_that_isnt_finite_ends_a_followed_span_at_its_batch(spans_of, capsys):
    spans_of(1000)
    bad = X.copy()
    bad[30] = np.nan
    for order in ((Losses(), TerminateOnNaN()), (TerminateOnNaN(), Losses())):
        model, losses = net(), next(c for c in order if isinstance(c, Losses))
        model.fit(bad, Y, batch_size=4, epochs=2, verbose=0, shuffle=False, callbacks=list(order))
        assert len(losses.losses) == 8
        assert np.isfinite(losses.losses[:7]).all()
        assert np.isnan(losses.losses[7])


def test_who_waits_for_a_loss_that_isnt_finite_is_called_in_its_place(spans_of):
    spans_of(1000)
    order, bad = [], X[:, :2].copy()
    bad[9] = np.inf

    class Waits(Callback):
        cadence = WhenNotFinite()

        def on_batch_end(self, batch, logs=None):
            order.append(("waits", batch))

    class Follows(Callback):
        def on_batch_end(self, batch, logs=None):
            order.append(("follows", batch))

    with np.errstate(all="ignore"):
        fit([Waits(), Follows()], epochs=1, data=ArrayData(bad, Y[:, 0], batch_size=4))
    assert order[:4] == [("follows", 0), ("follows", 1), ("waits", 2), ("follows", 2)]


def test_an_error_says_and_leaves_the_batch(spans_of):
    spans_of(1000)
    model, woken = Model(), Model()
    for which, own in ((model, False), (woken, True)):
        with pytest.raises(Ended):
            fit(
                [Acts("on_train_batch_end", {5: "raise"}, own)],
                model=which,
                data=ArrayData(X[:, :2], Y[:, 0], batch_size=4),
            )
    assert model.get_weights()[0].tobytes() == woken.get_weights()[0].tobytes()


class Uneven(Sequential):
    """Can't be trained on the last batch, which is smaller: its step can't be compiled."""

    def compute_loss(self, x, y, y_pred, sample_weight, training):
        if y_pred.shape[0] != 4:
            raise Ended
        return jnp.mean((y - y_pred) ** 2)


def fit_uneven(x, *callbacks):
    """Fit, whatever comes of it, and return how many steps were done."""
    model = Uneven([Dense(1, input_dim=3)])
    model.compile("sgd")
    try:
        model.fit(x, Y, batch_size=4, verbose=0, shuffle=False, callbacks=list(callbacks))
    except Ended:
        return model.optimizer.iterations, "raised"
    return model.optimizer.iterations, "ended"


def test_a_loss_that_isnt_finite_comes_before_a_step_that_cant_be_run(spans_of, capsys):
    spans_of(1000)
    bad = X.copy()
    bad[9] = np.nan
    assert fit_uneven(bad, TerminateOnNaN()) == (3, "ended")


def test_a_loss_that_isnt_finite_comes_before_data_that_raise(spans_of, capsys):
    spans_of(1000)

    def batches():
        for at in range(7):
            yield X[:4] * (np.nan if at == 2 else 1), Y[:4]
        raise Ended

    model = net()
    model.fit(batches(), steps_per_epoch=9, verbose=0, callbacks=[TerminateOnNaN()])
    assert model.optimizer.iterations == 3
