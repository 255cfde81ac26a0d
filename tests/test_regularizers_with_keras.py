"""Regularizers and constraints beside an installed Keras 3: values, whole fits and files; skipped where there is none."""

import importlib.util
import inspect
import os

import numpy as np
import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras isn't installed: pip install keras", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "jax")

import jax.numpy as jnp

import epochal
from epochal import constraints, layers, regularizers
from epochal.callbacks import SwapEMAWeights
from epochal.models import load_model

pytestmark = [
    pytest.mark.filterwarnings("default"),  # Keras's own
]
keras = pytest.importorskip("keras")

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 2, 4)).astype("float32")
IMAGES = RNG.normal(size=(14, 2, 2, 2)).astype("float32")
STEPS = RNG.normal(size=(14, 4, 3)).astype("float32")
WORDS = RNG.integers(0, 5, size=(14, 4))
Y = RNG.normal(size=(14, 2)).astype("float32")


@pytest.mark.parametrize(
    ("name", "settings", "w"),
    [
        ("L1", {}, W),
        ("L2", {"l2": 0.3}, W),
        ("L1L2", {"l1": 0.1, "l2": 0.3}, W),
        ("OrthogonalRegularizer", {}, W[0]),
        ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}, W[0]),
    ],
)
def test_regularizers_have_keras_values_and_settings(name, settings, w):
    ours, theirs = getattr(regularizers, name)(**settings), getattr(keras.regularizers, name)(**settings)
    assert float(ours(w)) == pytest.approx(float(theirs(keras.ops.convert_to_tensor(w))), rel=1e-5)
    assert ours.get_config() == pytest.approx(theirs.get_config()) if "mode" not in settings else theirs.get_config()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("MaxNorm", {}),
        ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}),
        ("NonNeg", {}),
        ("UnitNorm", {"axis": -1}),
        ("MinMaxNorm", {"min_value": 1.2, "max_value": 1.5, "rate": 0.7, "axis": [1, 2]}),
    ],
)
def test_constraints_have_keras_values_and_settings(name, settings):
    ours, theirs = getattr(constraints, name)(**settings), getattr(keras.constraints, name)(**settings)
    np.testing.assert_allclose(ours(W), theirs(W), rtol=1e-6)
    assert ours.get_config() == theirs.get_config()


def of_words(k, inputs):
    """An embedding, and a recurrent layer in both directions."""
    n, r, c = k.layers, k.regularizers, k.constraints
    x = n.Embedding(
        5, 2, embeddings_regularizer="l2", embeddings_constraint="unit_norm", activity_regularizer=r.L2(0.2)
    )(inputs)
    half = n.LSTM(1, kernel_regularizer="l2", bias_regularizer=r.L2(0.3), activity_regularizer=r.L1(0.1),
                  recurrent_regularizer=r.L1(0.1), recurrent_constraint=c.UnitNorm(), bias_constraint="non_neg")  # fmt: skip
    return n.Bidirectional(half)(x)


def of_steps(k, inputs):
    """Convolution, normalization, attention and a shared layer in two outputs."""
    n, r, c = k.layers, k.regularizers, k.constraints
    x = n.Conv1D(
        4,
        2,
        kernel_regularizer=r.L1L2(0.1, 0.2),
        bias_constraint="non_neg",
        kernel_constraint=c.MaxNorm(0.6, axis=[0, 1]),
    )(inputs)
    x = n.BatchNormalization(
        gamma_regularizer="l2",
        beta_regularizer="l1",
        gamma_constraint=c.MinMaxNorm(0.1, 0.2),
        beta_constraint="non_neg",
    )(x)
    x = n.MultiHeadAttention(
        2,
        2,
        kernel_regularizer="l2",
        bias_regularizer="l1",
        activity_regularizer=r.L2(0.1),
        kernel_constraint=c.MaxNorm(1),
    )(x, x)
    x = n.LayerNormalization(gamma_regularizer=r.L1(0.2))(x)
    x = n.ActivityRegularization(0.1, 0.2)(n.GlobalAveragePooling1D()(x))
    shared = n.Dense(4, "tanh", kernel_regularizer=r.OrthogonalRegularizer(0.3))
    return n.Dense(2, kernel_regularizer="l2", bias_constraint="non_neg")(shared(shared(x)))


def of_images(k, inputs):
    """Convolutions with two kernels or a transposed one, and slopes."""
    n, r, c = k.layers, k.regularizers, k.constraints
    x = n.Conv2DTranspose(2, 2, kernel_regularizer="l1", bias_regularizer="l2", kernel_constraint=c.UnitNorm([0, 1]))(
        inputs
    )
    x = n.PReLU(shared_axes=[1, 2], alpha_regularizer="l2", alpha_constraint="non_neg")(x)
    x = n.DepthwiseConv2D(2, depthwise_regularizer=r.L2(0.1), bias_regularizer="l1", depthwise_constraint="max_norm")(x)
    x = n.SeparableConv2D(
        2,
        2,
        depthwise_regularizer="l2",
        pointwise_regularizer=r.L1(0.1),
        activity_regularizer="l2",
        depthwise_constraint="non_neg",
        pointwise_constraint=c.MaxNorm(0.5, axis=2),
        bias_constraint="non_neg",
    )(x)
    return n.Flatten()(x)


def of_models(k, inputs):
    """A model in a model, with a layer that is frozen and one that isn't."""
    n = k.layers
    frozen = n.Dense(3, kernel_regularizer="l1", kernel_constraint="non_neg", trainable=False)
    inner = k.Sequential(
        [n.Input((12,)), frozen, n.Dense(3, "relu", kernel_regularizer="l2", activity_regularizer="l2")]
    )
    return n.Dense(2, bias_regularizer="l2")(inner(n.Flatten()(inputs)))


def made(k, body, x):
    inputs = k.layers.Input(x.shape[1:], dtype="int32" if x.dtype.kind == "i" else "float32")
    model = k.Model(inputs, body(k, inputs))
    random = np.random.default_rng(3)
    model.set_weights([random.uniform(0.1 if w.ndim == 1 else -1, 1, w.shape) for w in model.get_weights()])
    model.compile("sgd", "mse")
    return model


def assert_alike(ours, theirs, x):
    settings = {"batch_size": 7, "epochs": 3, "verbose": 0, "shuffle": False}
    histories = [model.fit(x, Y, **settings).history for model in (ours, theirs)]
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, rtol=1e-5, err_msg=name)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def penalties(model):
    return sum(map(float, model.losses))


def constraints_of(model):
    """Return the class and the settings of each weight's constraint."""
    found = [getattr(weight, "constraint", None) for weight in model.trainable_weights]
    return [None if c is None else (type(c).__name__, c.get_config()) for c in found]


@pytest.mark.parametrize(("body", "x"), [(of_words, WORDS), (of_steps, STEPS), (of_images, IMAGES), (of_models, STEPS)])
def test_fits_are_keras_fits_and_models_go_both_ways(body, x, tmp_path):
    ours, theirs = made(epochal, body, x), made(keras, body, x)
    assert penalties(ours) == pytest.approx(penalties(theirs), rel=1e-5)
    ours.save(tmp_path / "ours.h5")
    theirs.save(tmp_path / "theirs.h5")
    assert_alike(ours, theirs, x)
    ours, theirs = load_model(tmp_path / "theirs.h5"), keras.models.load_model(tmp_path / "ours.h5")
    assert penalties(ours) == pytest.approx(penalties(theirs), rel=1e-5)
    assert constraints_of(load_model(tmp_path / "ours.h5")) == constraints_of(ours) == constraints_of(theirs)


def restraints_taken(kind):
    """Return the names of the regularizers and constraints that Keras's class takes."""
    inits = [base.__init__ for base in kind.__mro__ if issubclass(base, keras.layers.Layer)]
    names = {name for init in inits for name in inspect.signature(init).parameters}
    return {name for name in names if name.endswith(("_regularizer", "_constraint"))}


def test_every_layer_takes_those_that_keras_s_takes():
    for name in layers.__all__:
        ours, theirs = getattr(layers, name), getattr(keras.layers, name, None)
        if isinstance(theirs, type) and isinstance(ours, type) and issubclass(ours, layers.Layer):
            settings = {f"{weight}_{kind}" for weight in ours.restrained for kind in ("regularizer", "constraint")}
            assert settings | {"activity_regularizer"} == restraints_taken(theirs), name


class Spread(regularizers.Regularizer):
    def __init__(self, factor=0.1):
        self.factor = factor

    def __call__(self, x):
        return self.factor * jnp.var(x)


class KerasSpread(keras.regularizers.Regularizer):
    def __init__(self, factor=0.1):
        self.factor = factor

    def __call__(self, x):
        return self.factor * keras.ops.var(x)

    def get_config(self):
        return {"factor": self.factor}


def halved(w):
    return w / 2


def test_evaluation_and_calls_by_hand_have_the_penalties_too():
    ours, theirs = made(epochal, of_models, STEPS), made(keras, of_models, STEPS)
    assert ours.evaluate(STEPS, Y, verbose=0) == pytest.approx(theirs.evaluate(STEPS, Y, verbose=0), rel=1e-5)
    ours(STEPS), theirs(STEPS)
    assert len(ours.losses) == len(theirs.losses) == 3
    assert penalties(ours) == pytest.approx(penalties(theirs), rel=1e-5)


def test_a_regularizer_and_a_constraint_of_ones_own_go_both_ways(tmp_path):
    def body(k, spread):
        return lambda _, inputs: k.layers.Dense(2, kernel_regularizer=spread(0.7), kernel_constraint=halved)(inputs)

    x = STEPS[:, 0]
    ours, theirs = made(epochal, body(epochal, Spread), x), made(keras, body(keras, KerasSpread), x)
    ours.save(tmp_path / "ours.h5")
    theirs.save(tmp_path / "theirs.h5")
    assert_alike(ours, theirs, x)
    ours = load_model(tmp_path / "theirs.h5", custom_objects={"KerasSpread": Spread, "halved": halved})
    theirs = keras.models.load_model(tmp_path / "ours.h5", custom_objects={"Spread": KerasSpread, "halved": halved})
    theirs.compile("sgd", "mse")
    ours.compile("sgd", "mse")
    assert_alike(ours, theirs, x)


def test_averaged_weights_are_those_before_the_constraints_as_in_keras():
    def body(k, inputs):
        return k.layers.Dense(2, kernel_constraint="non_neg", kernel_regularizer="l2")(inputs)

    x = STEPS[:, 0]
    ours, theirs = made(epochal, body, x), made(keras, body, x)
    theirs.compile(keras.optimizers.SGD(use_ema=True, ema_momentum=0.1), "mse")
    settings = {"batch_size": 7, "epochs": 3, "verbose": 0, "shuffle": False}
    ours.fit(x, Y, callbacks=[SwapEMAWeights(decay=0.1)], **settings)
    theirs.fit(x, Y, callbacks=[keras.callbacks.SwapEMAWeights()], **settings)
    assert ours.get_weights()[0].min() < 0
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)  # the first step's average differs by 0.1**6
