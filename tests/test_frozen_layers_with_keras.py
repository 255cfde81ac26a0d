"""Frozen layers both ways between epochal's files and an installed Keras 3; skipped where there is none."""

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

x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
y = x[:, :1]


def made(layers, models, frozen):
    """A base of four layers, of which some are frozen, and a layer on top; every weight is another one."""
    parts = [
        layers.Dense(3, name="a"),
        layers.BatchNormalization(name="bn"),
        layers.Dropout(0.0),
        layers.Dense(2, name="b"),
    ]
    base = models.Sequential([layers.Input((4,)), *parts], name="base")
    for name in frozen:
        (base if name == "base" else base.get_layer(name)).trainable = False
    inputs = layers.Input((4,))
    model = models.Model(inputs, layers.Dense(1, name="top")(base(inputs)))
    model.set_weights([np.random.default_rng(n).uniform(0.5, 1, w.shape) for n, w in enumerate(model.get_weights())])
    model.compile("sgd", "mean_squared_error")
    return model


def trained(model):
    before = model.get_weights()
    model.fit(x, y, batch_size=16, epochs=1, verbose=0, shuffle=False)
    return [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]


def assert_alike(one, other):
    np.testing.assert_allclose(np.asarray(one.predict(x, verbose=0)), other.predict(x, verbose=0), rtol=1e-5)
    assert trained(one) == trained(other)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("frozen", [["a"], ["bn"], ["a", "bn", "b"], ["base"]])
def test_frozen_layers_train_alike_and_go_both_ways(tmp_path, frozen):
    ours, theirs = made(layers, models, frozen), made(keras.layers, keras, frozen)
    ours.save(tmp_path / "ours.h5")
    theirs.save(tmp_path / "theirs.h5")
    assert_alike(ours, theirs)
    assert_alike(models.load_model(tmp_path / "ours.h5"), keras.models.load_model(tmp_path / "ours.h5"))
    again = made(keras.layers, keras, frozen)  # Keras itself can't go on training from its file
    assert_alike(models.load_model(tmp_path / "theirs.h5"), again)
