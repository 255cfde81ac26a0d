"""Keras's arguments that say what is so here anyway are taken, and refused by name with any other value."""

import jax.numpy as jnp
import numpy as np
import pytest

from epochal import layers
from epochal.layers import GRU, LSTM, Bidirectional, Conv2D, Dense, Dropout, Layer, SimpleRNN
from epochal.models import Sequential

SPATIAL = {
    "AveragePooling1D": {}, "AveragePooling2D": {}, "Conv1D": {"filters": 1, "kernel_size": 1},
    "Conv1DTranspose": {"filters": 1, "kernel_size": 1}, "Conv2D": {"filters": 1, "kernel_size": 1},
    "Conv2DTranspose": {"filters": 1, "kernel_size": 1}, "Cropping2D": {}, "DepthwiseConv1D": {"kernel_size": 1},
    "DepthwiseConv2D": {"kernel_size": 1}, "Flatten": {}, "GlobalAveragePooling1D": {}, "GlobalAveragePooling2D": {},
    "GlobalMaxPooling1D": {}, "GlobalMaxPooling2D": {}, "MaxPooling1D": {}, "MaxPooling2D": {},
    "SeparableConv1D": {"filters": 1, "kernel_size": 1}, "SeparableConv2D": {"filters": 1, "kernel_size": 1},
    "SpatialDropout2D": {"rate": 0.5}, "UpSampling2D": {}, "ZeroPadding1D": {}, "ZeroPadding2D": {},
}  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), SPATIAL.items(), ids=SPATIAL)
def test_channels_are_last(name, settings):
    make = getattr(layers, name)
    for value in ("channels_last", None):
        assert make(**settings, data_format=value).get_config() == make(**settings).get_config()
    with pytest.raises(ValueError, match=f"{name}: data_format='channels_first' isn't supported: .*Permute"):
        make(**settings, data_format="channels_first")


@pytest.mark.parametrize("dtype", ["float32", None, np.float32, jnp.float32, np.dtype("float32")])
def test_layers_are_of_float32(dtype):
    assert Dense(2, dtype=dtype).get_config() == Dense(2).get_config()


@pytest.mark.parametrize("dtype", ["float16", np.float64, "mixed_bfloat16", 32])
def test_another_dtype_is_refused(dtype):
    with pytest.raises(ValueError, match=r"Dropout: dtype=.* isn't supported: .*compile\(dtype=…\)"):
        Dropout(0.5, dtype=dtype)


def test_layers_of_your_own_may_be_of_float32_too():
    class Mine(Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units

    assert Mine(3, dtype="float32").units == 3
    with pytest.raises(TypeError, match=r"Mine has no argument 'unit'\. Did you mean 'units'\?"):
        Mine(3, unit=3)


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_arguments_of_recurrent_layers_that_only_say_how_keras_computes(kind):
    x = np.ones((2, 3, 4), np.float32)
    plain = kind(2)
    plain(x)
    for settings in (
        {"unroll": True},
        {"unroll": False, "implementation": 1},
        {"use_cudnn": "auto", "stateful": False},
    ):
        layer = kind(2, **settings)
        layer(x)
        layer.set_weights(plain.get_weights())
        np.testing.assert_array_equal(layer(x), plain(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: LSTM(2, stateful=True),
            r"LSTM: stateful=True isn't supported: .*return_state=True, and initial_state",
        ),
        (lambda: GRU(2, unroll=2), r"GRU: unroll=2 isn't supported: it is True or False"),
        (lambda: GRU(2, implementation=3), r"implementation=3 isn't supported: it is 0, 1 or 2"),
        (lambda: LSTM(2, use_cudnn=True), r"use_cudnn=True isn't supported: the steps are compiled by XLA"),
    ],
)
def test_others_of_them_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_misspelt_one_is_named():
    with pytest.raises(TypeError, match=r"Conv2D has no argument 'data_formt'\. Did you mean 'data_format'\?"):
        Conv2D(1, 1, data_formt="channels_last")
    with pytest.raises(TypeError, match=r"Dense has no argument 'data_format'"):
        Dense(1, data_format="channels_last")


def test_they_stay_in_layers_that_are_copied():
    model = Sequential([layers.Input((3, 4)), Bidirectional(LSTM(2, unroll=True, dtype="float32"), dtype="float32")])
    assert model.output_shape == (None, 4)
