"""A user's own layer, written once, in epochal and in an installed Keras 3; skipped where there is none."""

import importlib.util
import os

import numpy as np
import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras isn't installed: pip install keras", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "jax")

from epochal import layers, models

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own
keras = pytest.importorskip("keras")


def block_of(layers, models):
    """Return the class of a layer that has layers in all the ways there are."""

    class Block(layers.Layer):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.wide = layers.Dense(6, activation="relu")
            self.denses = [layers.Dense(5), [layers.Dense(4), layers.LayerNormalization()], layers.Dense(4)]
            self.branches = {"z": layers.Dense(4), "a": layers.BatchNormalization(), "deep": {"x": layers.Dense(4)}}
            self.pair = (layers.Dense(4), layers.LSTM(4))
            self.again = self.wide
            self.stack = models.Sequential([layers.Dense(5, activation="relu"), layers.BatchNormalization()])

        def build(self, input_shape):
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
            self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")
            self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")
            super().build(input_shape)

        def call(self, x):
            x = self.wide(x * self.scale + self.bias)
            x = self.denses[2](self.denses[1][1](self.denses[1][0](self.denses[0](x))))
            for branch in (self.branches["z"], self.branches["a"], self.branches["deep"]["x"]):
                x = branch(x)
            return self.stack(self.pair[1](self.pair[0](x)))

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    return Block


OURS, THEIRS = block_of(layers, models), block_of(keras.layers, keras)


def model_of(library, layers, Block):
    x = layers.Input((5, 4))
    return scrambled(library.Model(x, layers.Dense(2)(Block(name="own")(layers.Dense(4)(x)))))


def ours():
    return model_of(models, layers, OURS)


def theirs():
    return model_of(keras, keras.layers, THEIRS)


def scrambled(model):
    model(np.zeros((1, 5, 4), "float32"))
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def assert_equal_outputs(one, other):
    x = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    np.testing.assert_allclose(one.predict(x, verbose=0), other.predict(x, verbose=0), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
def test_the_weights_of_an_own_layer_go_both_ways(tmp_path, name):
    model, other = ours(), theirs()
    assert len(model.get_weights()) == len(other.get_weights())
    model.save_weights(tmp_path / name)
    other.load_weights(tmp_path / name)
    assert_equal_outputs(model, other)
    other.set_weights([w + 0.125 for w in other.get_weights()])
    other.save_weights(tmp_path / "theirs.weights.h5")
    model.load_weights(tmp_path / "theirs.weights.h5")
    assert_equal_outputs(model, other)


def test_a_whole_model_with_an_own_layer_goes_both_ways(tmp_path):
    model = ours()
    model.save(tmp_path / "ours.h5")
    other = keras.models.load_model(tmp_path / "ours.h5", custom_objects={"Block": THEIRS})
    assert_equal_outputs(model, other)
    other.save(tmp_path / "theirs.h5")
    assert_equal_outputs(models.load_model(tmp_path / "theirs.h5", custom_objects={"Block": OURS}), other)
