"""Layers have Keras's defaults, names and order of weights."""

import numpy as np
import pytest
from flax import nnx
from layer_outputs import IMAGES, ROWS, SEQUENCES

from epochal import layers
from epochal.layers import (
    BatchNormalization,
    Concatenate,
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
    MaxPooling1D,
    MaxPooling2D,
    Permute,
    RepeatVector,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
)
from epochal.layers.names import snake_case
from epochal.models import Sequential


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
        (layers.PReLU(), ROWS, ["alpha"]),
        (layers.Conv2DTranspose(2, 3), IMAGES, ["kernel", "bias"]),
        (layers.DepthwiseConv2D(3), IMAGES, ["kernel", "bias"]),
        (layers.SeparableConv1D(2, 3), SEQUENCES, ["depthwise_kernel", "pointwise_kernel", "bias"]),
        (layers.Normalization(), ROWS, ["mean", "variance", "count"]),
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
    assert (layers.LeakyReLU().negative_slope, layers.ELU().alpha, layers.Softmax().axis) == (0.3, 1.0, -1)
    assert (layers.Cropping1D().cropping, layers.Cropping2D().cropping) == ((1, 1), ((0, 0), (0, 0)))
    assert layers.MaxPool2D is MaxPooling2D
    kernel = Sequential([layers.DepthwiseConv2D(3, depth_multiplier=40, input_shape=(8, 8, 20))]).get_weights()[0]
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
        (layers.PReLU(), "p_re_lu"),
        (layers.ELU(), "elu"),
        (layers.Conv2DTranspose(1, 1), "conv2d_transpose"),
        (layers.SeparableConv2D(1, 1), "separable_conv2d"),
        (layers.SpatialDropout1D(0.5), "spatial_dropout1d"),
        (layers.TimeDistributed(Dense(1)), "time_distributed"),
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
        (lambda: BatchNormalization(axis=5)(ROWS), r"BatchNormalization needs the size of axis 5 .*shape \(None, 5\)"),
        (lambda: GroupNormalization(1, -3)(ROWS), r"GroupNormalization needs the size of axis -3 .*shape \(None, 5\)"),
        (
            lambda: GlobalMaxPooling2D()(SEQUENCES),
            r"GlobalMaxPooling2D takes \(height, width, channels\); got inputs of",
        ),
        (
            lambda: GlobalMaxPooling1D()(ROWS),
            r"GlobalMaxPooling1D takes \(steps, features\); got inputs of shape \(5,\)",
        ),
        (lambda: GlobalAveragePooling2D()(SEQUENCES), r"GlobalAveragePooling2D takes \(height, width, channels\); got"),
        (lambda: GlobalAveragePooling1D()(IMAGES), r"GlobalAveragePooling1D takes \(steps, features\); got inputs of"),
        (lambda: Concatenate(-2)([ROWS, ROWS]), r"Concatenate has axis=-2, .*behind the batch's; .* shape \(None, 5\)"),
        (lambda: Concatenate(2)([ROWS, ROWS]), r"Concatenate has axis=2, .*behind the batch's; .* shape \(None, 5\)"),
        (lambda: Concatenate()([ROWS[:, 0]] * 2), r"Concatenate has axis=-1, .*behind the batch's; .* shape \(None,\)"),
        (lambda: Input(None), r"an Input's shape is that of a sample, such as \(64,\); got None"),
        (lambda: Input("64"), r"an Input's shape is that of a sample, such as \(64,\); got '64'"),
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
