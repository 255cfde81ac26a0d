"""Files of Keras's functional models load; see tests/data/write_keras_branches.py."""

import json

import h5py
import numpy as np
import pytest
from folders import DATA

from epochal import losses
from epochal.models import load_model


@pytest.fixture(scope="module")
def keras_outputs():
    with np.load(DATA / "branches.npz") as arrays:
        return dict(arrays)


def keras_model():
    with pytest.warns(UserWarning, match="left out, since only training needs it: inner called with training=False"):
        return load_model(DATA / "branches.h5")


def assert_computes(model, expected):
    made = model.predict({"a": expected["x"], "b": -expected["x"]})
    assert set(made) == {"left", "right"}
    for name, value in made.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)


def test_a_functional_model_of_keras_loads_and_computes_the_same(keras_outputs):
    model = keras_model()
    assert (model.name, model.input_names, set(model.output_names)) == ("branches", ["a", "b"], {"left", "right"})
    assert_computes(model, keras_outputs)


@pytest.mark.parametrize("name", ["branches.h5", "branches.weights.h5"])
def test_weights_of_a_functional_model_of_keras_load(name, keras_outputs):
    model = keras_model()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.load_weights(DATA / name)
    assert_computes(model, keras_outputs)


def test_compile_settings_of_keras_by_output_are_taken_over(keras_outputs):
    model, x = keras_model(), keras_outputs["x"]
    assert model.trainee.config.loss == {"left": losses.LogCosh(), "right": losses.BinaryCrossentropy()}
    y = {"left": keras_outputs["left"], "right": keras_outputs["right"] > 0.5}
    logs = model.test_on_batch({"a": x, "b": -x}, y, return_dict=True)
    assert set(logs) == {"loss", "left_loss", "right_loss", "left_mae", "right_accuracy"}
    assert logs["right_accuracy"] == 1.0


def described_file(path, model_config, **weights):
    """Write a file with a description, and the weights of layers by name."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model_config)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = list(weights)
        for name, arrays in weights.items():
            paths = [f"{name}/{number}" for number, _ in enumerate(arrays)]
            for at, array in zip(paths, arrays, strict=True):
                group[f"{name}/{at}"] = array
            group[name].attrs["weight_names"] = paths
    return path


def entry(kind, name, nodes, **settings):
    return {"class_name": kind, "name": name, "config": {"name": name, **settings}, "inbound_nodes": nodes}


def functional(*entries, inputs, outputs, kind="Functional", name="m"):
    config = {"name": name, "layers": list(entries), "input_layers": inputs, "output_layers": outputs}
    return {"class_name": kind, "config": config}


def old_input(name):
    return entry("InputLayer", name, [], batch_input_shape=[None, 2], dtype="float32", sparse=False)


@pytest.mark.parametrize("kind", ["Functional", "Model"])
def test_functional_models_of_keras_2_load(tmp_path, kind):
    """There a call is a list of `[layer, call, output, {}]`, and the calls of nested models count from 1."""
    dense = {"units": 2, "use_bias": False, "trainable": True, "dtype": "float32", "activation": "linear"}
    inner = functional(
        old_input("i"), entry("Dense", "d", [[["i", 0, 0, {}]]], **dense), inputs=[["i", 0, 0]],
        outputs=[["d", 0, 0]], kind=kind, name="inner",
    )  # fmt: skip
    described = functional(
        old_input("a"), old_input("b"),
        {**inner, "name": "inner", "inbound_nodes": [[["a", 0, 0, {"training": None}]], [["inner", 1, 0, {}]]]},
        entry("Add", "sum", [[["inner", 2, 0, {}], ["b", 0, 0, {}]]]),
        inputs=[["a", 0, 0], ["b", 0, 0]], outputs=[["sum", 0, 0], ["inner", 1, 0]], kind=kind,
    )  # fmt: skip
    model = load_model(described_file(tmp_path / "m.h5", described, inner=[2 * np.eye(2, dtype="f4")]))
    x = np.ones((1, 2), "float32")
    summed, once = model.predict([x, x])
    assert (summed.tolist(), once.tolist()) == ([[5.0, 5.0]], [[2.0, 2.0]])


def taking(name, dtype="float32"):
    config = {"shape": [None, 2], "dtype": dtype, "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def with_a_computed_mask(*entries, of):
    """Describe a mean over steps whose mask Keras computes."""
    return functional(
        entry("InputLayer", "a", [], batch_shape=[None, 2], dtype="int32"),
        *entries,
        entry("NotEqual", "not_equal", [{"args": [taking("a"), 0], "kwargs": {}}]),
        entry("Concatenate", "c", [{"args": [[taking("not_equal", "bool")]], "kwargs": {}}], axis=-1),
        entry("GlobalAveragePooling1D", "mean", [{"args": [taking(of)], "kwargs": {"mask": taking("c")}}]),
        inputs=["a", 0, 0], outputs=["mean", 0, 0],
    )  # fmt: skip


def test_what_keras_lists_to_compute_masks_is_left_to_the_layers(tmp_path):
    table = entry("Embedding", "e", [{"args": [taking("a")], "kwargs": {}}], input_dim=3, output_dim=1, mask_zero=True)
    path = described_file(tmp_path / "m.h5", with_a_computed_mask(table, of="e"), e=[np.array([[5.0], [1.0], [2.0]])])
    assert load_model(path).predict(np.array([[1, 2], [2, 0]], "int32")).tolist() == [[1.5], [2.0]]


def test_a_mask_that_no_layer_tells_is_refused(tmp_path):
    shaped = entry("Reshape", "r", [{"args": [taking("a")], "kwargs": {}}], target_shape=[2, 1])
    with pytest.raises(ValueError, match="layer 'mean' is given a computed mask, which has no counterpart here"):
        load_model(described_file(tmp_path / "m.h5", with_a_computed_mask(shaped, of="r")))
