"""ReduceLROnPlateau: when it reduces, by how much, and what it logs."""

import json

import pytest
from numpy_engine import Logged, Model, fit

from epochal.callbacks import CallbackList, LearningRateScheduler, ReduceLROnPlateau


def reductions(values, model=None, **options):
    """Return after which epochs the rate was reduced, and the logged rates."""
    reduce = ReduceLROnPlateau(**{"monitor": "val_loss", "factor": 0.5} | options)
    model = model or Model(lr=1.0)
    rates = fit([reduce], epochs=len(values), model=model, logged={reduce.monitor.name: values}).history["lr"]
    after = [*rates[1:], model.optimizer.lr]
    return [epoch for epoch, (rate, new) in enumerate(zip(rates, after, strict=True)) if new != rate], rates


@pytest.mark.parametrize(
    ("options", "values", "reduced"),
    [
        ({"patience": 1}, [3, 3, 3, 3], [1, 2, 3]),
        ({"patience": 0}, [3, 3, 3, 3], [1, 2, 3]),
        ({"patience": 2}, [3, 3, 3, 3, 3, 3], [2, 4]),
        ({"patience": 2}, [3, 3, 2, 2, 1, 1, 1], [6]),
        ({"patience": 2, "cooldown": 1}, [3] * 10, [2, 5, 8]),
        ({"patience": 1, "cooldown": 2}, [3] * 10, [1, 4, 7]),
        ({"patience": 3, "cooldown": 2}, [3] * 14, [3, 8, 13]),
        ({"patience": 2, "cooldown": 3}, [3, 3, 3, 3, 3, 2, 3, 3, 3], [2, 7]),
        ({"patience": 1, "monitor": "val_acc"}, [0.1, 0.2, 0.2], [2]),
        ({"patience": 1, "mode": "max"}, [1, 2, 2], [2]),
        ({"patience": 1}, [3, 2.99995, 2.9], [1]),
        ({"patience": 1, "min_delta": 0}, [3, 2.99995, 2.9], []),
        ({"patience": 1, "epsilon": 0.5}, [3, 2.6, 2.0], [1]),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.6, 2.0], [1]),
        ({"patience": 1}, [3, float("nan"), 2], [1]),
        ({"patience": 1}, [3, None, 2, None, 2], [4]),
    ],
)
def test_it_reduces_at_the_end_of_the_pth_consecutive_epoch_without_improvement(options, values, reduced):
    assert reductions(values, **options)[0] == reduced


def test_the_rate_that_the_epoch_ran_with_is_logged():
    model = Model(lr=1.0)
    assert reductions([3, 3, 3, 3], model, patience=1)[1] == [1.0, 1.0, 0.5, 0.25]
    assert model.optimizer.lr == 0.125


def test_the_rate_of_a_scheduler_is_logged_once_and_right():
    model = Model()
    callbacks = [ReduceLROnPlateau(patience=1, factor=0.5), LearningRateScheduler(lambda epoch: 1.0 / (epoch + 1))]
    for order in (1, -1):
        history = fit(callbacks[::order], epochs=3, model=model, logged={"val_loss": [1, 1, 1]})
        assert history.history["lr"] == [1.0, 1 / 2, 1 / 3]


def test_the_rate_never_falls_below_min_lr():
    model = Model(lr=1.0)
    assert reductions([3] * 6, model, patience=1, factor=0.1, min_lr=0.05)[0] == [1, 2]
    assert model.optimizer.lr == 0.05


def test_a_rate_below_min_lr_is_not_raised():
    model = Model(lr=0.01)
    assert reductions([3, 3, 3], model, patience=1, min_lr=0.1)[0] == []
    assert model.optimizer.lr == 0.01


@pytest.mark.parametrize(("verbose", "shown"), [(0, ""), (1, "Epoch 2: reducing the learning rate from 1 to 0.5.\n")])
def test_verbose_says_it(capsys, verbose, shown):
    reductions([3, 3], patience=1, verbose=verbose)
    assert capsys.readouterr().out == shown


def test_the_defaults_are_those_of_the_page():
    reduce = ReduceLROnPlateau()
    assert (reduce.monitor.name, reduce.factor, reduce.patience, reduce.verbose) == ("val_loss", 0.1, 10, 0)
    assert (reduce.monitor.mode, reduce.monitor.min_delta, reduce.cooldown, reduce.min_lr) == ("auto", 1e-4, 0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1.0}, "factor must be greater than 0 and less than 1, to reduce the rate; got 1.0"),
        ({"factor": 2}, "factor must be greater than 0 and less than 1"),
        ({"factor": 0}, "factor must be greater than 0 and less than 1"),
        ({"factor": float("nan")}, "factor must be greater than 0 and less than 1"),
        ({"patience": -1}, "can't be negative; got -1, 0, 0"),
        ({"cooldown": -2}, "can't be negative; got 10, -2, 0"),
        ({"min_lr": -0.1}, "can't be negative; got 10, 0, -0.1"),
        ({"min_delta": 0.1, "epsilon": 0.1}, "min_delta and epsilon are two names of one argument"),
        ({"mode": "maximum"}, "mode must be one of auto, min, max; got 'maximum'"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ReduceLROnPlateau(**options)


def test_each_fit_starts_afresh():
    reduce = ReduceLROnPlateau(patience=2, cooldown=5)
    fit([reduce], epochs=3, logged={"val_loss": [1, 1, 1]})
    model = Model(lr=1.0)
    fit([reduce], epochs=3, model=model, logged={"val_loss": [9, 9, 9]})
    assert model.optimizer.lr == pytest.approx(0.1)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_resumed_run_reduces_where_the_whole_one_does(cut):
    def run(reduce, epochs, model, state=None):
        rates = []
        with CallbackList([Logged({"val_loss": [3, 2, *[2] * 8]}), reduce], model) as callbacks:
            callbacks.on_train_begin()
            if state is not None:
                reduce.load_state_dict(json.loads(json.dumps(state)))
            for epoch in epochs:
                rates.append(callbacks.on_epoch_end(epoch)["lr"])
        return rates

    make = lambda: ReduceLROnPlateau(patience=2, cooldown=1, factor=0.5)
    first, model = make(), Model(lr=1.0)
    before = run(first, range(cut), model)
    after = run(make(), range(cut, 10), model, first.state_dict())
    assert before + after == run(make(), range(10), Model(lr=1.0))
