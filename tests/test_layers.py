"""Layers: Keras's names, defaults, shapes and weights, and values worked out in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from epochal import layers
from epochal.layers import (
    Activation,
    AveragePooling1D,
    AveragePooling2D,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GroupNormalization,
    Input,
    LayerNormalization,
    Masking,
    MaxPooling1D,
    MaxPooling2D,
    Permute,
    RepeatVector,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
)
from epochal.layers.names import snake_case
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


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("options", [{}, {"strides": 2}, {"dilation_rate": 2}, {"groups": 2}])
def test_conv1d_is_conv2d_over_one_row(padding, options):
    x = RNG.normal(size=(2, 7, 4)).astype(np.float32)
    strides, dilation = (1, options.get("strides", 1)), (1, options.get("dilation_rate", 1))
    causal = padding == "causal"
    row = np.pad(x, ((0, 0), (2 * dilation[1] if causal else 0, 0), (0, 0)))[:, None]
    edges = "valid" if causal else padding
    groups = options.get("groups", 1)
    wanted = lambda w: conv2d(row, w["kernel"][None], w["bias"], strides, edges, dilation, groups)[:, 0]
    assert_gives(Conv1D(6, 3, padding=padding, **options), x, wanted)


def test_causal_outputs_depend_on_no_later_step():
    layer = Conv1D(3, 3, padding="causal")
    changed = SEQUENCES.copy()
    changed[:, 2:] = 0
    np.testing.assert_array_equal(layer(SEQUENCES)[:, :2], layer(changed)[:, :2])


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


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides"), [(2, None), (3, 2), ((2,), (1,))])
@pytest.mark.parametrize(("layer", "reduce"), [(MaxPooling1D, np.nanmax), (AveragePooling1D, np.nanmean)])
def test_pooling_of_steps(layer, reduce, size, strides, padding):
    alone = lambda value: value[0] if isinstance(value, tuple) else value
    windows = (1, alone(size)), (1, alone(strides or size))
    assert_gives(layer(size, strides, padding), SEQUENCES, pooled(SEQUENCES[:, None], *windows, padding, reduce)[:, 0])


def test_global_pooling():
    assert_gives(GlobalMaxPooling2D(), IMAGES, IMAGES.max((1, 2)))
    assert_gives(GlobalMaxPooling1D(), SEQUENCES, SEQUENCES.max(1))
    assert_gives(GlobalAveragePooling2D(), IMAGES, IMAGES.mean((1, 2)))
    assert_gives(GlobalAveragePooling1D(), SEQUENCES, SEQUENCES.mean(1))


# Shapes


def test_flatten_and_reshape():
    assert_gives(Flatten(), IMAGES, IMAGES.reshape(2, -1))
    assert_gives(Reshape((6, 28)), IMAGES, IMAGES.reshape(2, 6, 28))
    assert_gives(Reshape((-1, 4)), IMAGES, IMAGES.reshape(2, -1, 4))


def test_permute_and_repeat():
    assert_gives(Permute((3, 1, 2)), IMAGES, IMAGES.transpose(0, 3, 1, 2))
    assert_gives(RepeatVector(3), ROWS, np.stack([ROWS] * 3, 1))


@pytest.mark.parametrize(
    ("padding", "edges"),
    [(1, ((1, 1), (1, 1))), ((1, 2), ((1, 1), (2, 2))), (((1, 0), (2, 3)), ((1, 0), (2, 3)))],
)
def test_zero_padding(padding, edges):
    assert_gives(ZeroPadding2D(padding), IMAGES, np.pad(IMAGES, ((0, 0), *edges, (0, 0))))
    if not isinstance(padding, tuple) or isinstance(padding[0], int):
        sides = (padding, padding) if isinstance(padding, int) else padding
        assert_gives(ZeroPadding1D(padding), SEQUENCES, np.pad(SEQUENCES, ((0, 0), sides, (0, 0))))


def between(x, times, axis):
    """Return values between the centres of the old ones, as far as there are any."""
    places = (np.arange(x.shape[axis] * times) + 0.5) / times - 0.5
    return np.apply_along_axis(lambda line: np.interp(places, np.arange(len(line)), line), axis, x)


def test_up_sampling():
    assert_gives(UpSampling1D(3), SEQUENCES, SEQUENCES.repeat(3, 1))
    assert_gives(UpSampling2D(), IMAGES, IMAGES.repeat(2, 1).repeat(2, 2))
    assert_gives(UpSampling2D((1, 3)), IMAGES, IMAGES.repeat(3, 2))
    assert_gives(UpSampling2D((2, 3), "bilinear"), IMAGES, between(between(IMAGES, 2, 1), 3, 2))


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


@pytest.mark.parametrize("groups", [1, 2, 4, -1])
def test_group_normalization(groups):
    parts = IMAGES.reshape(2, 42, abs(groups) if groups > 0 else 4, -1)
    normal = (parts - parts.mean((1, 3), keepdims=True)) / np.sqrt(parts.var((1, 3), keepdims=True) + 1e-3)
    wanted = lambda w: normal.reshape(IMAGES.shape) * w["gamma"] + w["beta"]
    assert_gives(GroupNormalization(groups), IMAGES, wanted)
    turned = lambda w: np.moveaxis(wanted(w), -1, 1)
    assert_gives(GroupNormalization(groups, axis=1), np.moveaxis(IMAGES, -1, 1).copy(), turned)


# Embedding, masks and dropout


def test_embedding():
    numbers = np.array([[0, 2], [1, 1]], np.int32)
    assert_gives(Embedding(3, 5), numbers, lambda w: w["embeddings"][numbers])
    assert Sequential([Embedding(3, 5, input_length=2)]).predict(numbers).shape == (2, 2, 5)


def test_masking_sets_masked_steps_to_zero_and_the_mean_leaves_them_out():
    x = SEQUENCES.copy()
    x[0, 2:] = x[1] = 7
    x[2, 0, 0] = 7  # one feature alone is no padding
    counts = (x != 7).any(-1, keepdims=True)
    assert_gives(Masking(7), x, x * counts)
    model = Sequential([Masking(7, input_shape=(4, 5)), GlobalAveragePooling1D()])
    wanted = (x * counts).sum(1) / np.maximum(counts.sum(1), 1)
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5)


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
        (GroupNormalization(5), ROWS, ["gamma", "beta"]),
        (Conv1D(2, 3), SEQUENCES, ["kernel", "bias"]),
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
        (UpSampling2D(), "up_sampling2d"),
        (layers.SimpleRNN(1), "simple_rnn"),
        (layers.LSTM(1), "lstm"),
        (layers.MultiHeadAttention(1, 1), "multi_head_attention"),
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
        (lambda: Conv2D(3, 3, groups=2), r"filters must fall into equal groups; got 3 filters and 2 groups"),
        (
            lambda: Conv1D(4, 3, groups=2)(SEQUENCES),
            r"channels must fall into equal groups; got 5 channels and 2 groups",
        ),
        (lambda: Conv1D(4, (3, 3)), r"kernel_size is a positive whole number; got \(3, 3\)"),
        (lambda: Conv1D(4, 3, padding="full"), r"padding must be 'valid' or 'same' or 'causal'; got 'full'"),
        (lambda: Conv1D(4, 3)(ROWS), r"Conv1D takes \(steps, channels\); got inputs of shape \(5,\)"),
        (lambda: MaxPooling1D(2.5), r"pool_size is a positive whole number; got 2\.5"),
        (lambda: GroupNormalization(0), r"groups must be a positive whole number; got 0"),
        (lambda: GroupNormalization(2)(ROWS), r"channels must fall into equal groups; got 5 channels and 2 groups"),
        (lambda: GroupNormalization(2, axis=0), r"axis is a whole number other than 0, which is the batch's; got 0"),
        (lambda: ZeroPadding1D(-1), r"padding is one or two non-negative whole numbers; got -1"),
        (lambda: ZeroPadding2D((1, 2, 3)), r"padding is one number, two, or two pairs; got \(1, 2, 3\)"),
        (lambda: UpSampling2D(2, "cubic"), r"interpolation must be 'nearest' or 'bilinear'; got 'cubic'"),
        (lambda: UpSampling1D(0), r"size is a positive whole number; got 0"),
        (lambda: Permute((2, 2)), r"dims has every axis from 1 once, such as \(2, 1\); got \(2, 2\)"),
        (lambda: Permute((2, 1))(ROWS), r"dims \(2, 1\) are of 2 axes; got inputs of shape \(5,\)"),
        (lambda: RepeatVector(0), r"n must be a positive whole number; got 0"),
        (lambda: RepeatVector(2)(IMAGES), r"RepeatVector takes \(features,\); got inputs of shape \(7, 6, 4\)"),
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
