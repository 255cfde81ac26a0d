"""EarlyStopping: after how many epochs it stops, what it remembers, and which weights it leaves."""

import json

import numpy as np
import pytest
from numpy_engine import Logged, Model, Recorder, fit

from epochal.callbacks import Callback, CallbackList, EarlyStopping

NAN = float("nan")


def stopped_after(values, monitor="val_loss", **options):
    """Return the last epoch of a fit in which the monitored value takes these values."""
    stopping = EarlyStopping(monitor, **options)
    epochs = fit([stopping], epochs=len(values), logged={monitor: values}).epoch
    assert stopping.stopped_epoch in (None, epochs[-1])
    return epochs[-1] if stopping.stopped_epoch is not None else None


@pytest.mark.parametrize(
    ("patience", "values", "last"),
    [
        (0, [3, 2, 2, 1, 1], 2),
        (1, [3, 2, 2, 1, 1], 2),
        (2, [3, 2, 2, 1, 1, 1], 5),
        (2, [3, 3, 3], 2),
        (3, [3, 4, 4, 2, 4, 4, 4, 1], 6),
        (2, [3, 2, 1, 0], None),
        (2, [3, 3, 2, 2, 1], None),
    ],
)
def test_it_stops_at_the_end_of_the_pth_consecutive_epoch_without_improvement(patience, values, last):
    assert stopped_after(values, patience=patience) == last


@pytest.mark.parametrize(
    ("options", "values", "last"),
    [
        ({"monitor": "val_acc"}, [0.1, 0.2, 0.2], 2),
        ({"monitor": "val_acc", "mode": "min"}, [0.1, 0.2, 0.05], 1),
        ({"mode": "max"}, [1, 2, 1], 2),
        ({"min_delta": 0.5}, [3, 2.4, 1.95], 2),
        ({"min_delta": -0.5}, [3, 2.4, 1.95], 2),
        ({"min_delta": 0.5}, [3, 2.5], 1),
        ({}, [3, NAN, 1], 1),
        ({"patience": 2}, [NAN, 3, 2, NAN, NAN], 4),
        ({"patience": 2}, [3, None, 3, None, 3], 4),
        ({"baseline": 2.0}, [1.5, 1.4, 1.3], None),
        ({"baseline": 1.0}, [1.5, 1.4, 1.3], 0),
        ({"baseline": 1.0, "patience": 3}, [1.5, 1.4, 0.9, 0.8, 0.8, 0.8, 0.8], 6),
        ({"start_from_epoch": 3}, [1, 2, 3, 4, 3, 3], 5),
        ({"start_from_epoch": 3, "patience": 2}, [1, 2, 3, 4, 5, 6], 5),
    ],
)
def test_what_counts_as_an_improvement(options, values, last):
    assert stopped_after(values, **options) == last


def test_it_remembers_the_best_and_says_why_it_stopped():
    stopping = EarlyStopping(patience=2)
    fit([stopping], epochs=9, logged={"val_loss": [3, 1.5, 2, 2, 2, 2, 2, 2, 2]})
    assert (stopping.best, stopping.best_epoch, stopping.stopped_epoch) == (1.5, 1, 3)
    assert stopping.stopped_reason == "val_loss was best in epoch 2: 1.5; epochs without improvement: 2."


def test_a_fit_that_runs_to_its_end_was_not_stopped():
    stopping = EarlyStopping("loss", patience=5)
    fit([stopping], epochs=3)
    assert stopping.stopped_epoch is stopping.stopped_reason is None
    assert stopping.best_epoch == 2


def test_a_value_that_was_never_finite_is_said_so():
    stopping = EarlyStopping(patience=2)
    fit([stopping], epochs=5, logged={"val_loss": [NAN] * 5})
    assert stopping.best is stopping.best_epoch is None
    assert stopping.stopped_reason == "val_loss never had a finite value; epochs without improvement: 2."


@pytest.mark.parametrize(
    ("verbose", "shown"), [(0, ""), (1, "Epoch 3: early stopping. val_loss was best in epoch 2: 2; ")]
)
def test_verbose_says_it(capsys, verbose, shown):
    fit([EarlyStopping(verbose=verbose)], epochs=5, logged={"val_loss": [3, 2, 2, 2, 2]})
    assert capsys.readouterr().out.startswith(shown)
    assert bool(capsys.readouterr().out) is False


class Sets(Callback):
    """Leaves the epoch's number as the weights."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([np.full(2, float(epoch))])


@pytest.mark.parametrize(
    ("values", "patience", "left"),
    [([3, 1, 2, 2, 2], 2, 1), ([3, 1, 2, 2, 2], 9, 1), ([NAN, NAN], 9, 1), ([3, 2, 1], 9, 2)],
)
def test_the_best_weights_are_restored_whenever_the_fit_ends(values, patience, left):
    model, stopping = Model(), EarlyStopping(patience=patience, restore_best_weights=True)
    fit([Sets(), stopping], epochs=len(values), model=model, logged={"val_loss": values})
    assert model.weights.tolist() == [left, left]


def test_without_being_asked_it_leaves_the_last_weights():
    model = Model()
    fit([Sets(), EarlyStopping(patience=2)], epochs=5, model=model, logged={"val_loss": [3, 1, 2, 2, 2]})
    assert model.weights.tolist() == [3, 3]


def test_after_an_error_nothing_is_restored():
    class Raises(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("broken")

    model, stopping = Model(), EarlyStopping(patience=9, restore_best_weights=True)
    with pytest.raises(RuntimeError, match="broken"):
        fit([Sets(), stopping, Raises()], epochs=5, model=model, logged={"val_loss": [1, 2, 3, 4, 5]})
    assert model.weights.tolist() == [2, 2]


def test_each_fit_starts_afresh():
    stopping, model = EarlyStopping(restore_best_weights=True), Model()
    fit([Sets(), stopping], epochs=3, model=model, logged={"val_loss": [1, 0, 0]})
    fit([Sets(), stopping], epochs=2, model=model, logged={"val_loss": [9, 8]})
    assert (stopping.best, stopping.best_epoch, stopping.stopped_epoch) == (8, 1, None)
    assert model.weights.tolist() == [1, 1]


def test_acc_and_accuracy_are_one_name():
    assert fit([EarlyStopping("val_acc")], epochs=4, logged={"val_accuracy": [0.5, 0.4, 0.3, 0.2]}).epoch == [0, 1]


def test_a_typo_warns_at_train_begin_and_is_an_error_after_the_first_epoch():
    recorder = Recorder()
    with (
        pytest.warns(UserWarning, match=r"'val_los' is no metric of this fit\. Did you mean 'val_loss'"),
        pytest.raises(ValueError, match=r"'val_los' is not in the logs: loss, error, val_loss\."),
    ):
        fit([recorder, EarlyStopping("val_los", mode="min")], logged={"val_loss": [1, 1]})
    assert recorder.names()[-2:] == ["on_epoch_end", "on_exception"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "val_acc"}, "mode must be one of auto, min, max; got 'val_acc'"),
        ({"patience": -1}, "patience and start_from_epoch count epochs; got -1 and 0"),
        ({"start_from_epoch": -1}, "patience and start_from_epoch count epochs; got 0 and -1"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**options)


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_resumed_run_stops_where_the_whole_one_does(cut):
    values = [3, 2, 2.5, 1, 2, 2, 2, 2]

    def run(stopping, epochs, state=None):
        model = Model()
        with CallbackList([Logged({"val_loss": values}), Sets(), stopping], model) as callbacks:
            callbacks.on_train_begin()
            if state is not None:
                stopping.load_state_dict(state)
            for epoch in epochs:
                callbacks.on_epoch_end(epoch)
                if callbacks.stop_training:
                    break
            state = stopping.state_dict()
            callbacks.on_train_end()
        return model.weights.tolist(), stopping.best, stopping.best_epoch, stopping.stopped_epoch, state

    make = lambda: EarlyStopping(patience=3, restore_best_weights=True)
    whole = run(make(), range(8))
    first = run(make(), range(cut))
    plain = {name: value for name, value in first[4].items() if name != "best_weights"}
    assert json.loads(json.dumps(plain)) == plain
    assert run(make(), range(cut, 8), first[4])[:4] == whole[:4] == ([3, 3], 1, 3, 6)
