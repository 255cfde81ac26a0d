"""Both ways between epochal's files and an installed Keras 3; skipped where there is none."""

import importlib.util
import os

import numpy as np
import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras isn't installed: pip install keras", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "jax")

import jax.numpy as jnp
from flax import nnx

from epochal import layers, losses, metrics, optimizers
from epochal.layers import Input
from epochal.models import Sequential, load_model

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own
keras = pytest.importorskip("keras")

IMAGE = (6, 6, 2)
STACKS = {
    "convolution": (IMAGE, [("Conv2D", {"filters": 4, "kernel_size": (3, 2), "strides": (1, 2), "padding": "same", "groups": 2})]),
    "dilated": (IMAGE, [("Conv2D", {"filters": 3, "kernel_size": 2, "dilation_rate": 2, "use_bias": False, "activation": "gelu"})]),
    "pooling": (IMAGE, [("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}), ("AveragePooling2D", {"pool_size": (1, 2)})]),
    "global pooling": (IMAGE, [("GlobalAveragePooling2D", {}), ("Reshape", {"target_shape": (1, -1)})]),
    "batch norm": (IMAGE, [("BatchNormalization", {"momentum": 0.5, "epsilon": 0.1}), ("Flatten", {}), ("Dense", {"units": 3})]),
    "other axis": (IMAGE, [("BatchNormalization", {"axis": 1, "center": False}), ("BatchNormalization", {"scale": False})]),
    "layer norm": ((5,), [("LayerNormalization", {"epsilon": 0.5, "scale": False}), ("Dropout", {"rate": 0.25})]),
    "words": ((5,), [("Embedding", {"input_dim": 9, "output_dim": 3}), ("GlobalAveragePooling1D", {}), ("Dense", {"units": 2}), ("Activation", {"activation": "tanh"})]),
    "dense": ((5,), [("Dense", {"units": 4, "activation": "selu", "kernel_initializer": "he_uniform"}), ("Dense", {"units": 2, "activation": "softmax"})]),
}  # fmt: skip


def build(module, sequential, given, stack):
    return sequential([given, *(getattr(module, name)(**settings) for name, settings in stack)])


def ours(shape, stack):
    return scrambled(build(layers, Sequential, Input(shape), stack))


def theirs(shape, stack):
    return scrambled(build(keras.layers, keras.Sequential, keras.layers.Input(shape), stack))


def scrambled(model):
    """Give every weight values by which it can be told from others; variances stay positive."""
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def inputs(shape):
    return np.random.default_rng(1).integers(0, 9, size=(3, *shape)).astype("float32")


def assert_equal_outputs(one, other, shape):
    x = inputs(shape)
    np.testing.assert_allclose(one.predict(x, verbose=0), other.predict(x, verbose=0), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("name", ["w.h5", "w.hdf5", "w.weights.h5"])
def test_keras_loads_our_weights(tmp_path, stack, name):
    model, other = ours(*stack), theirs(*stack)
    model.save_weights(tmp_path / name)
    other.set_weights([np.zeros_like(w) for w in other.get_weights()])
    other.load_weights(tmp_path / name)
    assert_equal_outputs(model, other, stack[0])


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_keras_loads_our_models_and_we_load_them_back(tmp_path, stack):
    model = ours(*stack)
    model.save(tmp_path / "ours.h5")
    other = keras.models.load_model(tmp_path / "ours.h5")
    assert_equal_outputs(model, other, stack[0])
    other.save(tmp_path / "theirs.h5")
    assert_equal_outputs(load_model(tmp_path / "theirs.h5"), other, stack[0])


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_we_load_models_and_weights_of_keras(tmp_path, stack):
    model = theirs(*stack)
    model.save(tmp_path / "m.h5")
    model.save_weights(tmp_path / "w.weights.h5")
    assert_equal_outputs(load_model(tmp_path / "m.h5"), model, stack[0])
    for name in ("m.h5", "w.weights.h5"):
        other = build(layers, Sequential, Input(stack[0]), stack[1])
        other.load_weights(tmp_path / name)
        assert_equal_outputs(other, model, stack[0])


@pytest.mark.parametrize(
    "optimizer", ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam", "lion"]
)
def test_keras_goes_on_training_a_trained_model_of_ours(tmp_path, optimizer):
    model = ours(*STACKS["dense"])
    x, y = inputs((5,)), np.eye(2)[[0, 1, 1]]
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy", metrics.AUC(50), metrics.Precision()])
    model.fit(x, y, verbose=0)
    model.optimizer.lr = 0.125
    model.save(tmp_path / "m.h5")
    other = keras.models.load_model(tmp_path / "m.h5")
    assert other.optimizer.name == optimizer
    assert float(other.optimizer.learning_rate) == 0.125
    ours_now = model.evaluate(x, y, verbose=0, return_dict=True)
    theirs_now = other.evaluate(x, y, verbose=0, return_dict=True)
    assert ours_now == pytest.approx(theirs_now, rel=1e-4)
    other.fit(x, y, verbose=0)


@pytest.mark.parametrize("loss", losses._ALL, ids=lambda loss: loss.__name__)
def test_keras_compiles_with_our_losses(tmp_path, loss):
    model = ours(*STACKS["dense"])
    model.compile(optimizers.AdamW(0.25, weight_decay=0.5, clipnorm=1.0), loss())
    model.save(tmp_path / "m.h5")
    other = keras.models.load_model(tmp_path / "m.h5")
    y = np.array([0, 1, 1]) if "Sparse" in loss.__name__ else np.eye(2)[[0, 1, 1]]
    expected = model.evaluate(inputs((5,)), y, verbose=0)
    assert expected == pytest.approx(other.evaluate(inputs((5,)), y, verbose=0), rel=1e-4)


def test_keras_loads_our_weights_into_a_compiled_model_that_then_trains(tmp_path):
    model, other = ours(*STACKS["dense"]), theirs(*STACKS["dense"])
    other.compile("adam", "mse")
    for name in ("w.h5", "w.weights.h5"):
        model.save_weights(tmp_path / name)
        other.load_weights(tmp_path / name)
        other.fit(inputs((5,)), np.zeros((3, 2)), verbose=0)


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
def test_keras_loads_our_bfloat16_weights_exactly(tmp_path, name):
    settings = {"param_dtype": jnp.bfloat16, "use_bias": False, "rngs": nnx.Rngs(0)}
    dense = type("Dense", (nnx.Linear,), {})  # one of the two layouts goes by the class
    model = Sequential([Input((3,)), dense(3, 2, **settings)])
    other = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, dtype="bfloat16", use_bias=False)])
    model.save_weights(tmp_path / name)
    other.load_weights(tmp_path / name)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(a, np.asarray(b))


@pytest.mark.filterwarnings("ignore:.*optimizer starts afresh")
def test_compile_settings_of_keras_come_over(tmp_path):
    model = theirs(*STACKS["dense"])
    model.compile(
        keras.optimizers.RMSprop(0.5, momentum=0.25),
        keras.losses.BinaryCrossentropy(label_smoothing=0.25),
        metrics=["mae", keras.metrics.Recall()],
    )
    model.fit(inputs((5,)), np.eye(2)[[0, 1, 1]], verbose=0)
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5")
    assert (other.optimizer.lr, other.optimizer.momentum, other._settings["loss"].label_smoothing) == (0.5, 0.25, 0.25)
    expected = model.evaluate(inputs((5,)), np.eye(2)[[0, 1, 1]], verbose=0, return_dict=True)
    assert other.evaluate(inputs((5,)), np.eye(2)[[0, 1, 1]], verbose=0, return_dict=True) == pytest.approx(
        expected, rel=1e-4
    )
