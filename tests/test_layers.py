"""Layers: Keras's names, defaults, shapes and weights, and values worked out in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from epochal import layers
from epochal.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    Input,
    LayerNormalization,
    MaxPooling2D,
    Reshape,
    snake_case,
)
from epochal.models import Sequential

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(6, 5)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 7, 6, 4)).astype(np.float32)
SEQUENCES = RNG.normal(size=(3, 4, 5)).astype(np.float32)


def model_of(layer, x):
    """Return a model of one layer with random weights, and these weights by name."""
    model = Sequential([Input(x.shape[1:], str(x.dtype)), layer])
    model.set_weights([RNG.uniform(0.5, 1.5, w.shape) * RNG.choice([-1, 1], w.shape) if "variance" not in name
                       else RNG.uniform(0.5, 1.5, w.shape) for name, w in model.named_weights().items()])  # fmt: skip
    return model, {name.split("/")[1]: w for name, w in model.named_weights().items()}


def assert_gives(layer, x, wanted):
    model, weights = model_of(layer, x)
    values = wanted(weights) if callable(wanted) else wanted
    np.testing.assert_allclose(model.predict(x), values, rtol=1e-4, atol=1e-5)


# Dense and activations


def test_dense():
    assert_gives(Dense(3), ROWS, lambda w: ROWS @ w["kernel"] + w["bias"])
    assert_gives(Dense(3, use_bias=False), ROWS, lambda w: ROWS @ w["kernel"])
    assert_gives(Dense(3, "relu"), ROWS, lambda w: np.maximum(ROWS @ w["kernel"] + w["bias"], 0))
    assert_gives(Dense(3), SEQUENCES, lambda w: SEQUENCES @ w["kernel"] + w["bias"])


@pytest.mark.parametrize("activation", ["tanh", np.tanh, jnp.tanh])
def test_activation_takes_a_name_or_a_function(activation):
    if activation is np.tanh:
        activation = lambda x: jnp.tanh(x)
    assert_gives(Activation(activation), ROWS, np.tanh(ROWS))


# Convolution


def conv2d(x, kernel, bias, strides=(1, 1), padding="valid", dilation=(1, 1), groups=1):
    """Convolve as the TensorFlow documentation of padding has it, one window at a time."""
    size = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    if padding == "same":
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(x.shape[1:3], strides, size, strict=True)]
        x = np.pad(x, ((0, 0), *((t // 2, t - t // 2) for t in total), (0, 0)))
    rows, columns = ((n - k) // s + 1 for n, k, s in zip(x.shape[1:3], size, strides, strict=True))
    out = np.zeros((len(x), rows, columns, kernel.shape[3]))
    channels, filters = kernel.shape[2], kernel.shape[3] // groups
    for i, j, g in np.ndindex(rows, columns, groups):
        top, left, group = i * strides[0], j * strides[1], slice(g * filters, (g + 1) * filters)
        window = x[:, top : top + size[0] : dilation[0], left : left + size[1] : dilation[1]]
        window = window[..., g * channels : (g + 1) * channels]
        out[:, i, j, group] = np.tensordot(window, kernel[..., group], 3)
    return out + bias


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "options",
    [{}, {"strides": 2}, {"strides": (2, 1)}, {"dilation_rate": 2}, {"dilation_rate": (1, 2)}, {"groups": 2}],
)
def test_conv2d(padding, options):
    pair = lambda value: (value, value) if isinstance(value, int) else value
    known = {"strides": pair(options.get("strides", 1)), "dilation": pair(options.get("dilation_rate", 1))}
    layer = Conv2D(6, (3, 2), padding=padding, **options)
    groups = options.get("groups", 1)
    assert_gives(
        layer, IMAGES, lambda w: conv2d(IMAGES, w["kernel"], w["bias"], **known, padding=padding, groups=groups)
    )


def test_conv2d_takes_images_only():
    with pytest.raises(ValueError, match=r"Conv2D takes \(height, width, channels\); got inputs of shape \(7, 6\)"):
        Sequential([Conv2D(2, 3, input_shape=(7, 6))])


# Pooling


def pooled(x, size, strides, padding, reduce):
    if padding == "same":
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(x.shape[1:3], strides, size, strict=True)]
        x = np.pad(x, ((0, 0), *((t // 2, t - t // 2) for t in total), (0, 0)), constant_values=np.nan)
    rows, columns = ((n - k) // s + 1 for n, k, s in zip(x.shape[1:3], size, strides, strict=True))
    windows = [
        [reduce(x[:, i * strides[0] :, j * strides[1] :][:, : size[0], : size[1]], axis=(1, 2)) for j in range(columns)]
        for i in range(rows)
    ]
    return np.transpose(np.array(windows), (2, 0, 1, 3))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides"), [(2, None), (3, 2), ((2, 3), (1, 2))])
@pytest.mark.parametrize(("layer", "reduce"), [(MaxPooling2D, np.nanmax), (AveragePooling2D, np.nanmean)])
def test_pooling(layer, reduce, size, strides, padding):
    pair = lambda value: (value, value) if isinstance(value, int) else value
    wanted = pooled(IMAGES, pair(size), pair(strides or size), padding, reduce)
    assert_gives(layer(size, strides, padding), IMAGES, wanted)


def test_global_pooling():
    assert_gives(GlobalAveragePooling2D(), IMAGES, IMAGES.mean((1, 2)))
    assert_gives(GlobalAveragePooling1D(), SEQUENCES, SEQUENCES.mean(1))


# Shapes


def test_flatten_and_reshape():
    assert_gives(Flatten(), IMAGES, IMAGES.reshape(2, -1))
    assert_gives(Reshape((6, 28)), IMAGES, IMAGES.reshape(2, 6, 28))
    assert_gives(Reshape((-1, 4)), IMAGES, IMAGES.reshape(2, -1, 4))


# Normalisation


def test_batch_normalization_uses_the_moving_averages_in_inference():
    wanted = lambda w: (ROWS - w["moving_mean"]) / np.sqrt(w["moving_variance"] + 1e-3) * w["gamma"] + w["beta"]
    assert_gives(BatchNormalization(), ROWS, wanted)
    plain = lambda w: (ROWS - w["moving_mean"]) / np.sqrt(w["moving_variance"] + 1e-3)
    assert_gives(BatchNormalization(center=False, scale=False), ROWS, plain)


def test_batch_normalization_uses_the_batch_in_training_and_moves_its_averages():
    model, weights = model_of(BatchNormalization(momentum=0.9), ROWS)
    model.compile("sgd", "mse")
    mean, variance = ROWS.mean(0), ROWS.var(0)
    normal = (ROWS - mean) / np.sqrt(variance + 1e-3) * weights["gamma"] + weights["beta"]
    assert model.train_on_batch(ROWS, np.zeros_like(ROWS)) == pytest.approx(np.mean(normal**2), rel=1e-4)
    after = model.named_weights()
    for name, batch in (("moving_mean", mean), ("moving_variance", variance)):
        wanted = 0.9 * weights[name] + 0.1 * batch
        np.testing.assert_allclose(after[f"batch_normalization/{name}"], wanted, rtol=1e-4, atol=1e-6)


def test_batch_normalization_over_images_is_by_channel():
    wanted = lambda w: (IMAGES - w["moving_mean"]) / np.sqrt(w["moving_variance"] + 1e-3) * w["gamma"] + w["beta"]
    assert_gives(BatchNormalization(), IMAGES, wanted)


def test_layer_normalization():
    normal = (ROWS - ROWS.mean(1, keepdims=True)) / np.sqrt(ROWS.var(1, keepdims=True) + 1e-3)
    assert_gives(LayerNormalization(), ROWS, lambda w: normal * w["gamma"] + w["beta"])
    assert_gives(LayerNormalization(center=False, scale=False), ROWS, normal)


# Embedding and dropout


def test_embedding():
    numbers = np.array([[0, 2], [1, 1]], np.int32)
    assert_gives(Embedding(3, 5), numbers, lambda w: w["embeddings"][numbers])
    assert Sequential([Embedding(3, 5, input_length=2)]).predict(numbers).shape == (2, 2, 5)


def test_dropout_drops_a_share_and_scales_the_others_in_training_only():
    model = Sequential([Dropout(0.25, input_shape=(4000,))])
    model.compile("sgd", lambda y, p: (p - y).mean(-1) * 0 + (p == 0).mean(-1))
    ones = np.ones((2, 4000), np.float32)
    assert model.train_on_batch(ones, ones) == pytest.approx(0.25, abs=0.03)
    np.testing.assert_array_equal(model.predict(ones), ones)
    model.compile("sgd", lambda y, p: p.max(-1))
    assert model.train_on_batch(ones, ones) == pytest.approx(4 / 3)


# Keras's defaults, names and orders


@pytest.mark.parametrize(
    ("layer", "x", "names"),
    [
        (Dense(2), ROWS, ["kernel", "bias"]),
        (Dense(2, use_bias=False), ROWS, ["kernel"]),
        (Conv2D(2, 3), IMAGES, ["kernel", "bias"]),
        (BatchNormalization(), ROWS, ["gamma", "beta", "moving_mean", "moving_variance"]),
        (BatchNormalization(center=False), ROWS, ["gamma", "moving_mean", "moving_variance"]),
        (LayerNormalization(), ROWS, ["gamma", "beta"]),
        (Embedding(5, 2), ROWS.astype(np.int32), ["embeddings"]),
        (Dropout(0.5), ROWS, []),
        (Flatten(), ROWS, []),
    ],
)
def test_weights_have_keras_names_and_order(layer, x, names):
    model = Sequential([Input(x.shape[1:], str(x.dtype)), layer])
    assert [name.split("/")[1] for name in model.named_weights()] == names


def test_the_defaults_are_those_of_keras_3():
    assert (BatchNormalization().momentum, BatchNormalization().epsilon, LayerNormalization().epsilon) == (
        0.99,
        1e-3,
        1e-3,
    )
    assert (Conv2D(1, 3).padding, Conv2D(1, 3).strides, MaxPooling2D().pool_size, MaxPooling2D().strides) == (
        "valid", (1, 1), (2, 2), (2, 2))  # fmt: skip
    kernel, bias = Sequential([Dense(200, input_dim=300)]).get_weights()
    limit = np.sqrt(6 / 500)
    assert abs(kernel).max() == pytest.approx(limit, rel=0.01)
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert not bias.any()
    kernel = Sequential([Conv2D(40, 3, input_shape=(8, 8, 20))]).get_weights()[0]
    assert abs(kernel).max() == pytest.approx(np.sqrt(6 / (9 * 60)), rel=0.02)
    table = Sequential([Embedding(500, 20, input_length=1)]).get_weights()[0]
    assert abs(table).max() == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (Dense(1), "dense"),
        (Conv2D(1, 1), "conv2d"),
        (MaxPooling2D(), "max_pooling2d"),
        (GlobalAveragePooling2D(), "global_average_pooling2d"),
        (BatchNormalization(), "batch_normalization"),
        (Flatten(), "flatten"),
    ],
)
def test_layers_are_named_as_keras_names_them(layer, name):
    assert snake_case(layer) == name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(2, input_dim=3, input_shape=(3,)), r"give input_shape or input_dim, not both; got \(3,\) and 3"),
        (lambda: Dense(2.5), r"units must be a positive whole number; got 2\.5"),
        (lambda: Dense(True), r"units must be a positive whole number; got True"),
        (lambda: Conv2D(2, (3, 3, 3)), r"kernel_size is one or two positive whole numbers; got \(3, 3, 3\)"),
        (lambda: Conv2D(2, 0), r"kernel_size is one or two positive whole numbers; got 0"),
        (lambda: Conv2D(2, 3, padding="full"), r"padding must be 'valid' or 'same'; got 'full'"),
        (lambda: MaxPooling2D(2, padding="SAME"), r"padding must be 'valid' or 'same'; got 'SAME'"),
        (lambda: Dropout(1.0), r"rate is the share of values that are dropped, from 0 to less than 1; got 1\.0"),
        (lambda: Dropout(-0.1), r"rate is the share .*; got -0\.1"),
        (lambda: Embedding(0, 2), r"input_dim must be a positive whole number; got 0"),
        (lambda: Sequential([Dense(2, input_shape=(None,))]), r"Dense needs the size of axis -1 of its input"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_functions_and_nnx_modules_are_layers():
    model = Sequential([Input((5,)), lambda x: x * 2, nnx.Linear(5, 3, rngs=nnx.Rngs(0))])
    kernel = next(w for w in model.get_weights() if w.ndim == 2)
    np.testing.assert_allclose(model.predict(ROWS), ROWS * 2 @ kernel, rtol=1e-5)
    assert [name.split("/")[0] for name in model.named_weights()] == ["linear", "linear"]


def test_an_axis_may_be_left_open():
    model = Sequential([Dense(2, input_shape=(None, 5)), GlobalAveragePooling1D()])
    for steps in (1, 4):
        assert model.predict(np.ones((3, steps, 5))).shape == (3, 2)


def test_every_layer_says_what_its_settings_are():
    for name in ("Dense", "Conv2D", "MaxPooling2D", "BatchNormalization", "Embedding", "Dropout", "Reshape"):
        layer = getattr(layers, name)
        made = layer(*{"MaxPooling2D": (), "BatchNormalization": (), "Embedding": (3, 2), "Dropout": (0.5,),
                       "Reshape": ((2, 1),), "Conv2D": (2, 3)}.get(name, (2,)))  # fmt: skip
        config = made.get_config()
        assert config["name"] is None
        assert type(made)(**{key: value for key, value in config.items() if key != "name"}).get_config() == config
