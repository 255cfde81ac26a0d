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
from epochal.models import Model, Sequential, load_model

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
    "steps": ((8, 4), [("Conv1D", {"filters": 6, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "groups": 2}), ("GroupNormalization", {"groups": 3, "epsilon": 0.01}), ("MaxPooling1D", {"pool_size": 2}), ("UpSampling1D", {"size": 3}), ("AveragePooling1D", {"pool_size": 2, "padding": "same"})]),
    "step shapes": ((5, 3), [("ZeroPadding1D", {"padding": (1, 2)}), ("Permute", {"dims": (2, 1)}), ("Conv1D", {"filters": 2, "kernel_size": 2, "strides": 2, "padding": "same"}), ("GlobalMaxPooling1D", {}), ("RepeatVector", {"n": 3})]),
    "image shapes": (IMAGE, [("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}), ("UpSampling2D", {"size": (2, 3)}), ("UpSampling2D", {"size": 2, "interpolation": "bilinear"}), ("GroupNormalization", {"groups": -1, "axis": 2}), ("GlobalMaxPooling2D", {})]),
    "masked": ((6, 3), [("Masking", {"mask_value": 4.0}), ("LayerNormalization", {}), ("SimpleRNN", {"units": 4, "return_sequences": True}), ("BatchNormalization", {}), ("GRU", {"units": 3})]),
    "padded": ((6,), [("Embedding", {"input_dim": 9, "output_dim": 3, "mask_zero": True}), ("LSTM", {"units": 4, "return_sequences": True, "dropout": 0.25}), ("GlobalAveragePooling1D", {})]),
    "simple": ((5, 3), [("LayerNormalization", {}), ("SimpleRNN", {"units": 4, "activation": "relu", "go_backwards": True, "return_sequences": True, "recurrent_dropout": 0.5}), ("SimpleRNN", {"units": 2, "use_bias": False})]),
    "lstm": ((5, 3), [("LayerNormalization", {}), ("LSTM", {"units": 4, "return_sequences": True, "recurrent_activation": "hard_sigmoid"}), ("LSTM", {"units": 2, "unit_forget_bias": False, "go_backwards": True})]),
    "gru": ((5, 3), [("LayerNormalization", {}), ("GRU", {"units": 4, "return_sequences": True}), ("GRU", {"units": 3, "reset_after": False, "return_sequences": True}), ("GRU", {"units": 2, "use_bias": False})]),
    "both ways": ((6,), [("Embedding", {"input_dim": 9, "output_dim": 3, "mask_zero": True}), ("Bidirectional", {"layer": ("LSTM", {"units": 4, "return_sequences": True})}), ("Bidirectional", {"layer": ("GRU", {"units": 2, "return_sequences": True, "activation": "relu"}), "merge_mode": "sum"}), ("Bidirectional", {"layer": ("LSTM", {"units": 2, "go_backwards": True}), "backward_layer": ("SimpleRNN", {"units": 2}), "merge_mode": "ave"})]),
    "dense": ((5,), [("Dense", {"units": 4, "activation": "selu", "kernel_initializer": "he_uniform"}), ("Dense", {"units": 2, "activation": "softmax"})]),
}  # fmt: skip


def build(module, sequential, given, stack):
    return sequential([given, *(layer_of(module, *described) for described in stack)])


def layer_of(module, name, settings):
    nested = {key: layer_of(module, *value) for key, value in settings.items() if key.endswith("layer")}
    return getattr(module, name)(**settings | nested)


def ours(shape, stack):
    return scrambled(build(layers, Sequential, Input(shape), stack))


def theirs(shape, stack):
    return scrambled(build(keras.layers, keras.Sequential, keras.layers.Input(shape), stack))


def scrambled(model):
    """Give every weight values by which it can be told from others; vectors stay positive, as variances must."""
    random = np.random.default_rng(0)
    model.set_weights(
        [random.uniform(0.1 if w.ndim == 1 else -1, 1, w.shape).astype(w.dtype) for w in model.get_weights()]
    )
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


def attention(module, model):
    one, other = module.Input((5,), dtype="int32"), module.Input((7,), dtype="int32")
    table = module.Embedding(9, 4, mask_zero=True)
    itself = module.MultiHeadAttention(2, 3, dropout=0.5)(table(one), table(one), use_causal_mask=True)
    across = module.MultiHeadAttention(2, 3, use_bias=False, output_shape=2)(itself, table(other))
    return scrambled(model([one, other], module.Flatten()(across)))


@pytest.mark.filterwarnings("ignore:.*mask")
@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
def test_weights_of_attention_go_both_ways(tmp_path, name):
    random = np.random.default_rng(1)
    x = [random.integers(0, 9, size=(3, size)).astype("int32") for size in (5, 7)]
    for source, target in (
        (attention(layers, Model), attention(keras.layers, keras.Model)),
        (attention(keras.layers, keras.Model), attention(layers, Model)),
    ):
        target.set_weights([np.zeros_like(w) for w in target.get_weights()])
        whole = name == "w.h5" and isinstance(source, keras.Model)  # Keras writes no weights alone in that layout
        (source.save if whole else source.save_weights)(tmp_path / name)
        target.load_weights(tmp_path / name)
        one, other = (model.predict(x, verbose=0) for model in (source, target))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


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


LOSSES = [
    made for made in map(losses.__dict__.get, losses.__all__) if isinstance(made, type) and made is not losses.Loss
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
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
    assert (other.optimizer.lr, other.optimizer.momentum, other.trainee.config.loss.label_smoothing) == (
        0.5,
        0.25,
        0.25,
    )
    expected = model.evaluate(inputs((5,)), np.eye(2)[[0, 1, 1]], verbose=0, return_dict=True)
    assert other.evaluate(inputs((5,)), np.eye(2)[[0, 1, 1]], verbose=0, return_dict=True) == pytest.approx(
        expected, rel=1e-4
    )


# Functional models; inner layers have names, since Keras can't save two of one name in one nested model


def shared(L, model, sequential, given):
    a, b = given((4,), name="a"), given((4,), name="b")
    dense = L.Dense(3, activation="relu", name="shared")
    x, y = dense(a), dense(b)
    first = L.Dense(2, name="first")(L.Concatenate()([L.Multiply()([x, y]), L.Average()([x, y])]))
    return model([a, b], [first, L.Activation("softmax", name="second")(L.Add()([x, y, x]))])


def nested(L, model, sequential, given):
    def inner(name):
        start = given((3,))
        return model(start, L.Dense(3, name=f"{name}_d")(L.BatchNormalization(name=f"{name}_n")(start)), name=name)

    start = given((3,))
    deeper = model(start, [inner("inner")(start), L.Dense(2, use_bias=False, name="deep")(start)], name="deeper")
    a, again = given((3,), name="a"), inner("again")
    one, two = deeper(again(again(L.Dense(3)(a))))
    return model(a, [L.Dense(2)(one), two, again(a)], name="outer")


def with_sequential(L, model, sequential, given):
    stack = sequential(
        [given((4,)), L.Dense(3, name="s"), L.BatchNormalization(name="n"), L.Dropout(0.5)], name="stack"
    )
    a, b = given((4,), name="a"), given((4,), name="b")
    return model([a, b], [L.Add()([stack(a), stack(b)]), stack(L.Dense(4)(a))])


def in_a_dict(L, model, sequential, given):
    inputs = {"wide": given((5,), name="wide"), "deep": given((4,), name="deep")}
    deep = L.Dense(3, name="z")(inputs["deep"])
    wide = L.Dense(3, name="y")(inputs["wide"])
    return model(inputs, {"sum": L.Add()([wide, deep]), "b": wide, "a": deep})


def at_several_depths(L, model, sequential, given):
    a = given((4,), name="a")
    dense, other = L.Dense(4, name="dense"), L.Dense(4, name="other")
    return model(a, [dense(other(dense(a))), L.LayerNormalization(name="n")(other(a))])


def of_a_list_of_one(L, model, sequential, given):
    a = given((5,), dtype="int32", name="a")
    return model([a], [L.GlobalAveragePooling1D()(L.Embedding(9, 3)(a))])


def in_sequential(L, model, sequential, given):
    start = given((4,))
    inner = model(start, L.Add(name="plus")([L.Dense(4, name="d")(start), start]), name="inner")
    return sequential([given((4,)), inner, L.Dense(2)])


def with_masks(L, model, sequential, given):
    a, b = given((6,), dtype="int32", name="a"), given((6,), dtype="int32", name="b")
    table = L.Embedding(9, 4, mask_zero=True, name="table")
    both = L.Add()([table(a), table(b)])
    encoded, *_ = L.LSTM(4, return_sequences=True, return_state=True)(table(a))
    looked = L.MultiHeadAttention(2, 3, name="look")(encoded, table(b))
    joined = L.Concatenate(axis=1, name="joined")([looked, table(b)])
    return model([a, b], [L.GRU(3)(both), L.LSTM(4)(joined)])


FUNCTIONAL = (
    *(shared, nested, with_sequential, in_a_dict, at_several_depths, of_a_list_of_one, in_sequential, with_masks),
)
each_functional = pytest.mark.parametrize("make", FUNCTIONAL, ids=lambda make: make.__name__)


def our(make):
    return scrambled(make(layers, Model, Sequential, Input))


def their(make):
    return scrambled(make(keras.layers, keras.Model, keras.Sequential, keras.layers.Input))


def batch(model, samples=3):
    """Return inputs for a model of either kind, a dict if it takes one."""
    shapes = model.input_shape if isinstance(model, Model) else [tensor.shape for tensor in model.inputs]
    listed = [shapes] if isinstance(shapes, tuple) else shapes
    arrays = [np.random.default_rng(1).integers(0, 9, (samples, *shape[1:])).astype("float32") for shape in listed]
    if isinstance(model, Model) and set(model.input_names) == {"wide", "deep"}:
        return dict(zip(model.input_names, arrays, strict=True))
    return arrays if len(arrays) > 1 else arrays[0]


def assert_same_outputs(ours, theirs):
    x = batch(ours)
    one, other = ours.predict(x, verbose=0), theirs.predict(x, verbose=0)
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert set(one) == set(other)
        one, other = [one[name] for name in sorted(one)], [other[name] for name in sorted(one)]
    for a, b in zip(one, other, strict=True) if isinstance(one, list) else [(one, other)]:
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


@each_functional
def test_keras_loads_our_functional_models_and_we_load_them_back(tmp_path, make):
    model = our(make)
    model.save(tmp_path / "ours.h5")
    other = keras.models.load_model(tmp_path / "ours.h5")
    assert_same_outputs(model, other)
    other.save(tmp_path / "theirs.h5")
    assert_same_outputs(load_model(tmp_path / "theirs.h5"), other)


@each_functional
@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
def test_keras_loads_our_weights_of_functional_models(tmp_path, make, name):
    model, other = our(make), their(make)
    model.save_weights(tmp_path / name)
    other.set_weights([np.zeros_like(w) for w in other.get_weights()])
    other.load_weights(tmp_path / name)
    assert_same_outputs(model, other)


@each_functional
def test_we_load_functional_models_and_weights_of_keras(tmp_path, make):
    model = their(make)
    model.save(tmp_path / "m.h5")
    model.save_weights(tmp_path / "w.weights.h5")
    assert_same_outputs(load_model(tmp_path / "m.h5"), model)
    for name in ("m.h5", "w.weights.h5"):
        other = make(layers, Model, Sequential, Input)
        other.load_weights(tmp_path / name)
        assert_same_outputs(other, model)


COMPILED = {
    "one for all": {"loss": "mse", "metrics": ["mae"]},
    "in a list": {"loss": ["mse", losses.LogCosh()], "loss_weights": [1.0, 0.5], "metrics": [["mae"], None]},
    "one without": {"loss": ["mse", None], "metrics": [["mae"], [metrics.MeanSquaredError()]]},
    "by name": {"loss": {"first": "mse", "second": "mae"}, "loss_weights": {"second": 2.0}, "metrics": {"second": "mae"}},
}  # fmt: skip


@pytest.mark.parametrize("settings", COMPILED.values(), ids=COMPILED)
@pytest.mark.parametrize("in_dicts", [False, True])
def test_compile_settings_by_output_go_both_ways(tmp_path, settings, in_dicts):
    a = Input((3,), name="a")
    outputs = {"second": layers.Dense(2, name="second")(a), "first": layers.Dense(2, name="first")(a)}
    if not in_dicts:
        outputs = [outputs["first"], outputs["second"]]
    model = scrambled(Model(a, outputs))
    model.compile(optimizers.SGD(0.5), **settings, accumulate=2)
    model.save(tmp_path / "m.h5")
    other = keras.models.load_model(tmp_path / "m.h5")
    x, y = batch(model, 4), {"first": np.ones((4, 2)), "second": np.zeros((4, 2))}
    y = y if in_dicts else list(y.values())
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    found = other.evaluate(x, y, verbose=0, return_dict=True)
    other.save(tmp_path / "k.h5")
    back = load_model(tmp_path / "k.h5").evaluate(x, y, verbose=0, return_dict=True)
    for logs in (found, back):
        logs = {name.replace("mean_absolute_error", "mae"): value for name, value in logs.items()}
        assert {"loss", *(name for name in expected if name.endswith(("mae", "squared_error")))} <= set(logs)
        assert {name: expected[name] for name in logs} == pytest.approx(logs, rel=1e-4)
