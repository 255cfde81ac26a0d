"""Layers that users write: what is inside, how they are built, what their `call` gets, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from regression import X, Y

from epochal import layers
from epochal.layers import LSTM, BatchNormalization, Dense, Dropout, Embedding, Input, Masking
from epochal.models import Model, Sequential


def model_of(*listed, optimizer="sgd", loss="mse"):
    model = Sequential([Input((4,)), *listed])
    model.compile(optimizer, loss)
    return model


class Block(layers.Layer):
    """Has layers in all the ways there are."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = Dense(4)
        self.denses = [Dense(3, activation="relu"), [Dense(3)]]
        self.branches = {"z": Dense(3), "a": Dense(4)}
        self.pair = (Dense(2), Dense(3))
        self.stack = Sequential([Dense(3), BatchNormalization()])
        taken = Input((3,))
        self.graph = Model(taken, Dense(2)(taken))
        self.linear = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
        self.unused = Dense(9)

    def call(self, x):
        x = self.first(self.first(x))
        x = self.denses[1][0](self.denses[0](x))
        for branch in self.branches.values():
            x = branch(x)
        return self.linear(self.graph(self.stack(self.pair[1](self.pair[0](x)))))


def test_all_that_is_inside_a_layer_is_trained_counted_and_computed_as_by_hand():
    block = Block(name="block")
    model = model_of(block)
    names = list(model.named_weights())
    assert names[:4] == [f"block/{name}" for name in ("linear/bias", "linear/kernel", "first/kernel", "first/bias")]
    assert names[-3:] == [
        "block/stack/batch_normalization/moving_variance",
        "block/graph/dense/kernel",
        "block/graph/dense/bias",
    ]
    assert len(names) == 2 * 10 + 4
    before = model.get_weights()
    model.fit(X, Y, epochs=2, verbose=0)
    assert all((one != other).any() for one, other in zip(before, model.get_weights(), strict=True))
    w = {name.removeprefix("block/"): value for name, value in model.named_weights().items()}
    dense = lambda x, name: x @ w[f"{name}/kernel"] + w[f"{name}/bias"]
    x = dense(np.maximum(dense(dense(dense(X, "first"), "first"), "denses/0"), 0), "denses/1/0")
    for name in ("branches/z", "branches/a", "pair/0", "pair/1", "stack/dense"):
        x = dense(x, name)
    norm = {
        name: w[f"stack/batch_normalization/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    x = (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3) * norm["gamma"] + norm["beta"]
    np.testing.assert_allclose(model.predict(X), dense(dense(x, "graph/dense"), "linear"), rtol=1e-4, atol=1e-5)
    lines = []
    model.summary(print_fn=lines.append)
    total = sum(v.size for v in w.values())
    assert lines[-1] == f"{total} weights ({4 * total} B): {total - 6} trainable, 0 frozen and 6 state of layers"


def test_what_is_directly_inside_is_told_in_order():
    block = Block()
    kinds = [type(layer).__name__ for layer in block.sublayers()]
    assert kinds == [*["Dense"] * 7, "Sequential", "Model", "Dense"]
    assert next(iter(block.sublayers())) is block.first
    assert [layer.name for layer in nnx.clone(block).sublayers()] == [layer.name for layer in block.sublayers()]


class Linear(layers.Layer):
    """As in Keras's guide."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.shape_seen = input_shape
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="ones", trainable=True)
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", name="b")

    def call(self, x):
        return x @ self.w + self.b


def test_build_as_in_keras_gets_the_batch_axis_and_weights_are_used_like_arrays():
    model = model_of(layer := Linear(2))
    assert layer.shape_seen == (None, 4)
    assert layer.built
    np.testing.assert_allclose(model.predict(X), np.tile(X.sum(1, keepdims=True), 2), rtol=1e-4, atol=1e-5)
    layer.b.assign([1.0, 2.0])
    layer.w.value = np.zeros((4, 2))
    assert model.predict(X[:1]).tolist() == [[1.0, 2.0]]
    assert [w.shape for w in layer.weights] == [(4, 2), (2,)]


def test_build_may_be_called_in_either_form():
    one, other = Linear(2), Linear(2)
    one.build((None, 3))
    other.build((3,), rngs=nnx.Rngs(0))
    dense = Dense(2)
    dense.build((None, 3))
    assert one.w.shape == other.w.shape == dense.weights[0].shape == (3, 2)
    block = Block()
    block.build((None, 4))
    assert len(block.weights) == 24
    assert not block.unused.built


class Pair(layers.Layer):
    def build(self, x_shape, more_shape):
        self.shapes = x_shape, more_shape

    def call(self, x, more):
        return x + more["a"]


class Listed(layers.Layer):
    def build(self, input_shape):
        self.shapes = input_shape

    def call(self, x):
        return x[0] + x[1]


class Layer(layers.Layer):
    """Has the name of its base."""

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones")

    def call(self, x):
        return x * self.scale


def test_a_layer_named_like_its_base_has_its_own_build():
    np.testing.assert_array_equal(model_of(Layer()).predict(X), X)


def test_build_gets_the_shapes_of_several_inputs():
    x, more = Input((None, 4)), Input((1, 4))
    Model([x, more], [(pair := Pair())(x, {"a": more}), (listed := Listed())([x, more])])
    assert pair.shapes == ((None, None, 4), {"a": (None, 1, 4)})
    assert list(listed.shapes) == [(None, None, 4), (None, 1, 4)]


def test_a_size_that_is_open_stays_open_for_the_layers_inside():
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Linear(2)

        def call(self, x):
            return self.inner(x)

    outer = Outer()
    assert outer(Input((None, 3))).shape == (None, None, 2)
    assert outer.inner.shape_seen == (None, None, 3)


class Modes(layers.Layer):
    """Passes the mode on in none, in one and in the other way."""

    def __init__(self):
        super().__init__()
        self.drop, self.inner = Dropout(0.5), Mode()

    def call(self, x, training=None):
        return jnp.concatenate([self.inner(x), self.inner(x, training=not training), self.drop(x, training=False)], 1)


class Mode(layers.Layer):
    def call(self, x, training=None):
        return x * 0 + (1 if training else 2)


def test_training_is_true_in_a_training_step_only_and_is_handed_on():
    seen = []

    def loss(y, outputs):
        jax.debug.callback(lambda row: seen.append(np.asarray(row).tolist()), outputs[0])
        return jnp.mean(outputs)

    model = Sequential([Input((2,)), Modes()])
    model.compile("sgd", loss)
    ones = np.ones((4, 2), "float32")
    model.train_on_batch(ones, ones)
    model.evaluate(ones, ones, verbose=0)
    jax.effects_barrier()
    assert seen == [[1, 1, 2, 2, 1, 1], [2, 2, 1, 1, 1, 1]]
    assert model.predict(ones)[0].tolist() == [2, 2, 1, 1, 1, 1]
    layer = model.layers[0]
    assert np.asarray(layer(ones))[0].tolist() == [2, 2, 1, 1, 1, 1]  # by itself: in inference mode, as in Keras
    assert np.asarray(layer(ones, training=True))[0].tolist() == [1, 1, 2, 2, 1, 1]


def test_an_explicit_mode_is_for_all_that_is_inside():
    drop = Sequential([Dropout(0.5)])
    assert not np.array_equal(drop(np.ones((1, 64), "float32"), training=True), np.ones((1, 64)))
    assert np.array_equal(drop(np.ones((1, 64), "float32")), np.ones((1, 64)))


class Encoder(layers.Layer):
    """Its recurrent layer gets the mask that its embedding makes."""

    def __init__(self):
        super().__init__()
        self.embedding, self.lstm = Embedding(9, 3, mask_zero=True), LSTM(2)

    def call(self, x):
        return self.lstm(self.embedding(x))


def test_masks_reach_the_layers_inside_as_between_layers():
    words = np.array([[1, 2, 3], [4, 0, 0]])
    model = Sequential([Input((3,), "int32"), encoder := Encoder()])
    alone = Sequential([Input((3,), "int32"), Embedding(9, 3, mask_zero=True), LSTM(2)])
    alone.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(words), alone.predict(words), rtol=1e-6)
    assert encoder.built


class Counted(layers.Layer):
    def call(self, x, mask=None):
        return jnp.sum(mask, 1, keepdims=True).astype("float32") + 0 * x[:, 0]


def test_a_mask_is_given_to_whoever_asks_for_it_and_goes_on_where_a_layer_supports_it():
    class Keeps(layers.Layer):
        supports_masking = True

        def call(self, x):
            return 2 * x

    class Drops(layers.Layer):
        def call(self, x):
            return x[:, 1:]

        def compute_mask(self, inputs, mask=None):
            return None if mask is None else mask[:, 1:]

    x = np.ones((2, 4, 1), "float32")
    x[1, 2:] = 0
    model = Sequential([Input((4, 1)), Masking(), Keeps(), Drops(), Counted()])
    assert model.predict(x).tolist() == [[3.0], [1.0]]


class Penalty(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = Dense(1, kernel_initializer="ones")

    def call(self, x):
        y = self.dense(x)
        self.add_loss(2 * jnp.sum(self.dense.weights[0] ** 2))
        return y


class Outer(layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = Sequential([Penalty()])

    def call(self, x):
        self.add_loss([0.5])
        return self.inner(x)


def test_add_loss_is_minimised_and_logged_from_nested_layers_too():
    model = model_of(Outer())
    error = ((model.predict(X) - Y) ** 2).mean()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(error + 2 * 4 + 0.5, rel=1e-5)
    model.compile("sgd", "mse", loss_weights=[0.0])
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(model.get_weights()[0], np.full((4, 1), 1 - 0.01 * 2 * 2), rtol=1e-6)


class Counter(layers.Layer):
    def __init__(self):
        super().__init__()
        self.steps, self.scales = 0, np.array([1.0, 2.0, 3.0, 4.0], "float32")

    def build(self, input_shape):
        self.count = self.add_weight((), "zeros", "int32", trainable=False)
        self.scale = self.add_weight((4,), lambda shape, dtype: jnp.ones(shape, dtype))

    def call(self, x, training=None):
        if training:
            self.count.assign_add(1)
        return x * self.scale * self.scales


def test_a_weight_that_call_changes_keeps_its_value_from_step_to_step():
    model = model_of(layer := Counter(), Dense(1))
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    model.evaluate(X, Y, verbose=0)
    assert model.get_weights()[1] == 8
    assert layer.count.numpy() == 8
    model.train_on_batch(X, Y)
    assert model.layers[0].count.value == 9
    assert isinstance(layer.scales, (np.ndarray, jax.Array))


def test_a_step_of_a_cell_in_a_loop_and_in_a_scan():
    class Cell(layers.Layer):
        def __init__(self):
            super().__init__()
            self.gate = Dense(3, activation="tanh")

        def call(self, x, h):
            return self.gate(jnp.concatenate([x, h], -1))

    class Runs(layers.Layer):
        def __init__(self, scan):
            super().__init__()
            self.cell, self.scan = Cell(), scan

        def call(self, x):
            start = jnp.zeros((len(x), 3))
            if self.scan:
                return jax.lax.scan(lambda h, x: (self.cell(x, h), None), start, x.swapaxes(0, 1))[0]
            for at in range(x.shape[1]):
                start = self.cell(x[:, at], start)
            return start

    one, other = (Sequential([Input((5, 2)), Runs(scan)]) for scan in (False, True))
    other.set_weights(one.get_weights())
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    np.testing.assert_allclose(one.predict(x), other.predict(x), rtol=1e-5)


def test_a_subclass_of_a_layer_adds_weights_and_overrides_call():
    class Scaled(Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.scale = self.add_weight((self.units,), "ones")

        def call(self, x):
            return super().call(x) * self.scale * 2

    model = model_of(Scaled(1, use_bias=False, kernel_initializer="ones"))
    assert [w.shape for w in model.get_weights()] == [(4, 1), (1,)]
    np.testing.assert_allclose(model.predict(X)[:, 0], 2 * X.sum(1), rtol=1e-4, atol=1e-5)
    model.fit(X, Y, verbose=0)
    assert model.get_weights()[1] != 1


def test_a_layer_reached_in_training_only_has_weights_too():
    class Helped(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense, self.helper = Dense(1), Dense(1)

        def call(self, x, training=None):
            return self.dense(x) + (self.helper(x) if training else 0)

    model = model_of(Helped())
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert all((one != other).any() for one, other in zip(before, model.get_weights(), strict=True))


def test_a_plain_module_may_have_layers_that_have_no_weights_yet():
    class Net(nnx.Module):
        def __init__(self):
            self.block, self.head = nnx.List([Dense(3), Linear(2)]), Sequential([Dense(1)])

        def __call__(self, x):
            for layer in self.block:
                x = layer(x)
            return self.head(x)

    model = Model(Net())
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,), (3, 2), (2,), (2, 1), (1,)] or len(
        model.get_weights()
    ) == 6
    np.testing.assert_allclose(model(X), model.predict(X), rtol=1e-5)
