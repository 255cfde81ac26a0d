"""Layers compute what Keras's do with the same weights: outputs, masks, gradients, and what training moves."""

import importlib.util
import os

import numpy as np
import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras isn't installed: pip install keras", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "jax")

from epochal import layers, optimizers
from epochal.models import Model, load_model

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own
keras = pytest.importorskip("keras")

ONE = lambda L, x, name, settings: getattr(L, name)(**settings)(x)
PAIR = lambda L, x, name, settings: getattr(L, name)(**settings)([x, L.Permute((2, 1))(x) if name == "Dot" else x * x])
WRAPPED = lambda L, x, name, settings: L.TimeDistributed(getattr(L, name)(**settings))(x)

VECTORS, SEQUENCES, IMAGES = (6,), (4, 3), (4, 3, 2)
CASES = {
    VECTORS: [
        (ONE, "LeakyReLU", {"negative_slope": 0.1}),
        (ONE, "ReLU", {}),
        (ONE, "ReLU", {"max_value": 1.0, "negative_slope": 0.5, "threshold": 0.25}),
        (ONE, "ReLU", {"threshold": 0.5}),
        (ONE, "ELU", {"alpha": 0.5}),
        (ONE, "PReLU", {}),
        (ONE, "Softmax", {}),
        (ONE, "Rescaling", {"scale": 0.5, "offset": -1.0}),
        (ONE, "Rescaling", {"scale": [0.5, 1.0, 2.0, 3.0, 4.0, 5.0]}),
        (ONE, "Normalization", {}),
        (ONE, "Normalization", {"axis": None, "mean": 2.0, "variance": 4.0, "invert": True}),
        (ONE, "Normalization", {"mean": [1.0] * 6, "variance": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]}),
        (PAIR, "Maximum", {}),
        (PAIR, "Minimum", {}),
        (PAIR, "Subtract", {}),
    ],
    SEQUENCES: [
        (ONE, "Softmax", {"axis": 1}),
        (ONE, "PReLU", {"shared_axes": [1], "alpha_initializer": "ones"}),
        (ONE, "Cropping1D", {"cropping": (1, 2)}),
        (ONE, "Cropping1D", {"cropping": (1, 0)}),
        (ONE, "UpSampling1D", {"size": 3}),
        (ONE, "ZeroPadding1D", {"padding": (2, 1)}),
        (ONE, "AveragePooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}),
        (ONE, "GlobalMaxPooling1D", {"keepdims": True}),
        (ONE, "GlobalAveragePooling1D", {"keepdims": True}),
        (ONE, "Conv1DTranspose", {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 1}),
        (ONE, "DepthwiseConv1D", {"kernel_size": 2, "depth_multiplier": 2, "padding": "same"}),
        (ONE, "SeparableConv1D", {"filters": 2, "kernel_size": 2, "dilation_rate": 2}),
        (WRAPPED, "Dense", {"units": 2, "activation": "tanh"}),
        (WRAPPED, "BatchNormalization", {"momentum": 0.5}),
        (PAIR, "Dot", {"axes": (2, 1)}),
        (PAIR, "Dot", {"axes": (1, -1), "normalize": True}),
    ],
    IMAGES: [
        (ONE, "PReLU", {"shared_axes": [1, 2]}),
        (ONE, "Cropping2D", {"cropping": ((1, 0), (0, 2))}),
        (ONE, "GlobalMaxPooling2D", {"keepdims": True}),
        (ONE, "Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu"}),
        (ONE, "Conv2DTranspose", {"filters": 3, "kernel_size": (2, 1), "strides": 3, "use_bias": False}),
        (ONE, "Conv2DTranspose", {"filters": 3, "kernel_size": 4, "strides": 3, "padding": "same", "output_padding": 0}),
        (ONE, "Conv2DTranspose", {"filters": 3, "kernel_size": 2, "dilation_rate": 2}),
        (ONE, "DepthwiseConv2D", {"kernel_size": (2, 3), "depth_multiplier": 3, "activation": "relu"}),
        (ONE, "DepthwiseConv2D", {"kernel_size": 2, "strides": 2, "padding": "same", "use_bias": False}),
        (ONE, "SeparableConv2D", {"filters": 4, "kernel_size": 2, "depth_multiplier": 2, "strides": 2}),
        (WRAPPED, "Conv1D", {"filters": 2, "kernel_size": 2}),
    ],
}  # fmt: skip


def model_of(L, model, shape):
    """Return a model with an output for each case, behind a layer whose gradient depends on all of them."""
    x = L.Input(shape, name="x")
    hidden = L.Dense(shape[-1], name="hidden")(x)
    made = [call(L, hidden, name, settings) for call, name, settings in CASES[shape]]
    return model(x, {f"out_{at}": L.Flatten(name=f"out_{at}")(output) for at, output in enumerate(made)})


def with_weights(ours, theirs):
    """Give our model and Keras's the same weights."""
    random = np.random.default_rng(0)
    weights = [random.uniform(0.1, 1, w.shape).astype(w.dtype) for w in theirs.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return ours, theirs


@pytest.fixture(scope="module", params=CASES, ids=["vectors", "sequences", "images"])
def models(request):
    """Our model of all cases and Keras's, the inputs, and Keras's outputs."""
    shape = request.param
    ours, theirs = with_weights(model_of(layers, Model, shape), model_of(keras.layers, keras.Model, shape))
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype("float32")
    return ours, theirs, x, theirs.predict(x, verbose=0)


def assert_gives(model, x, wanted):
    got = model.predict(x, verbose=0)
    for name, outputs in wanted.items():
        np.testing.assert_allclose(got[name], outputs, rtol=5e-5, atol=5e-6, err_msg=name)


def test_layers_go_both_ways_in_files(models, tmp_path):
    ours, theirs, x, wanted = models
    assert_gives(ours, x, wanted)
    ours.save(tmp_path / "ours.h5")
    theirs.save(tmp_path / "theirs.h5")
    assert_gives(keras.models.load_model(tmp_path / "ours.h5"), x, wanted)
    loaded = load_model(tmp_path / "theirs.h5")
    assert_gives(loaded, x, wanted)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    loaded.set_weights([np.zeros_like(w) for w in loaded.get_weights()])
    loaded.load_weights(tmp_path / "theirs.weights.h5")
    assert_gives(loaded, x, wanted)
    weights = theirs.get_weights()
    theirs.set_weights([np.zeros_like(w) for w in weights])
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    for mine, its in zip(weights, theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_layers_are_trained_as_in_keras(models):
    ours, theirs, x, wanted = models
    y = {name: np.zeros_like(outputs) for name, outputs in wanted.items()}
    ours.compile(optimizers.SGD(0.001), dict.fromkeys(y, "mse"))
    theirs.compile(keras.optimizers.SGD(0.001), dict.fromkeys(y, "mse"))
    before = ours.get_weights()
    for model in (ours, theirs):
        model.fit(x, y, epochs=2, batch_size=3, verbose=0)
    for first, mine, its in zip(before, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine - first, its - first, rtol=2e-3, atol=1e-6)
