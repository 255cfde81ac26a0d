"""Own losses and metrics get targets in the shape and dtype that the built-in ones use; what they may return."""

import jax.numpy as jnp
import numpy as np
import pytest

from epochal import losses, metrics
from epochal.layers import Dense, Input, Masking
from epochal.models import Model, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 4)).astype("f4")
Y = RNG.normal(size=8).astype("f4")


def compiled(*layers, **options):
    model = Sequential(list(layers) or [Dense(1, input_dim=4)])
    model.compile("sgd", **{"loss": "mse"} | options)
    return model


def squared(y, p):
    return jnp.mean((y - p) ** 2, axis=-1)


class Squared(losses.Loss):
    def call(self, y, p):
        return squared(y, p)


class PerSample(losses.Loss):
    def __init__(self):
        super().__init__(name="mine")

    def per_sample(self, y, p):
        return squared(y, p)


@pytest.mark.parametrize("loss", [squared, Squared(), Squared, PerSample()])
def test_an_own_loss_is_the_built_in_one_whatever_the_targets_lack(loss):
    model = compiled(loss=loss, metrics=[squared, losses.MeanSquaredError()])
    want = np.mean((model.predict(X)[:, 0] - Y) ** 2)
    for y in (Y, Y[:, None], Y.astype("f8").tolist()):
        assert model.evaluate(X, y, verbose=0) == pytest.approx([want] * 3, rel=1e-5)
        assert model.test_on_batch(X, y) == pytest.approx([want] * 3, rel=1e-5)
    gradients = [m.gradients(X, Y)["dense"]["kernel"] for m in (model, compiled(Dense(1, input_dim=4)))]
    assert gradients[0].shape == gradients[1].shape


SEEN = []


class Spy(metrics.Metric):
    def init(self):
        return jnp.zeros(())

    def update(self, state, y_true, y_pred, sample_weight=None):
        SEEN.append((y_true.dtype.name, y_true.shape[1:], y_pred.shape[1:]))
        return state

    def result(self, state):
        return state


def spied(y, p):
    SEEN.append((y.dtype.name, y.shape[1:], p.shape[1:]))
    return jnp.mean(p)


@pytest.mark.parametrize(
    ("targets", "classes", "seen"),
    [
        (np.zeros(8, "uint8"), 1, ("float32", (1,), (1,))),
        (np.zeros((8, 1), bool), 1, ("float32", (1,), (1,))),
        (np.zeros(8, "float16"), 1, ("float32", (1,), (1,))),
        (np.zeros(8, "uint8"), 3, ("int32", (), (3,))),
        (np.zeros(8, bool), 3, ("int32", (), (3,))),
        (np.zeros((8, 1), "int64"), 3, ("int32", (1,), (3,))),
        (np.zeros(8), 3, ("float32", (), (3,))),
        (np.eye(3, dtype="uint8")[np.arange(8) % 3], 3, ("float32", (3,), (3,))),
        (np.zeros((8, 7), "int8"), 3, ("float32", (7,), (3,))),
    ],
)
def test_what_a_loss_and_a_metric_see(targets, classes, seen):
    SEEN.clear()
    model = compiled(Dense(classes, input_dim=4), loss=spied, metrics=[spied, Spy()])
    model.fit(X, targets, verbose=0, batch_size=4)
    model.evaluate(X, targets, verbose=0)
    assert set(SEEN) == {seen}


def test_the_axis_is_added_to_outputs_too_and_for_each_output():
    SEEN.clear()
    a = Input((4,))
    flat = Model(a, [Dense(1, name="p")(a), _squeezed(Dense(1)(a))])
    flat.compile("sgd", spied)
    flat.fit(X, [Y, Y[:, None]], verbose=0)
    assert set(SEEN) == {("float32", (1,), (1,))}


def _squeezed(tensor):
    from epochal.layers import Lambda

    return Lambda(lambda x: x[:, 0], name="q")(tensor)


# What they may return


@pytest.mark.parametrize("reduced", [lambda e: e, lambda e: e.mean(-1), lambda e: e.mean()])
def test_a_number_a_value_a_sample_or_a_step(reduced):
    own = lambda y, p: reduced((y - p) ** 2)
    model = compiled(loss=own, metrics=[own])
    want = np.mean((model.predict(X)[:, 0] - Y) ** 2)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx([want, want], rel=1e-5)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda y, p: None, "returned None: a loss or a metric is one number"),
        (lambda y, p: (p.mean(), p.mean()), r"returned \("),
        (lambda y, p: p.mean(0), r"returned shape \(1,\) for a batch of 8"),
        (lambda y, p: (p > 0)[:, 0], "returned values of bool: a loss is of floats, or it has no gradient"),
    ],
)
def test_anything_else_is_an_error_that_says_so(returned, message):
    with pytest.raises(ValueError, match=message):
        compiled(loss=returned).fit(X, Y, verbose=0)


def test_a_loss_without_a_formula_and_a_metric_of_another_kind_are_told():
    class Empty(losses.Loss):
        pass

    class Stateful(metrics.Metric):
        def update_state(self, y, p):
            pass

    with pytest.raises(NotImplementedError, match=r"Empty is a Loss without `call\(y_true, y_pred\)`"):
        compiled(loss=Empty()).fit(X, Y, verbose=0)
    with pytest.raises(TypeError, match="Stateful is a Metric without init, update, result: .* `update_state` changes"):
        compiled(metrics=[Stateful()])
    with pytest.raises(ValueError, match="reduction='sum_over_batch_size'; got 'sum'"):
        Squared(reduction="sum")
    assert (Squared().name, Squared(name="s").name, Spy().name) == ("squared", "s", "spy")


# Steps that are masked or weighed

STEPS = RNG.normal(size=(4, 3, 2)).astype("f4")
STEPS[1, 2] = STEPS[3, 1:] = 0
COUNTS = (STEPS != 0).any(-1)


def masked(loss, **options):
    return compiled(Masking(input_shape=(3, 2)), Dense(2, kernel_initializer="ones"), loss=loss, **options)


@pytest.mark.parametrize("loss", ["mse", squared, Squared(), lambda y, p: (y - p) ** 2])
def test_masked_steps_of_an_own_loss_count_for_nothing(loss):
    model, y = masked(loss, metrics=[squared]), np.ones_like(STEPS)
    errors = np.mean((model.predict(STEPS) - y) ** 2, -1)
    assert model.evaluate(STEPS, y, verbose=0) == pytest.approx([errors[COUNTS].mean()] * 2, rel=1e-5)


def test_an_own_loss_sees_the_steps_of_a_sample_together():
    shapes = []

    def own(y, p):
        shapes.append((y.shape, p.shape))
        return squared(y, p)

    masked(own, metrics=[own]).evaluate(STEPS, np.ones_like(STEPS), verbose=0)
    assert set(shapes) == {((4, 3, 2), (4, 3, 2))}


def test_one_value_a_sample_cant_be_masked_step_by_step():
    with pytest.raises(
        ValueError, match=r"returned shape \(4,\).*one number a step, \(4, 3\), since a mask or weights"
    ):
        masked(lambda y, p: ((y - p) ** 2).mean((1, 2))).evaluate(STEPS, np.ones_like(STEPS), verbose=0)
