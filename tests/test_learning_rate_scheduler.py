"""LearningRateScheduler: what it asks the schedule, and what it accepts from it."""

import functools

import numpy as np
import pytest
from numpy_engine import Model, fit

from epochal.callbacks import Callback, LearningRateScheduler


class Schedule:
    def __call__(self, epoch):
        return 0.5

    def with_rate(self, epoch, lr):
        return lr / 2


def only_epoch(epoch):
    return 0.1 / (epoch + 1)


def with_rate(epoch, lr):
    return lr / 2


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (only_epoch, [0.1, 0.05]),
        (with_rate, [0.5, 0.25]),
        (lambda epoch, lr=7: lr / 2, [0.5, 0.25]),
        (lambda *arguments: float(len(arguments)), [2.0, 2.0]),
        (functools.partial(lambda rate, epoch: rate, 0.3), [0.3, 0.3]),
        (Schedule(), [0.5, 0.5]),
        (Schedule().with_rate, [0.5, 0.25]),
        (lambda epoch: np.float32(0.5), [0.5, 0.5]),
        (lambda epoch: np.array(0.5), [0.5, 0.5]),
        (lambda epoch: 1, [1.0, 1.0]),
        ({0: 0.5, 1: 0.25}.get, [0.5, 0.25]),
    ],
)
def test_a_schedule_takes_the_epoch_and_perhaps_the_rate(schedule, rates):
    history = fit([LearningRateScheduler(schedule)], model=Model(lr=1.0))
    assert history.history["lr"] == rates
    assert all(type(rate) is float for rate in history.history["lr"])


def test_a_type_error_inside_the_schedule_is_the_users_own():
    def schedule(epoch, lr):
        return epoch + "one"

    with pytest.raises(TypeError, match="unsupported operand"):
        fit([LearningRateScheduler(schedule)])


def test_the_epoch_runs_with_the_rate():
    seen = []

    class Looks(Callback):
        def on_batch_end(self, batch, logs=None):
            seen.append(self.model.optimizer.lr)

    fit([LearningRateScheduler(only_epoch), Looks()])
    assert seen == [0.1] * 3 + [0.05] * 3


@pytest.mark.parametrize("schedule", [lambda: 0.1, lambda a, b, c: 0.1, lambda *, epoch: 0.1])
def test_a_schedule_that_takes_something_else_is_refused(schedule):
    with pytest.raises(TypeError, match=r"a schedule is called with \(epoch\) or \(epoch, lr\); this one takes \("):
        LearningRateScheduler(schedule)


@pytest.mark.parametrize("rate", [None, "0.1", True, float("nan"), float("inf"), [0.1], np.ones(2), 1j])
def test_what_is_no_finite_number_is_refused_with_what_came(rate):
    with pytest.raises(ValueError, match=r"must return a finite number; for epoch 1, schedule\(0\) returned"):
        fit([LearningRateScheduler(lambda epoch: rate)])


@pytest.mark.parametrize(("verbose", "shown"), [(0, ""), (1, "Epoch 1: setting the learning rate to 0.1.\n")])
def test_verbose_says_it(capsys, verbose, shown):
    fit([LearningRateScheduler(only_epoch, verbose)], epochs=1)
    assert capsys.readouterr().out == shown


def test_a_negative_rate_is_refused_by_the_optimizer():
    from epochal.optimizers import SGD

    model = Model()
    model.optimizer = SGD()
    with pytest.raises(ValueError, match="learning_rate"):
        fit([LearningRateScheduler(lambda epoch: -1.0)], model=model)


def test_it_has_nothing_to_remember():
    assert LearningRateScheduler(only_epoch).state_dict() == {}
