"""Convolution and pooling."""

import numpy as np
import pytest
from layer_outputs import IMAGES, RNG, SEQUENCES, assert_gives

from epochal.layers import (
    AveragePooling1D,
    AveragePooling2D,
    Conv1D,
    Conv2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from epochal.models import Sequential

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
