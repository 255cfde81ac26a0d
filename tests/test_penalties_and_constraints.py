"""What regularizers and constraints do in training: the loss, the steps, parts of batches, and objectives of one's own."""

import copy

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from epochal.layers import ActivityRegularization, Dense, Input, Layer
from epochal.models import Model, Sequential
from epochal.regularizers import L1, L2

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(12, 1)).astype("float32")
KERNEL = np.array([[1.0], [-2.0], [3.0]], "float32")


def line(optimizer="sgd", loss="mse", model=Sequential, compiled=None, **settings):
    """A line through the origin, whose kernel is known."""
    made = model([Input((3,)), Dense(1, use_bias=False, **settings)])
    made.set_weights([KERNEL])
    made.compile(optimizer, loss, **(compiled or {}))
    return made


def error(kernel=KERNEL):
    return float(((X @ kernel - Y) ** 2).mean())


def slope(kernel=KERNEL):
    """The gradient of the mean squared error."""
    return 2 * X.T @ (X @ kernel - Y) / len(X)


def test_the_penalty_is_minimised_and_logged_in_training_and_evaluation():
    model = line(kernel_regularizer=L2(0.5))
    assert model.losses[0] == pytest.approx(0.5 * 14)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(error() + 0.5 * 14, rel=1e-5)
    assert model.train_on_batch(X, Y) == pytest.approx(error() + 0.5 * 14, rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], KERNEL - 0.01 * (slope() + KERNEL), rtol=1e-5)


def test_gradients_have_the_penalty_once_however_large_the_batches():
    found = line(kernel_regularizer=L2(0.5)).gradients(X, Y, batch_size=5)
    np.testing.assert_allclose(found["dense"]["kernel"], slope() + KERNEL, rtol=1e-5)


@pytest.mark.parametrize("parts", [1, 4, 5])
def test_the_penalties_count_once_for_all_parts_of_a_batch(parts):
    model = line(kernel_regularizer=L2(0.5), activity_regularizer=L2(0.3), compiled={"accumulate": parts})
    activity = 0.3 * float(((X @ KERNEL) ** 2).sum()) / len(X)
    assert model.train_on_batch(X, Y) == pytest.approx(error() + 7 + activity, rel=1e-5)
    step = slope() + KERNEL + 0.6 * X.T @ (X @ KERNEL) / len(X)
    np.testing.assert_allclose(model.get_weights()[0], KERNEL - 0.01 * step, rtol=1e-5)


def test_a_penalty_is_computed_from_weights_in_their_own_precision():
    model = line(loss=lambda y, p: 0 * p, kernel_regularizer=L2(0.5), compiled={"dtype": "bfloat16"})
    model.set_weights([KERNEL + 0.001])  # which bfloat16 doesn't hold
    assert model.train_on_batch(X, Y) == pytest.approx(0.5 * ((KERNEL + 0.001) ** 2).sum(), rel=1e-6)
    np.testing.assert_allclose(model.get_weights()[0], 0.99 * (KERNEL + 0.001), rtol=1e-6)


def test_of_several_outputs_each_logs_its_own_loss_and_the_penalty_is_in_the_sum():
    inputs = Input((3,))
    shared = Dense(1, name="a", kernel_regularizer=L1(0.5), activity_regularizer=L1(0.1))
    first = shared(inputs)
    model = Model(inputs, [first, Dense(1, name="b")(shared(ActivityRegularization(l1=0.2)(inputs)))])
    model.compile("sgd", "mse", loss_weights=[1.0, 0.5])
    logs = model.evaluate(X, [Y, Y], verbose=0, return_dict=True)
    activity = (2 * 0.1 * np.abs(np.asarray(model.predict(X)[0])).sum() + 0.2 * np.abs(X).sum()) / len(X)
    penalty = 0.5 * np.abs(model.get_weights()[0]).sum() + activity
    assert logs["loss"] == pytest.approx(logs["a_loss"] + 0.5 * logs["b_loss"] + penalty, rel=1e-5)


def test_weights_that_are_not_trained_have_neither_penalty_nor_constraint():
    model = line(kernel_regularizer="l2", kernel_constraint="non_neg", trainable=False)
    assert model.losses == model.layers[0].losses == []
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(error(), rel=1e-5)
    model.layers[0].trainable = True
    model.compile("sgd", "mse")
    assert model.train_on_batch(X, Y) == pytest.approx(error() + 0.14, rel=1e-5)
    assert model.get_weights()[0].min() == 0


def test_constraints_are_obeyed_after_every_step_whatever_the_optimizer():
    for optimizer in ("adam", optax.contrib.schedule_free_sgd(0.1), optax.lookahead(optax.sgd(0.1), 3, 0.5)):
        model = line(optimizer, kernel_constraint=lambda w: jnp.clip(w, 0, 1))
        model.fit(X, Y, batch_size=6, epochs=2, verbose=0)
        assert 0 <= model.get_weights()[0].min() <= model.get_weights()[0].max() <= 1


# Objectives of one's own


class Doubled(Sequential):
    def compute_loss(self, x, y, y_pred, sample_weight, training):
        return 2 * super().compute_loss(x, y, y_pred, sample_weight, training)


class Looks(Sequential):
    def compute_loss(self, y, y_pred):
        assert len(self.losses) == 2  # as often as one likes
        return jnp.mean((y_pred - y) ** 2) + 2 * sum(self.losses)


class LeavesOut(Sequential):
    def compute_loss(self, y, y_pred):
        return jnp.mean((y_pred - y) ** 2)


class OfBatch(Sequential):
    def compute_loss(self, batch, training):
        loss, outputs = super().compute_loss(batch, training)
        return 3 * loss, outputs


class OfBatchByHand(Sequential):
    def compute_loss(self, batch, training):
        outputs = self(batch[0])
        return jnp.mean((outputs - batch[1]) ** 2) + sum(self.module.losses), outputs


@pytest.mark.parametrize(
    ("kind", "errors", "penalties"),
    [(Doubled, 2, 2), (Looks, 1, 2), (OfBatch, 3, 3), (OfBatchByHand, 1, 1)],
)
def test_a_compute_loss_has_the_penalties_from_super_or_from_losses(kind, errors, penalties):
    model = line(model=kind, kernel_regularizer=L2(0.5), activity_regularizer=L2(0.3))
    penalty = 7 + 0.3 * float(((X @ KERNEL) ** 2).sum()) / len(X)
    assert model.train_on_batch(X, Y) == pytest.approx(errors * error() + penalties * penalty, rel=1e-5)


def test_a_compute_loss_that_leaves_penalties_out_is_refused():
    for settings in ({"kernel_regularizer": "l2"}, {"activity_regularizer": "l2"}):
        with pytest.raises(ValueError, match=r"compute_loss leaves that out: .*super\(\).*, or add sum\(self.losses\)"):
            line(model=LeavesOut, **settings).train_on_batch(X, Y)
    assert line(model=LeavesOut).train_on_batch(X, Y) == pytest.approx(error(), rel=1e-5)


def test_a_loss_that_is_computed_by_hand_has_the_penalties_of_weights():
    model = line(kernel_regularizer=L2(0.5))
    assert float(model.compute_loss(y=Y, y_pred=X @ KERNEL)) == pytest.approx(error() + 7, rel=1e-5)
    assert float(model.compute_loss((X, Y, None), False)[0]) == pytest.approx(error() + 7, rel=1e-5)


# Layers and modules of one's own


class Scale(Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(
            (3,), lambda shape, dtype: jnp.array([1.0, -2.0, 3.0]), regularizer=L1(0.5), constraint="non_neg"
        )

    def call(self, x):
        self.add_loss(jnp.mean(x**2))
        return x * self.scale


def test_a_weight_of_ones_own_layer_has_them_and_losses_lists_what_is_added():
    layer = Scale()
    layer(X)
    layer(X)
    assert [float(loss) for loss in layer.losses] == pytest.approx([float((X**2).mean()), 3.0])
    model = Sequential([Input((3,)), layer, Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert layer.scale.numpy()[1] == 0
    assert layer.scale.regularizer == L1(0.5)
    assert float(model.layers[0].losses[-1]) == pytest.approx(0.5 * layer.scale.numpy().sum())
    model(X)
    assert len(model.losses) == 2


def test_a_variable_of_a_flax_module_may_have_them_in_its_metadata():
    class Line(nnx.Module):
        def __init__(self):
            self.kernel = nnx.Param(jnp.array(KERNEL), regularizer=L2(0.5), constraint=lambda w: w / 2)

        def __call__(self, x):
            return x @ self.kernel[...]

    model = Model(Line())
    model.compile("sgd", "mse")
    assert model.train_on_batch(X, Y) == pytest.approx(error() + 7, rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], (KERNEL - 0.01 * (slope() + KERNEL)) / 2, rtol=1e-5)


def test_copies_of_a_model_keep_them():
    model = copy.deepcopy(line(kernel_regularizer=L2(0.5), kernel_constraint="non_neg"))
    assert model.train_on_batch(X, Y) == pytest.approx(error() + 7, rel=1e-5)
    assert model.get_weights()[0].min() == 0


# What comes too late, or is wrong


def test_what_nobody_would_look_at_any_more_is_refused_or_told():
    model = line()
    with pytest.raises(AttributeError, match="kernel_regularizer of the layer 'dense' is None since it was built"):
        model.layers[0].kernel_regularizer = L2()
    model.layers[0].activity_regularizer = "l2"  # before the steps are compiled: in time
    assert model.train_on_batch(X, Y) > error() + 0.01
    for name in ("regularizer", "constraint"):
        model.layers[0].affine.kernel.set_metadata(name, L2())
    model.layers[0].activity_regularizer = None
    with pytest.warns(
        UserWarning, match=r"regularizer of \S*kernel.*constraint of \S*kernel.*activity_regularizer of dense"
    ):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"kernel_regularizer": lambda w: w**2}, ValueError, r"one number, such as a sum; <lambda> returned an array of shape \(3, 1\)"),
        ({"activity_regularizer": lambda w: None}, ValueError, "one number, such as a sum; <lambda> returned nothing"),
        ({"kernel_constraint": lambda w: w[0]}, ValueError, r"for one of \(3, 1\) <lambda> returned one of \(1,\)"),
        ({"kernel_regulariser": "l2"}, TypeError, "Dense has no argument 'kernel_regulariser'. Did you mean 'kernel_regularizer'"),
        ({"kernel_regularizer": "l3"}, ValueError, "unknown regularizer 'l3'. Known: l1, l2, l1_l2, orthogonal_regularizer"),
        ({"bias_constraint": "nonegg"}, ValueError, "unknown constraint 'nonegg'. Did you mean 'non_neg'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(settings, error, match):
    with pytest.raises(error, match=match):
        line(**settings).train_on_batch(X, Y)
