"""Every public layer: saved whole and by its weights, and trained in a run that was stopped and goes on."""

import functools
import inspect

import numpy as np
import pytest

import epochal
from epochal import layers
from epochal.callbacks import BackupAndRestore, Callback
from epochal.layers import LSTM, BatchNormalization, Dense, Flatten, GlobalAveragePooling1D, Input
from epochal.models import Model, load_model

ONE = lambda layer, x: layer(x)
TWICE = lambda layer, x: layer(x, x)
LIST = lambda layer, x: layer([x, x])

VECTORS, SEQUENCES, IMAGES, INTEGERS = (6,), (4, 6), (4, 4, 2), (4,)

# By the shape of a sample: the constructor's arguments, and how the layer is called if not with the input alone.
CASES = {
    VECTORS: {
        "Activation": [{"activation": "tanh"}],
        "ActivityRegularization": [{"l1": 0.5, "l2": 0.25}],
        "Add": [{}, LIST],
        "AlphaDropout": [{"rate": 0.5, "noise_shape": (None, 1)}],
        "Average": [{}, LIST],
        "BatchNormalization": [{"momentum": 0.5}],
        "Concatenate": [{"axis": 1}, LIST],
        "Dense": [{"units": 3, "activation": "relu", "use_bias": False}],
        "Dot": [{"axes": -1, "normalize": True}, LIST],
        "Dropout": [{"rate": 0.5, "seed": 3}],
        "ELU": [{"alpha": 0.5}],
        "Flatten": [{}],
        "GaussianDropout": [{"rate": 0.5, "seed": 4}],
        "GaussianNoise": [{"stddev": 0.5}],
        "GroupNormalization": [{"groups": 2}],
        "LayerNormalization": [{"center": False}],
        "LeakyReLU": [{"negative_slope": 0.1}],
        "Maximum": [{}, LIST],
        "Minimum": [{}, LIST],
        "Multiply": [{}, LIST],
        "Normalization": [{"axis": 1}],
        "PReLU": [{"alpha_initializer": "ones", "alpha_regularizer": "l2", "alpha_constraint": "non_neg"}],
        "ReLU": [{"max_value": 1.0, "negative_slope": 0.5, "threshold": 0.25}],
        "RepeatVector": [{"n": 2}],
        "Rescaling": [{"scale": [0.5] * 6, "offset": 1.0}],
        "Reshape": [{"target_shape": (2, 3)}],
        "Softmax": [{"axis": 1}],
        "Subtract": [{}, LIST],
    },
    SEQUENCES: {
        "AveragePooling1D": [{"pool_size": 2}],
        "Bidirectional": [{"layer": LSTM(2), "merge_mode": "sum"}],
        "Conv1D": [{"filters": 3, "kernel_size": 2, "padding": "causal"}],
        "Conv1DTranspose": [{"filters": 3, "kernel_size": 2, "strides": 2, "output_padding": 1}],
        "Cropping1D": [{"cropping": (1, 2)}],
        "DepthwiseConv1D": [{"kernel_size": 2, "depth_multiplier": 2, "depthwise_regularizer": "l1"}],
        "GRU": [{"units": 2, "dropout": 0.5}],
        "GlobalAveragePooling1D": [{}],
        "GlobalMaxPooling1D": [{}],
        "LSTM": [{"units": 2, "recurrent_dropout": 0.5, "return_sequences": True}],
        "Masking": [{"mask_value": 1.0}],
        "MaxPooling1D": [{"pool_size": 2, "strides": 1}],
        "MultiHeadAttention": [{"num_heads": 2, "key_dim": 3, "dropout": 0.5}, TWICE],
        "Permute": [{"dims": (2, 1)}],
        "SeparableConv1D": [
            {"filters": 3, "kernel_size": 2, "activation": "relu", "pointwise_constraint": "unit_norm"}
        ],
        "SimpleRNN": [{"units": 2, "go_backwards": True}],
        "SpatialDropout1D": [{"rate": 0.5, "seed": 5}],
        "TimeDistributed": [{"layer": lambda: BatchNormalization(momentum=0.5)}],
        "UpSampling1D": [{"size": 3}],
        "ZeroPadding1D": [{"padding": (1, 2)}],
    },
    IMAGES: {
        "AveragePooling2D": [{"padding": "same"}],
        "Conv2D": [{"filters": 4, "kernel_size": 2, "groups": 2, "activation": "relu"}],
        "Conv2DTranspose": [
            {"filters": 3, "kernel_size": (2, 3), "strides": 2, "padding": "same", "bias_regularizer": "l2"}
        ],
        "Cropping2D": [{"cropping": ((1, 0), (0, 2))}],
        "DepthwiseConv2D": [{"kernel_size": 2, "use_bias": False}],
        "GlobalAveragePooling2D": [{}],
        "GlobalMaxPooling2D": [{"keepdims": True}],
        "MaxPooling2D": [{"pool_size": (1, 2)}],
        "SeparableConv2D": [{"filters": 3, "kernel_size": 2, "depth_multiplier": 2}],
        "SpatialDropout2D": [{"rate": 0.5}],
        "UpSampling2D": [{"interpolation": "bilinear"}],
        "ZeroPadding2D": [{"padding": ((1, 0), (2, 1))}],
    },
    INTEGERS: {"Embedding": [{"input_dim": 7, "output_dim": 3, "mask_zero": True}]},
}


def made(kind, **settings):
    """Return a new layer of a class; settings that are functions make layers, which it holds."""
    return getattr(layers, kind)(
        **{key: value() if inspect.isfunction(value) else value for key, value in settings.items()}
    )


NO_LAYERS = {"Layer", "Lambda"}
"""The base of all, and a function, which no file can hold."""


@pytest.mark.parametrize(("name", "settings"), [(n, case[0]) for cases in CASES.values() for n, case in cases.items()])
def test_every_layer_is_made_anew_from_its_configuration(name, settings):
    config = made(name, **settings, name="one", trainable=False).get_config()
    assert getattr(layers, name).from_config(config).get_config() == config


def test_every_public_layer_is_in_the_table():
    public = {kind.__name__ for name in layers.__all__ if inspect.isclass(kind := getattr(layers, name))
              and issubclass(kind, layers.Layer)}  # fmt: skip
    tried = {name for cases in CASES.values() for name in cases}
    assert public - NO_LAYERS - tried == set(), "give each of these a line in CASES, so that it is saved and resumed"
    assert tried <= public


def model_of(shape):
    """Return a compiled model with an output for each layer that takes such samples, by the layer's name."""
    epochal.set_random_seed(1)
    x = Input(shape, dtype="int32" if shape is INTEGERS else "float32", name="x")
    outputs = {}
    for name, (settings, *call) in CASES[shape].items():
        output = (call[0] if call else ONE)(made(name, **settings, name=name), x)
        flat = (Flatten if output.mask is None else GlobalAveragePooling1D)(name=f"{name}_flat")(output)
        outputs[f"{name}_out"] = Dense(1, name=f"{name}_out")(flat)
    model = Model(x, outputs)
    model.compile(optimizer="adam", loss="mse")
    return model


def data_for(shape):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 7, (6, *shape)) if shape is INTEGERS else rng.normal(size=(6, *shape)).astype(np.float32)
    return x, {f"{name}_out": rng.normal(size=(6, 1)).astype(np.float32) for name in CASES[shape]}


class Stopped(Callback):
    """Ends a run after its fifth batch, in the middle of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 5:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return a function of a sample's shape: how a model was made, the model, and its predictions."""

    @functools.cache
    def made(shape):
        folder, (x, y) = tmp_path_factory.mktemp("models"), data_for(shape)

        def fit(model, *callbacks):
            epochal.set_random_seed(3)  # of the order of the samples
            model.fit(x, y, batch_size=2, epochs=2, verbose=0, callbacks=[*callbacks])

        trained, of_weights, stopped, resumed = (model_of(shape) for _ in range(4))
        fit(trained)
        trained.save(folder / "model.h5")
        trained.save_weights(folder / "model.weights.h5")
        of_weights.load_weights(folder / "model.weights.h5")
        with pytest.raises(KeyboardInterrupt):
            fit(stopped, Stopped(), BackupAndRestore(folder / "run", save_freq=1))
        fit(resumed, BackupAndRestore(folder / "run", save_freq=1))
        loaded = load_model(folder / "model.h5")
        by_name = {"trained": trained, "loaded": loaded, "of_weights": of_weights, "resumed": resumed}
        return {how: (model, model.predict(x, verbose=0)) for how, model in by_name.items()}

    return made


each_layer = pytest.mark.parametrize(
    ("shape", "name"), [pytest.param(shape, name, id=name) for shape, cases in CASES.items() for name in cases]
)


def same(models, shape, name, how):
    """Return the layer in two models, the trained one and another, once both have equal weights and outputs."""
    (one, outputs), (other, others) = models(shape)["trained"], models(shape)[how]
    np.testing.assert_array_equal(outputs[f"{name}_out"], others[f"{name}_out"], err_msg=name)
    pair = [next(layer for layer in model.layers if layer.name == name) for model in (one, other)]
    for mine, its in zip(*(layer.get_weights() for layer in pair), strict=True):
        np.testing.assert_array_equal(mine, its, err_msg=name)
    return pair


@each_layer
def test_a_layer_from_a_file_has_the_settings_and_the_outputs_of_the_one_that_was_saved(models, shape, name):
    saved, loaded = same(models, shape, name, "loaded")
    assert type(loaded) is type(saved)
    assert loaded.get_config() == saved.get_config()


@each_layer
def test_a_layer_whose_weights_were_saved_alone_has_the_same_outputs(models, shape, name):
    same(models, shape, name, "of_weights")


@each_layer
def test_a_layer_in_a_run_that_was_stopped_ends_up_with_the_same_bits(models, shape, name):
    same(models, shape, name, "resumed")
