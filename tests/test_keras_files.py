"""Files that Keras wrote load; see tests/data/write_keras_files.py. The other way round is shown in test_saving_with_keras.py."""

import json
import warnings

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from folders import DATA

from epochal import losses, optimizers
from epochal.layers import Dense, Input
from epochal.models import Sequential, load_model


@pytest.fixture(scope="module")
def keras_outputs():
    with np.load(DATA / "outputs.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", ["images", "words"])
def test_whole_models_of_keras_load_and_compute_the_same(name, keras_outputs):
    with pytest.warns(UserWarning, match="optimizer starts afresh") if name == "words" else warnings.catch_warnings():
        model = load_model(DATA / f"{name}.h5")
    outputs = model.predict(keras_outputs[f"{name}_inputs"])
    np.testing.assert_allclose(outputs, keras_outputs[f"{name}_outputs"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["images.h5", "images.weights.h5", "words.weights.h5"])
@pytest.mark.filterwarnings("ignore:.*optimizer starts afresh")
def test_weights_of_keras_load_into_the_same_layers(name, keras_outputs):
    of = name.split(".")[0]
    model = load_model(DATA / f"{of}.h5")
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.load_weights(DATA / name)
    outputs = model.predict(keras_outputs[f"{of}_inputs"])
    np.testing.assert_allclose(outputs, keras_outputs[f"{of}_outputs"], rtol=1e-5, atol=1e-6)


def test_compile_settings_of_keras_are_taken_over():
    model = load_model(DATA / "images.h5")
    assert isinstance(model.optimizer, optimizers.SGD)
    assert model.optimizer.lr == 0.125
    assert model.trainee.config.loss == losses.CategoricalCrossentropy()
    logs = model.test_on_batch(np.ones((4, 6, 6, 2), "float32"), np.eye(3)[[0, 1, 2, 0]], return_dict=True)
    assert list(logs) == ["loss", "accuracy", "auc"]


def test_bfloat16_weights_of_keras_load_into_any_float(keras_outputs):
    for dtype in (jnp.bfloat16, jnp.float32):
        model = Sequential([Input((5,)), nnx.Linear(5, 3, param_dtype=dtype, rngs=nnx.Rngs(0))])
        with h5py.File(DATA / "halves.weights.h5") as file:  # the class, and so the group, has another name
            kernel = file["layers/dense/vars/0"][()].view(jnp.bfloat16)
        model = Sequential([Input((5,)), Dense(3)])
        model.load_weights(DATA / "halves.weights.h5")
        assert np.array_equal(model.get_weights()[0], kernel.astype("float32"))


def keras_file(path, entries, model_class="Sequential", **config):
    """Write a file as Keras 2 and 3 do, with weights of zeros for a dense layer of three inputs and two units."""
    with h5py.File(path, "w") as file:
        layers = [{"class_name": name, "config": settings} for name, settings in entries]
        file.attrs["model_config"] = json.dumps({"class_name": model_class, "config": config | {"layers": layers}})
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = ["d"]
        weights["d/d/kernel:0"], weights["d/d/bias:0"] = np.zeros((3, 2), "f4"), np.zeros(2, "f4")
        weights["d"].attrs["weight_names"] = [b"d/kernel:0", b"d/bias:0"]
    return path


def test_models_of_keras_2_load(tmp_path):
    dense = {"name": "d", "trainable": True, "batch_input_shape": [None, 3], "dtype": "float32", "units": 2}
    scaling = {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
    }
    entry = ("Dense", dense | {"activation": "relu", "kernel_initializer": scaling, "kernel_regularizer": None})
    model = load_model(keras_file(tmp_path / "m.h5", [entry]))
    assert model.predict(np.ones((1, 3), "float32")).tolist() == [[0.0, 0.0]]


def test_settings_that_only_matter_in_training_are_left_out_with_a_warning(tmp_path):
    path = keras_file(
        tmp_path / "m.h5", [("Dense", {"name": "d", "units": 2, "dtype": "float16"})], build_input_shape=[None, 3]
    )
    with pytest.warns(UserWarning, match=r"left out, since only training needs it: d computed in float16"):
        load_model(path)


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ([("Dense", {"units": 2, "lora_rank": 4})], r"'Dense' \(Dense\): lora_rank=4 has no counterpart"),
        ([("Dens", {"units": 2})], r"unknown class 'Dens'. Did you mean 'Dense'\?.*custom_objects"),
        ([("MaxPooling2D", {"data_format": "channels_first"})], "data_format='channels_first' has no counterpart"),
        ([("Dense", {"units": "many"})], r"layer 'Dense' \(Dense\): "),
        ([("Dense", {"units": 2, "activation": "relo"})], "unknown activation 'relo'. Did you mean 'relu'"),
        ([("Dense", {"units": 2}), ("Sequential", {"layers": []})], "the saved model 'sequential' has no layers"),
    ],
)
def test_what_has_no_counterpart_is_named(tmp_path, entries, what):
    with pytest.raises(ValueError, match=what):
        load_model(keras_file(tmp_path / "m.h5", entries, build_input_shape=[None, 3]))


def test_a_model_of_another_class_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="of class 'Transformer'; epochal builds Sequential.*use load_weights"):
        load_model(keras_file(tmp_path / "m.h5", [], "Transformer"))
