"""Layers compute what Keras's do with the same weights: outputs, masks, gradients, and what training moves."""

import importlib.util
import os

import numpy as np
import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras isn't installed: pip install keras", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "jax")

from epochal import layers, optimizers
from epochal.models import Model, Sequential, load_model

pytestmark = [
    pytest.mark.filterwarnings("default"),  # Keras's own
]
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
    """Return a model of all cases side by side, behind a layer whose gradient depends on all of them."""
    x = L.Input(shape, name="x")
    hidden = L.Dense(shape[-1], name="hidden")(x)
    made = [L.Flatten()(call(L, hidden, name, settings)) for call, name, settings in CASES[shape]]
    return model(x, L.Concatenate()(made))


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
    for name in wanted if isinstance(wanted, dict) else [...]:
        np.testing.assert_allclose(got[name], wanted[name], rtol=5e-5, atol=5e-6, err_msg=str(name))


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
    ours.compile(optimizers.SGD(0.05), "mse")
    theirs.compile(keras.optimizers.SGD(0.05), "mse")
    before = ours.get_weights()
    for model in (ours, theirs):
        model.fit(x, np.zeros_like(wanted), epochs=2, batch_size=3, verbose=0)
    for first, mine, its in zip(before, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine - first, its - first, rtol=2e-3, atol=1e-6)


def masked(L, model):
    """Return a model whose layers get sequences with masked steps."""
    x, z, words = L.Input((4, 3), name="x"), L.Input((4, 3), name="z"), L.Input((4, 5), dtype="int32", name="words")
    masking = L.Masking(2.0)
    a, b = masking(x), masking(z)
    outputs = {"both": L.Maximum()([a, b]), "one": L.Minimum()([z, a]), "three": L.Maximum()([a, b, z])}
    outputs = {name: L.Flatten(name=name)(output) for name, output in outputs.items()}
    for name in ("Maximum", "Minimum", "Subtract"):
        outputs[name] = L.LSTM(2, name=name)(getattr(L, name)()([a, b]))
    kept = L.Rescaling(2.0)(L.SpatialDropout1D(0.5)(L.GaussianNoise(0.5)(L.PReLU()(L.ReLU()(L.ELU()(a))))))
    outputs["kept"] = L.LSTM(2, name="kept")(L.TimeDistributed(L.Dense(3))(L.LeakyReLU()(kept)))
    by_sentence = L.TimeDistributed(L.LSTM(3))(L.Embedding(9, 4, mask_zero=True)(words))
    outputs["sentences"] = L.LSTM(2, name="sentences")(by_sentence)
    return model([x, z, words], outputs)


@pytest.mark.filterwarnings("ignore:.*mask")
def test_masks_are_used_and_passed_on_as_in_keras_also_in_files(tmp_path):
    random = np.random.default_rng(2)
    x, z = random.normal(size=(2, 3, 4, 3)).astype("float32")
    x[0, 2:] = z[0, 1:3] = x[1, 0] = z[1, 0] = z[2, 3] = 2
    words = random.integers(0, 9, (3, 4, 5)).astype("int32")
    words[0, 1, 2:] = words[1, 3] = 0
    ours, theirs = with_weights(masked(layers, Model), masked(keras.layers, keras.Model))
    wanted = theirs.predict([x, z, words], verbose=0)
    ours.save(tmp_path / "ours.h5")
    theirs.save(tmp_path / "theirs.h5")
    for model in (ours, load_model(tmp_path / "theirs.h5"), keras.models.load_model(tmp_path / "ours.h5")):
        assert_gives(model, [x, z, words], wanted)


def of_frames(L, model, sequential):
    start = L.Input((4, 2))
    inner = model(start, L.Dense(3, name="d")(L.Flatten(name="f")(L.Conv1D(2, 2, name="c")(start))), name="inner")
    stack = sequential([L.Input((3,)), L.BatchNormalization(name="n"), L.Dense(2, name="e")], name="stack")
    noise = [L.SpatialDropout1D(0.5, seed=1), L.AlphaDropout(0.5, (None, 1, None)), L.Dropout(0.5, (None, 1, 2), 3),
             L.GaussianNoise(0.5), L.GaussianDropout(0.5, seed=2)]  # fmt: skip
    last = L.LSTM(2, dropout=0.5, seed=4)
    return sequential([L.Input((3, 4, 2)), L.TimeDistributed(inner), L.TimeDistributed(stack), *noise, last])


def test_models_in_time_distributed_go_both_ways(tmp_path):
    ours, theirs = of_frames(layers, Model, Sequential), of_frames(keras.layers, keras.Model, keras.Sequential)
    with_weights(ours, theirs)
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 2)).astype("float32")
    wanted = theirs.predict(x, verbose=0)
    ours.save(tmp_path / "ours.h5")
    theirs.save(tmp_path / "theirs.h5")
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    loaded = load_model(tmp_path / "theirs.h5")
    assert [getattr(layer, "seed", None) for layer in loaded.layers] == [None, None, 1, None, 3, None, 2, 4]
    ours.set_weights([np.zeros_like(w) for w in ours.get_weights()])
    ours.load_weights(tmp_path / "theirs.weights.h5")
    for model in (ours, loaded, keras.models.load_model(tmp_path / "ours.h5")):
        np.testing.assert_allclose(model.predict(x, verbose=0), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout", "GaussianDropout", "SpatialDropout1D"])
def test_noise_has_the_moments_of_keras(name):
    x = np.random.default_rng(1).normal(1, 0.5, size=(500, 4, 40)).astype("float32")
    ours, theirs = (np.asarray(getattr(L, name)(0.3, seed=1)(x, training=True)) for L in (layers, keras.layers))
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.03)
    assert ours.std() == pytest.approx(theirs.std(), abs=0.03)
    assert ours.min() == pytest.approx(theirs.min(), abs=1)
