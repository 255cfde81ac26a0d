"""Functional models as files: several inputs and outputs, shared layers, models in models."""

import json

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import same
from flax import nnx
from two_headed import compiled, data, fit, two_headed

import epochal
from epochal.callbacks import BackupAndRestore, LambdaCallback, ModelCheckpoint, SwapEMAWeights, TensorBoard
from epochal.layers import Add, Dense, Input, Layer
from epochal.models import Model, Sequential, load_model
from epochal.models.modules import layers_of


def compiled_settings(model):
    """Return what a model was compiled with, less its optimizer, of which there are never two equal ones."""
    return {**vars(model.trainee.config), "optimizer": None, "given_loss": None}


def description(path):
    with h5py.File(path) as file:
        return json.loads(file.attrs["model_config"])


# There and back


def test_training_goes_on_bit_for_bit(tmp_path):
    model = compiled()
    fit(model, 2)
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5")
    assert fit(model, 2).history == fit(other, 2).history
    assert same(model.get_weights(), other.get_weights())


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5", "m.h5"])
def test_weights_come_back_bit_for_bit(tmp_path, name):
    model, other = compiled(), two_headed()
    fit(model)
    (model.save if name == "m.h5" else model.save_weights)(tmp_path / name)
    other.load_weights(tmp_path / name)
    assert same(model.get_weights(), other.get_weights())


def test_what_is_loaded_is_what_was_saved(tmp_path):
    model = compiled()
    model.save(tmp_path / "1.h5")
    other = load_model(tmp_path / "1.h5")
    other.save(tmp_path / "2.h5")
    assert type(other) is Model
    assert (other.name, other.input_names, other.output_names) == (model.name, ["a", "b"], ["left", "right"])
    assert description(tmp_path / "1.h5") == description(tmp_path / "2.h5")
    assert compiled_settings(other) == compiled_settings(model)
    assert [name for name, _ in layers_of(other.module)] == [name for name, _ in layers_of(model.module)]


def test_a_sequential_model_comes_back_as_one_and_may_grow(tmp_path):
    start = Input((3,))
    Sequential([Input((3,)), Model(start, Dense(2)(start), name="inner"), Dense(4)]).save(tmp_path / "m.h5")
    model = load_model(tmp_path / "m.h5")
    assert type(model) is Sequential
    before = model.get_weights()
    model.add(Dense(5))
    assert model.predict(np.ones((2, 3), "float32")).shape == (2, 5)
    assert same(model.get_weights()[:4], before)


def test_a_sequential_model_with_a_layer_twice_is_saved_as_a_functional_one(tmp_path):
    twice = Dense(3, activation="relu")
    model = Sequential([Input((3,)), twice, twice])
    model.save(tmp_path / "m.h5")
    other, x = load_model(tmp_path / "m.h5"), np.ones((2, 3), "float32")
    assert description(tmp_path / "m.h5")["class_name"] == "Functional"
    assert np.array_equal(model.predict(x), other.predict(x))


def test_inputs_and_outputs_in_dicts_stay_in_dicts(tmp_path):
    inputs = {"wide": Input((3,)), "deep": Input((2,))}
    deep = Dense(3)(inputs["deep"])
    model = Model(inputs, {"sum": Add()([inputs["wide"], deep]), "again": deep})
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5")
    x = {"deep": np.ones((2, 2), "float32"), "wide": np.ones((2, 3), "float32")}
    made, again = model.predict(x), other.predict(x)
    assert model.output_names == other.output_names == ["sum", "again"]
    assert set(made) == set(again) == {"sum", "again"}
    assert all(np.array_equal(made[name], again[name]) for name in made)


def test_an_output_may_be_an_input_or_the_output_of_another_call(tmp_path):
    a, dense = Input((3,), name="a"), Dense(3)
    model = Model(a, [dense(dense(a)), a, dense(a)])
    model.save(tmp_path / "m.h5")
    x = np.ones((2, 3), "float32")
    assert same(model.predict(x), load_model(tmp_path / "m.h5").predict(x))


class Split(Layer):
    def call(self, x, shift, *, scale=1.0, parts=("all", 2)):
        return x * scale + shift, {"rest": x[:, : parts[1]]}


def test_calls_with_plain_values_and_several_outputs_come_back(tmp_path):
    a = Input((3,))
    first, others = Split()(a, 2, scale=0.5, parts=("some", 1))
    model = Model(a, [first, others["rest"]])
    model.save(tmp_path / "m.h5")
    other, x = load_model(tmp_path / "m.h5", {"Split": Split}), np.ones((2, 3), "float32")
    assert same(model.predict(x), other.predict(x))


SETTINGS = [
    {"loss": "mse", "loss_weights": None, "metrics": ["mae"]},
    {"loss": ["mse", None], "loss_weights": 0.5, "metrics": [["mae"], None]},
    {"loss": {"right": "mse"}, "loss_weights": None, "metrics": None, "weighted_metrics": {"left": "mae"}},
    {"loss": "mae", "loss_weights": [1, 2], "metrics": None, "dtype": "bfloat16", "accumulate": 2},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_compile_settings_come_back_as_they_were_given(tmp_path, settings):
    model = compiled(**settings)
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5")
    assert compiled_settings(other) == compiled_settings(model)
    assert model.test_on_batch(*data(), return_dict=True) == other.test_on_batch(*data(), return_dict=True)


def test_keras_is_told_the_settings_by_output_and_none_that_it_has_not(tmp_path):
    compiled(loss="mse", metrics="mae", loss_weights=None, accumulate=2, dtype="bfloat16").save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        training = json.loads(file.attrs["training_config"])
    assert set(training) == {"loss", "loss_weights", "metrics", "weighted_metrics", "optimizer_config"}
    assert [loss["class_name"] for loss in training["loss"]] == ["MeanSquaredError"] * 2
    assert (training["metrics"], training["loss_weights"]) == ([["mae"], ["mae"]], None)


def test_nested_models_have_groups_of_their_own_in_weights_files(tmp_path):
    two_headed().save_weights(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5") as file:
        assert set(file["layers/functional/layers"]) == {"batch_normalization", "dense"}
        assert file["layers/sequential/layers/dense/vars/0"].shape == (3, 3)


# What a file can't hold


def test_a_plain_module_says_that_its_weights_can_be_saved(tmp_path):
    with pytest.raises(ValueError, match="made of a module, not of layers, so a file can't describe it: save_weights"):
        Model(nnx.Linear(3, 2, rngs=nnx.Rngs(0))).save(tmp_path / "m.h5")


def test_a_layer_within_two_models_is_refused_since_it_would_become_two(tmp_path):
    a, start, shared = Input((3,)), Input((3,)), Dense(3, name="shared")
    inner = Model(start, shared(start), name="inner")
    with pytest.raises(ValueError, match="layer 'shared' is in two models.*it would be two layers: save_weights works"):
        Model(a, inner(shared(a))).save(tmp_path / "m.h5")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "bool"])
def test_an_array_as_an_argument_comes_back(tmp_path, dtype):
    a = Input((3,))
    shift = jnp.asarray([1, 0, 0.1], dtype)
    Model(a, Split(name="split")(a, shift)[0]).save(tmp_path / "m.h5")
    x = np.ones((2, 3), "float32")
    expected = x + np.asarray(shift, "float32")
    np.testing.assert_array_equal(load_model(tmp_path / "m.h5", {"Split": Split}).predict(x), expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"dtype": "object", "value": [1]}, "no numbers"),
        ({"dtype": "float32", "value": [[1], []]}, "an array that is none"),
    ],
)
def test_an_array_that_is_none_is_refused(tmp_path, value, message):
    a = Input((3,))
    Model(a, a + np.ones(3, "float32")).save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][-1]["inbound_nodes"][0]["args"][1]["config"] = value
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "m.h5")


def test_models_nested_deeper_than_can_be_read_are_not_written(tmp_path):
    model = None
    for _ in range(35):
        start = Input((1,))
        model = Model(start, Dense(1)(start) if model is None else model(start))
    with pytest.raises(ValueError, match="models in models more than 32 deep"):
        model.save(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda file: file.pop("layers/functional/layers/dense"), r"'layers/functional/layers/dense/vars' is missing"),
        (lambda file: file.pop("layers/functional/layers/dense/vars/1"), "the file has 1"),
        (lambda file: file.create_dataset("layers/functional/layers/dense/vars/2", data=np.ones(3)), "the file has 3"),
        (
            lambda file: file.create_dataset("layers/functional/layers/dense_1/vars/0", data=np.ones(3)),
            "has layers that the model hasn't: layers/functional/layers/dense_1",
        ),
    ],
)
def test_weights_of_another_nested_model_change_nothing(tmp_path, change, what):
    two_headed().save_weights(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5", "r+") as file:
        change(file)
    model = two_headed()
    before = model.get_weights()
    with pytest.raises(ValueError, match=what):
        model.load_weights(tmp_path / "w.weights.h5")
    assert same(model.get_weights(), before)


# Callbacks


def test_checkpoints_are_named_by_an_output_s_metric_and_loaded_again(tmp_path):
    model = compiled()
    x, y = data()
    whole = ModelCheckpoint(tmp_path / "m.{epoch}-{val_right_acc:.2f}.h5")
    best = ModelCheckpoint(
        tmp_path / "best.weights.h5", monitor="val_left_mae", save_best_only=True, save_weights_only=True
    )
    history = fit(model, 2, [whole, best], validation_data=(x, y)).history
    name = f"m.2-{history['val_right_acc'][1]:.2f}.h5"
    assert same(load_model(tmp_path / name).get_weights(), model.get_weights())
    two_headed().load_weights(tmp_path / "best.weights.h5")


def test_a_run_that_was_stopped_is_resumed_bit_for_bit(tmp_path):
    whole = compiled()
    fit(whole, 4)
    epochal.set_random_seed(7)
    stopped = compiled()

    def stop(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(stopped, 4, [LambdaCallback(on_epoch_begin=stop), BackupAndRestore(tmp_path / "backup")])
    epochal.set_random_seed(8)
    resumed = compiled()
    fit(resumed, 4, [BackupAndRestore(tmp_path / "backup")])
    assert same(whole.get_weights(), resumed.get_weights())


def test_averaged_weights_are_what_a_checkpoint_holds(tmp_path):
    model = compiled()
    swap, checkpoint = SwapEMAWeights(decay=0.5), ModelCheckpoint(tmp_path / "m.{epoch}.h5")
    fit(model, 2, [swap, checkpoint], validation_data=data())
    assert load_model(tmp_path / "m.2.h5").predict(data()[0])[0].shape == (20, 2)


def test_tensorboard_takes_a_model_with_nested_ones(tmp_path):
    board = TensorBoard(tmp_path, histogram_freq=1, write_graph=True, write_grads=True)
    fit(compiled(), 1, [board], validation_data=data())
    assert any(file.stat().st_size for file in tmp_path.rglob("events.*"))
