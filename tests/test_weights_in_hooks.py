"""Weights of layers, read and written one by one in the hooks of a fit."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from regression import X, Y

from epochal.callbacks import LambdaCallback
from epochal.layers import Dense, Input, Layer
from epochal.models import Model, Sequential


class Penalty(Layer):
    """Adds its weight, which training doesn't change, times the mean square, and counts the steps."""

    def build(self, input_shape):
        self.rate = self.add_weight(trainable=False)
        self.steps = self.add_weight(initializer="zeros", trainable=False)

    def call(self, x, training):
        if training:
            self.steps.assign_add(1)
        self.add_loss(self.rate * jnp.mean(x**2))
        return x


def test_what_a_hook_assigns_to_a_weight_holds_from_the_next_batch_on():
    penalty = Penalty()
    model = Sequential([Input((4,)), penalty, Dense(1)])
    model.compile(optax.sgd(0.0), "mse")
    anneal = LambdaCallback(on_epoch_begin=lambda epoch, logs: penalty.rate.assign(float(epoch)))
    losses = model.fit(X, Y, epochs=3, verbose=0, callbacks=[anneal]).history["loss"]
    np.testing.assert_allclose(np.diff(losses), np.mean(X**2), rtol=1e-5)
    steps = []
    count = LambdaCallback(
        on_train_batch_begin=lambda batch, logs: penalty.rate.assign_add(1),
        on_train_batch_end=lambda batch, logs: steps.append(float(penalty.steps.numpy())),
    )
    more = model.fit(X, Y, batch_size=16, shuffle=False, verbose=0, callbacks=[count]).history["loss"][0]
    by_hand = np.mean([3 * np.mean(X[:16] ** 2), 4 * np.mean(X[16:] ** 2)])
    np.testing.assert_allclose(more - losses[0], by_hand, rtol=1e-4)
    assert (steps, float(penalty.rate.value)) == ([4, 5], 4)


def test_the_weights_of_a_layer_are_current_when_they_are_asked_for_in_a_hook():
    dense = Dense(1, input_dim=4)
    model = Sequential([dense])
    model.compile("sgd", "mse")
    seen = []

    def look(batch, logs):
        seen.append([dense.weights[1].get_value(), dense.trainable_weights[1].get_value()])
        seen[-1].append(dense.get_weights()[1])

    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[LambdaCallback(on_train_batch_end=look)])
    assert np.ptp(seen, axis=1).max() == 0
    assert seen[0][0] != seen[1][0]


def test_a_model_computes_in_a_mode_within_its_own_loss_without_being_taken_for_a_foreign_one():
    class Pair(Model):
        def compute_loss(self, batch, training):
            return jnp.mean((self(batch[0], training=training) - self(batch[1], training=False)) ** 2)

    x = Input((4,))
    model = Pair(x, Dense(2)(x))
    model.compile(optax.sgd(0.0))
    loss = model.fit(X, X + 1, verbose=0).history["loss"]
    np.testing.assert_allclose(loss, np.mean(model.get_weights()[0].sum(0) ** 2), rtol=1e-4)


def test_parameters_can_be_told_apart_by_their_names_in_an_optimizers_mask():
    model = Sequential([Dense(1, input_dim=4)])
    labels = labels_by_name("kernel", "other")
    model.compile(optax.multi_transform({"kernel": optax.sgd(0.1), "other": optax.set_to_zero()}, labels), "mse")
    kernel, bias = model.get_weights()
    model.fit(X, Y + 1, verbose=0)
    assert (model.get_weights()[0] != kernel).all()
    assert model.get_weights()[1] == bias


def labels_by_name(name, otherwise):
    def label(path, _):
        return name if name in jax.tree_util.keystr(path) else otherwise

    return lambda params: jax.tree_util.tree_map_with_path(label, params)


def test_a_layers_call_may_need_training_and_mask_that_the_caller_leaves_out():
    class Masked(Layer):
        def call(self, x, mask, training):
            return x if mask is None and not training else x * np.nan

    x = Input((4,))
    np.testing.assert_array_equal(Model(x, Masked()(x)).predict(X, verbose=0), X)
    with pytest.raises(TypeError, match="missing a required argument: 'scale'"):
        type("Scaled", (Layer,), {"call": lambda self, x, scale: x})()(x)
