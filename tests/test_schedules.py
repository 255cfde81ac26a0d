"""Learning rates that follow from the step: their values, how optimizers train by them, how files hold them."""

import jax.numpy as jnp
import numpy as np
import pytest

from epochal import optimizers
from epochal.callbacks import LambdaCallback, LearningRateScheduler, ReduceLROnPlateau
from epochal.layers import Dense
from epochal.models import Sequential, load_model
from epochal.optimizers import schedules
from epochal.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

X = np.ones((8, 2), "float32")
Y = np.ones((8, 1), "float32")


class Halves(LearningRateSchedule):
    def __init__(self, first, name=None):
        super().__init__(name)
        self.first = first

    def __call__(self, step):
        return self.first / 2.0**step


def compiled(optimizer):
    model = Sequential([Dense(1, input_dim=2, kernel_initializer="zeros")])
    model.compile(optimizer, "mse")
    return model


def fit(model, *callbacks, epochs=1):
    return model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)


@pytest.mark.parametrize(
    ("schedule", "steps", "rates"),
    [
        (ExponentialDecay(1.0, 4, 0.25), [0, 2, 4], [1, 0.5, 0.25]),
        (ExponentialDecay(1.0, 4, 0.25, staircase=True), [3, 4, 9], [1, 0.25, 0.0625]),
        (InverseTimeDecay(1.0, 2, 1.0), [0, 2, 6], [1, 0.5, 0.25]),
        (InverseTimeDecay(1.0, 2, 1.0, staircase=True), [1, 2], [1, 0.5]),
        (PiecewiseConstantDecay([2, 4], [3, 2, 1]), [0, 2, 3, 4, 5], [3, 3, 2, 2, 1]),
        (PolynomialDecay(1.0, 4, 0.0, power=2.0), [0, 2, 4, 9], [1, 0.25, 0, 0]),
        (PolynomialDecay(1.0, 4, 0.0, cycle=True), [0, 4, 6, 8], [1, 0, 0.25, 0]),
        (CosineDecay(1.0, 4, alpha=0.5), [0, 2, 4, 9], [1, 0.75, 0.5, 0.5]),
        (CosineDecay(0.0, 4, warmup_target=1.0, warmup_steps=2), [0, 1, 2, 4, 6], [0, 0.5, 1, 0.5, 0]),
        (CosineDecayRestarts(1.0, 2, m_mul=0.5), [0, 1, 2, 4, 6, 14], [1, 0.5, 0.5, 0.25, 0.25, 0.125]),
        (CosineDecayRestarts(1.0, 2, t_mul=1.0, alpha=0.5), [1, 2, 3], [0.75, 1, 0.75]),
    ],
)
def test_rates_by_hand(schedule, steps, rates):
    np.testing.assert_allclose([float(schedule(step)) for step in steps], rates, atol=1e-6)
    again = optimizers.get({"class_name": "SGD", "config": optimizers.SGD(schedule).get_config()}).schedule
    assert (type(again), again.get_config()) == (type(schedule), schedule.get_config())


def test_names_are_those_of_classes_or_given():
    assert (ExponentialDecay(1.0, 1, 1.0).name, Halves(1.0).name, Halves(1.0, "mine").name) == (
        "exponential_decay",
        "halves",
        "mine",
    )


def test_restarts_come_at_their_very_step():
    """Where the logarithm of a power is rounded down."""
    schedule = CosineDecayRestarts(1.0, 1, t_mul=3.0)
    ends = [(3**restart - 1) // 2 for restart in range(1, 12)]
    np.testing.assert_allclose([float(schedule(end)) for end in ends], 1, atol=1e-4)


@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.AdamW, optimizers.Nadam, optimizers.RMSprop])
def test_every_optimizer_takes_a_schedule(make):
    """The second of two steps has the rate 0."""
    model, weights = compiled(make(learning_rate=PiecewiseConstantDecay([0], [0.5, 0.0]))), []
    fit(model, LambdaCallback(on_train_batch_end=lambda batch, logs: weights.append(model.get_weights()[0])))
    assert abs(weights[0]).min() > 0
    np.testing.assert_array_equal(weights[0], weights[1])
    assert model.last_learning_rate() == 0.0


def test_a_rate_under_a_schedule_cannot_be_set():
    model = compiled(optimizers.SGD(Halves(0.5)))
    with pytest.raises(AttributeError, match=r"in charge of it, so it can't be read or set: optimizer\.schedule\("):
        model.optimizer.lr = 0.1
    for callback in (LearningRateScheduler(lambda epoch: 0.1), ReduceLROnPlateau("loss")):
        with pytest.raises(AttributeError, match="the schedule given as learning_rate is in charge of it"):
            fit(model, callback)
    fit(model)
    assert model.optimizer.schedule(model.optimizer.iterations) == 0.125
    assert model.last_learning_rate() == 0.25


def test_a_schedule_goes_through_a_file(tmp_path):
    for schedule, custom in ((CosineDecay(0.5, 10), {}), (Halves(0.5), {"Halves": Halves})):
        model = compiled(optimizers.Adam(schedule))
        fit(model)
        model.save(tmp_path / "m.h5")
        again = load_model(tmp_path / "m.h5", custom)
        assert again.optimizer.schedule.get_config() == schedule.get_config()
        assert again.optimizer.iterations == 2
        for trained in (model, again):
            fit(trained)
        np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    with pytest.warns(UserWarning, match="not compiled: unknown learning rate schedule 'Halves'"):
        load_model(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExponentialDecay(-1.0, 10, 0.5), "initial_learning_rate must be a finite number ≥ 0, not -1.0"),
        (lambda: ExponentialDecay(1.0, 0, 0.5), "decay_steps must be a whole number of at least 1; got 0"),
        (lambda: PiecewiseConstantDecay([1], [1]), "one rate more than boundaries; got 1 values and 1 boundaries"),
        (lambda: PiecewiseConstantDecay([2, 1], [1, 1, 1]), r"boundaries come in rising order; got \[2.0, 1.0\]"),
        (lambda: CosineDecay(1.0, 10, warmup_steps=2), "warmup_steps goes with warmup_target, the rate to which"),
        (lambda: CosineDecayRestarts(1.0, 10, t_mul=0.5), "t_mul is at least 1; got 0.5"),
        (lambda: schedules.PolynomialDecay(1.0, 10, powr=2.0), "has no argument 'powr'. Did you mean 'power'"),
        (lambda: LearningRateSchedule()(0), "LearningRateSchedule says no rate: write __call__"),
        (lambda: optimizers.SGD(Halves(1.0), decay=0.1), "decay goes with a number as learning_rate; a schedule says"),
        (lambda: optimizers.SGD(decay=-0.1), "decay must be a finite number ≥ 0, not -0.1"),
    ],
)
def test_errors(make, message):
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=message):
        make()


# The decay of Keras 2


def updates_of(optimizer, steps, rates=None):
    transform, weights = optimizer.transform(), jnp.ones(2)
    state, seen = transform.init(weights), []
    for step in range(steps):
        if rates is not None:
            state.hyperparams["learning_rate"] = jnp.float32(rates[step])
        updates, state = transform.update(jnp.array([1.0, -2.0]), state, weights)
        seen.append(np.asarray(updates))
    return np.array(seen)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam"])
def test_a_decay_divides_the_rate(name):
    """The rules without momentum are linear in the rate, so that each step is that of the rate, divided."""
    plain = updates_of(getattr(optimizers, name)(learning_rate=0.5), 4)
    decayed = updates_of(getattr(optimizers, name)(lr=0.5, decay=0.25), 4)
    np.testing.assert_allclose(decayed, plain / (1 + 0.25 * np.arange(4))[:, None], rtol=1e-5)


def test_momentum_accumulates_decayed_steps():
    velocity = 0.0
    for step, update in enumerate(updates_of(optimizers.SGD(0.5, momentum=0.5, decay=1.0), 3)):
        velocity = 0.5 * velocity - 0.5 / (1 + step)
        assert update[0] == pytest.approx(velocity)


def test_the_rate_that_decays_can_be_set():
    seen = updates_of(optimizers.SGD(1.0, decay=1.0), 3, rates=[1.0, 1.0, 6.0])
    np.testing.assert_allclose(seen[:, 0], [-1.0, -0.5, -2.0])
    model = compiled(optimizers.SGD(0.1, decay=0.5))
    history = fit(model, LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1)), epochs=2).history
    assert history["lr"] == [0.5, 0.25]
    assert model.optimizer.iterations == 4


def test_an_epsilon_of_none_is_the_default():
    for name in ("Adam", "RMSprop", "Adagrad", "Adadelta"):
        assert getattr(optimizers, name)(lr=0.1, epsilon=None, decay=0.0).epsilon == 1e-7


def test_a_decay_goes_through_a_file(tmp_path):
    model = compiled(optimizers.SGD(0.1, momentum=0.5, decay=0.5))
    fit(model)
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    assert (again.optimizer.decay, again.optimizer.lr, again.optimizer.iterations) == (0.5, 0.1, 2)
    for trained in (model, again):
        fit(trained)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
