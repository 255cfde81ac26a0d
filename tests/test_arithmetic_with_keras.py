"""Operators and merging layers both ways between epochal's files and an installed Keras 3; skipped without one."""

import importlib.util
import os

import numpy as np
import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras isn't installed: pip install keras", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "jax")

from epochal import layers
from epochal.models import Model, load_model

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own
keras = pytest.importorskip("keras")

RNG = np.random.default_rng(0)
DATA = [RNG.normal(size=(5, 4)).astype("float32"), RNG.normal(size=(5, 3, 4)).astype("float32")]


def built(module, model):
    a, s = module.Input((4,)), module.Input((3, 4))
    out = abs(3 + (a + module.Dense(4)(a)) * 2 - a / 2) ** 2
    out = -out[:, 1:3] + np.float32([1, 2])
    t = (s[..., 0:2] @ np.ones((2, 2), "float32"))[:, -1] // 0.5 % 3
    u = module.Add()([out, t]) + module.Multiply()([s, a])[:, 0, None][:, 0, :2] * (a > 0)[:, :2]
    return model([a, s], [2**u / np.float32(3), module.Average()([s[:, :, :2], t])])


def assert_equal(one, other):
    for got, wanted in zip(one.predict(DATA, verbose=0), other.predict(DATA, verbose=0), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_operators_go_both_ways(tmp_path):
    theirs, ours = built(keras.layers, keras.Model), built(layers, Model)
    ours.set_weights(theirs.get_weights())
    assert_equal(ours, theirs)
    theirs.save(tmp_path / "theirs.h5")
    assert_equal(load_model(tmp_path / "theirs.h5"), theirs)
    ours.save(tmp_path / "ours.h5")
    assert_equal(keras.models.load_model(tmp_path / "ours.h5"), theirs)
    ours.save_weights(tmp_path / "w.weights.h5")
    theirs.load_weights(tmp_path / "w.weights.h5")
    theirs.save_weights(tmp_path / "w.weights.h5")
    ours.load_weights(tmp_path / "w.weights.h5")


@pytest.mark.parametrize("kind", ["Add", "Multiply", "Average", "Concatenate"])
def test_masks_in_merging_layers_are_as_in_keras(kind):
    def masked(module, model):
        a, b = module.Input((4, 3)), module.Input((4, 3))
        merged = getattr(module, kind)()([module.Masking()(a), module.Masking()(b)])
        return model([a, b], [merged, module.GlobalAveragePooling1D()(merged)])

    data = [RNG.normal(size=(6, 4, 3)).astype("float32") for _ in "ab"]
    for x in data:
        x[:, 1:][RNG.random((6, 3)) < 0.5] = 0
    theirs, ours = masked(keras.layers, keras.Model), masked(layers, Model)
    for got, wanted in zip(ours.predict(data, verbose=0), theirs.predict(data, verbose=0), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
