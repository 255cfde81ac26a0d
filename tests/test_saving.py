import json
import threading
import warnings
from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import epochal
from epochal import initializers, layers, losses, metrics, optimizers
from epochal.callbacks import ModelCheckpoint
from epochal.layers import Activation, BatchNormalization, Dense, Dropout, Input, Layer
from epochal.models import Model, Sequential, load_model
from epochal.saving import LayerWeights, layout

DATA = Path(__file__).parent / "data"


@pytest.fixture(autouse=True)
def seeded():
    epochal.set_random_seed(7)


def classifier(*more, units=4):
    return Sequential([Dense(units, activation="relu", input_dim=3), *more, Dense(2, activation="softmax")])


def trained(model, epochs=1, **settings):
    momentum = optimizers.SGD(0.1, momentum=0.5)
    model.compile(**{"optimizer": momentum, "loss": "sparse_categorical_crossentropy"} | settings)
    fit(model, epochs)
    return model


def fit(model, epochs=1):
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    return model.fit(x, np.arange(20) % 2, batch_size=8, epochs=epochs, shuffle=False, verbose=0)


def same(ours, theirs):
    return len(ours) == len(theirs) and all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


# Weights


@pytest.mark.parametrize("name", ["w.h5", "w.hdf5", "w.weights.h5"])
def test_weights_come_back_bit_for_bit(tmp_path, name):
    model = trained(classifier(BatchNormalization(), Dropout(0.5)))
    model.save_weights(tmp_path / name)
    other = classifier(BatchNormalization(), Dropout(0.5))
    other.load_weights(tmp_path / name)
    assert same(model.get_weights(), other.get_weights())


def test_load_weights_takes_the_weights_of_a_whole_model(tmp_path):
    model = classifier()
    model.save(tmp_path / "m.h5")
    other = classifier()
    other.load_weights(tmp_path / "m.h5")
    assert same(model.get_weights(), other.get_weights())


def test_a_model_in_training_goes_on_from_loaded_weights_and_keeps_them_apart_from_the_file(tmp_path):
    model = trained(classifier())
    model.save_weights(tmp_path / "w.h5")
    before = model.get_weights()
    fit(model, 2)
    model.load_weights(tmp_path / "w.h5")
    assert same(model.get_weights(), before)
    fit(model)
    assert not same(model.get_weights(), before)
    model.load_weights(tmp_path / "w.h5")
    assert same(model.get_weights(), before)


def test_a_plain_module_saves_and_loads_its_weights(tmp_path):
    class Net(nnx.Module):
        def __init__(self, seed):
            self.first, self.norm = nnx.Linear(3, 4, rngs=nnx.Rngs(seed)), nnx.BatchNorm(4, rngs=nnx.Rngs(0))

        def call(self, x):
            return self.norm(self.first(x))

    model, other = Model(Net(0)), Model(Net(1))
    for name in ("w.h5", "w.weights.h5"):
        model.save_weights(tmp_path / name)
        other.set_weights([w + 1 for w in other.get_weights()])
        other.load_weights(tmp_path / name)
        assert same(model.get_weights(), other.get_weights())


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_small_floats_come_back_exactly(tmp_path, name, dtype):
    model = Model(nnx.Linear(3, 2, param_dtype=dtype, rngs=nnx.Rngs(0)))
    model.save_weights(tmp_path / name)
    other = Model(nnx.Linear(3, 2, param_dtype=dtype, rngs=nnx.Rngs(1)))
    other.load_weights(tmp_path / name)
    assert other.get_weights()[0].dtype == dtype
    assert same(model.get_weights(), other.get_weights())


def test_bfloat16_is_float32_in_keras_layout_since_keras_can_not_read_it_there(tmp_path):
    Model(nnx.Linear(3, 2, param_dtype=jnp.bfloat16, rngs=nnx.Rngs(0)), name="m").save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert file["linear/linear/kernel"].dtype == np.float32


def test_other_dtypes_in_a_file_become_the_model_s(tmp_path):
    model = classifier()
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        kernel = file["dense/dense/kernel"][()]
        del file["dense/dense/kernel"]
        file["dense/dense/kernel"] = kernel.astype("float64")
    other = classifier()
    other.load_weights(tmp_path / "w.h5")
    assert other.get_weights()[0].dtype == np.float32
    assert same(model.get_weights(), other.get_weights())


def test_layer_names_may_be_of_any_language_and_more_than_fit_one_attribute(tmp_path):
    layers = [LayerWeights(f"層{'x' * 90}{n}", "dense", {"kernel": np.full((1, 1), n, "f4")}) for n in range(800)]
    with h5py.File(tmp_path / "w.h5", "w") as file:
        layout.write(file, layers, "keras")
        assert "layer_names0" in file.attrs
    with h5py.File(tmp_path / "w.h5") as file:
        assert layout.read_names(file, "layer_names") == [layer.name for layer in layers]
        assert [array.item() for array in layout.read(file, layers)] == list(range(800))


# Whole models


def test_training_goes_on_where_it_stopped_also_after_being_loaded_and_saved_without_training(tmp_path):
    model = trained(classifier(BatchNormalization(), Dropout(0.5)), epochs=2, optimizer="adam")
    model.save(tmp_path / "1.h5")
    middle = load_model(tmp_path / "1.h5")
    middle.predict(np.zeros((2, 3), "float32"))
    middle.save(tmp_path / "2.h5")
    other = load_model(tmp_path / "2.h5")
    assert fit(model, 2).history == fit(other, 2).history
    assert same(model.get_weights(), other.get_weights())


def test_compile_starts_the_loaded_optimizer_afresh(tmp_path):
    trained(classifier()).save(tmp_path / "m.h5")
    one, other = load_model(tmp_path / "m.h5"), load_model(tmp_path / "m.h5")
    one.compile(optimizers.SGD(0.1, momentum=0.5), "sparse_categorical_crossentropy")
    fit(one), fit(other)
    assert not same(one.get_weights(), other.get_weights())


def test_the_learning_rate_is_kept_to_the_last_bit(tmp_path):
    model = trained(classifier())
    model.optimizer.lr = 1 / 3
    model.save(tmp_path / "m.h5")
    assert load_model(tmp_path / "m.h5").optimizer.lr == 1 / 3


LAYERS = [
    (Input((6, 6, 2)), [layers.Conv2D(4, (3, 2), strides=(1, 2), padding="same", groups=2, use_bias=False)]),
    (Input((6, 6, 2)), [layers.Conv2D(3, 2, dilation_rate=2, activation="gelu", kernel_initializer="he_normal")]),
    (Input((6, 6, 2)), [layers.MaxPooling2D(3, strides=2, padding="same"), layers.AveragePooling2D((1, 2))]),
    (Input((6, 6, 2)), [layers.GlobalAveragePooling2D(name="mean"), layers.Reshape((1, -1))]),
    (Input((6, 6, 2)), [BatchNormalization(axis=1, momentum=0.5, epsilon=0.1, center=False), layers.Flatten()]),
    (Input((5,), "int32"), [layers.Embedding(9, 3), layers.GlobalAveragePooling1D(), Dense(2), Activation("tanh")]),
    (Input((5,)), [layers.LayerNormalization(epsilon=0.5, scale=False), Dropout(0.25)]),
    (Input((5,)), [Dense(2, kernel_initializer=initializers.VarianceScaling(2.0, "fan_out", "uniform", seed=3))]),
]


@pytest.mark.parametrize(("given", "stack"), LAYERS, ids=lambda part: "")
def test_every_layer_comes_back_with_its_settings(tmp_path, given, stack):
    model = Sequential([given, *stack])
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5")
    assert [layer.get_config() for layer in other.layers] == [layer.get_config() for layer in model.layers]
    x = np.random.default_rng(0).integers(0, 9, size=(2, *given.shape[1:])).astype(given.dtype)
    assert np.array_equal(model.predict(x), other.predict(x))


def test_initializers_are_saved_but_for_plain_functions(tmp_path):
    model = Sequential(
        [Dense(2, input_dim=3, kernel_initializer="he_normal", bias_initializer=jax.nn.initializers.ones)]
    )
    model.save(tmp_path / "m.h5")
    (layer,) = load_model(tmp_path / "m.h5").layers
    assert layer.kernel_initializer == initializers.HeNormal()
    assert layer.bias_initializer == initializers.Zeros()


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "loss": "mse", "metrics": ["mae", "acc"]},
        {"optimizer": optimizers.AdamW(0.25, weight_decay=0.5, clipnorm=2.0), "loss": losses.Huber(2.0)},
        {"optimizer": optimizers.RMSprop(momentum=0.5), "metrics": [metrics.AUC(50, name="area")]},
        {"loss": losses.BinaryCrossentropy(label_smoothing=0.25), "weighted_metrics": [metrics.Precision(0.25)]},
        {"optimizer": "lion", "metrics": [metrics.TopKCategoricalAccuracy(3), losses.MeanAbsoluteError()]},
    ],
)
def test_compile_settings_come_back(tmp_path, settings):
    model = classifier()
    model.compile(**{"loss": "mse"} | settings)
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5")
    assert type(other.optimizer) is type(model.optimizer)
    assert other.optimizer.get_config() == model.optimizer.get_config()
    assert other._settings["loss"] == model._settings["loss"]
    x, y = np.ones((4, 3), "float32"), np.eye(2)[[0, 1, 1, 0]]
    assert model.test_on_batch(x, y, return_dict=True) == other.test_on_batch(x, y, return_dict=True)


# What is one's own


class Scale(Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


def halved(x):
    return x / 2


def off_by(y_true, y_pred):
    return (y_true - y_pred) ** 2


def test_what_is_one_s_own_comes_back_through_custom_objects(tmp_path):
    model = Sequential([Dense(2, activation=halved, input_dim=3), Scale(3.0)])
    model.compile("sgd", off_by, metrics=[off_by])
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5", {"Scale": Scale, "halved": halved, "off_by": off_by})
    x = np.ones((2, 3), "float32")
    assert np.array_equal(model.predict(x), other.predict(x))
    assert model.test_on_batch(x, x[:, :2]) == other.test_on_batch(x, x[:, :2])


def test_a_layer_built_on_one_of_epochal_s_needs_no_config_of_its_own(tmp_path):
    class Twice(Dense):
        def call(self, x):
            return 2 * super().call(x)

    model = Sequential([Twice(2, activation="relu", input_dim=3, kernel_initializer=jax.nn.initializers.ones)])
    model.save(tmp_path / "m.h5")
    x = np.ones((2, 3), "float32")
    assert np.array_equal(load_model(tmp_path / "m.h5", {"Twice": Twice}).predict(x), model.predict(x))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
def test_the_input_s_dtype_may_be_that_of_any_data(tmp_path, dtype):
    model = Sequential([layers.Flatten()])
    model.predict(np.ones((2, 3), dtype))
    model.save(tmp_path / "m.h5")
    assert load_model(tmp_path / "m.h5").predict(np.ones((2, 3), dtype)).tolist() == [[1, 1, 1]] * 2


def test_an_optax_transform_comes_back_through_custom_objects_with_its_state(tmp_path):
    transform = optax.inject_hyperparams(optax.sgd)(learning_rate=0.01, momentum=0.5)
    model = trained(classifier(), optimizer=transform)
    model.optimizer.lr = 0.5
    fit(model)
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5", {"OptaxOptimizer": transform})
    fit(model), fit(other)
    assert same(model.get_weights(), other.get_weights())
    assert other.optimizer.lr == 0.5


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"loss": off_by}, "unknown loss 'off_by'"),
        ({"loss": lambda y, p: (y - p) ** 2}, "unknown loss '<lambda>'"),
        ({"optimizer": optax.adam(0.1)}, "function, which a file can't hold"),
        ({"optimizer": optimizers.Adam(lambda step: 0.1)}, "function, which a file can't hold"),
        ({"metrics": [off_by]}, "unknown metric 'off_by'"),
    ],
)
def test_settings_that_a_file_can_not_hold_leave_the_model_uncompiled_with_a_warning(tmp_path, settings, missing):
    model = classifier()
    model.compile(**{"loss": "mse"} | settings)
    model.save(tmp_path / "m.h5")
    with pytest.warns(UserWarning, match=f"not compiled: .*{missing}.*custom_objects"):
        other = load_model(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="isn't compiled"):
        fit(other)


def test_a_function_named_like_epochal_s_own_is_never_taken_for_it(tmp_path):
    def relu(x):
        return -x

    with pytest.raises(ValueError, match=r"activation <relu> is a function that a file can't name"):
        Sequential([Dense(2, activation=relu, input_dim=3)]).save(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (lambda x: x * 2, "layer 'lambda' is a plain function.*save_weights works"),
        (nnx.Linear(3, 3, rngs=nnx.Rngs(0)), r"layer 'linear' is a plain flax module \(Linear\).*save_weights"),
        (Dense(3, activation=lambda x: x), "layer 'dense': its activation <lambda> .*save_weights works"),
        (
            type("Mine", (Scale,), {"get_config": Layer.get_config})(2),
            "Mine.get_config doesn't say its argument 'factor'",
        ),
        (Scale(np.ones(3)), "Scale.get_config has a value that JSON can't hold"),
    ],
)
def test_a_layer_that_a_file_can_not_describe_is_named_and_its_weights_can_be_saved(tmp_path, layer, what):
    model = Sequential([Input((3,)), layer])
    with pytest.raises(ValueError, match=what):
        model.save(tmp_path / "m.h5")
    assert not (tmp_path / "m.h5").exists()
    model.save_weights(tmp_path / "w.h5")
    model.load_weights(tmp_path / "w.h5")


# Bad input


@pytest.mark.parametrize("name", ["m.txt", "m", "m.keras", "m.h5.tmp"])
def test_an_unknown_suffix_is_an_error_that_lists_the_known_ones(tmp_path, name):
    for write in (classifier().save, classifier().save_weights):
        with pytest.raises(ValueError, match=r"ends in \.h5 or \.hdf5, weights alone also in \.weights\.h5"):
            write(tmp_path / name)


def test_a_weights_file_can_not_hold_a_whole_model(tmp_path):
    with pytest.raises(ValueError, match="holds weights only: use save_weights"):
        classifier().save(tmp_path / "m.weights.h5")


def test_missing_folders_are_made(tmp_path):
    classifier().save(tmp_path / "a" / "b" / "m.h5")
    assert [file.name for file in (tmp_path / "a" / "b").iterdir()] == ["m.h5"]


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
@pytest.mark.parametrize(
    ("other", "which"),
    [
        (classifier(units=5), r"layer 'dense': its kernel has shape \(3, 4\); .* has \(3, 5\)"),
        (
            classifier(Dense(4)),
            r"no layer in the model|has layers that the model hasn't: layers/dense_2|first that differs",
        ),
        (
            Sequential([Input((3,)), Dense(4), Dense(2, use_bias=False)]),
            r"layer 'dense_1' has 2 weights \(kernel, bias\).* 1",
        ),
    ],
)
def test_weights_of_another_architecture_change_nothing_and_the_error_says_where(tmp_path, name, other, which):
    other.save_weights(tmp_path / name)
    model = classifier()
    before = model.get_weights()
    with pytest.raises(ValueError, match=which):
        model.load_weights(tmp_path / name)
    assert same(model.get_weights(), before)


def test_a_missing_layer_names_what_is_there(tmp_path):
    Sequential([Input((3,)), Dense(4)]).save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(
        ValueError, match=r"'dense_1' should be at 'layers/dense_1', which is missing. Did you mean 'layers/dense'"
    ):
        classifier().load_weights(tmp_path / "w.weights.h5")


def test_the_number_of_layers_and_the_first_that_differs_are_said(tmp_path):
    classifier(Dense(4), Dense(6)).save_weights(tmp_path / "w.h5")
    what = r"2 layers with weights, the file 4.*'dense_1' with shapes \(4, 2\), \(2,\) in the model, .* \(4, 4\), \(4,\) in the"
    with pytest.raises(ValueError, match=what):
        classifier().load_weights(tmp_path / "w.h5")


def test_a_model_without_weights_yet_says_so(tmp_path):
    for use in ("save", "save_weights", "load_weights"):
        with pytest.raises(ValueError, match="isn't built"):
            getattr(Sequential([Dense(2)]), use)(tmp_path / "m.h5")


def test_load_model_of_weights_alone_says_what_to_do(tmp_path):
    classifier().save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="holds weights only: build the model and use load_weights"):
        load_model(tmp_path / "w.h5")


def test_a_file_that_is_not_there_is_a_file_not_found_error(tmp_path):
    for read in (load_model, classifier().load_weights):
        with pytest.raises(FileNotFoundError, match=r"no file .*gone\.h5"):
            read(tmp_path / "gone.h5")


def test_a_failed_save_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    model = classifier()
    model.save_weights(tmp_path / "w.h5")
    before = (tmp_path / "w.h5").read_bytes()
    monkeypatch.setattr(
        "epochal.saving.layout._write_names", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(OSError, match=r"could not write .*w\.h5: No space left.*bytes were needed"):
        model.save_weights(tmp_path / "w.h5")
    assert (tmp_path / "w.h5").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["w.h5"]


# Snapshots


def test_a_snapshot_is_of_its_moment_and_may_be_written_while_training_goes_on(tmp_path):
    model = trained(classifier())
    then, snapshot = model.get_weights(), model.snapshot()
    writer = threading.Thread(target=snapshot.save, args=(tmp_path / "m.h5",))
    writer.start()
    fit(model, 3)
    writer.join()
    assert same(load_model(tmp_path / "m.h5").get_weights(), then)


def test_a_snapshot_uses_the_memory_of_an_older_one(tmp_path):
    model = trained(classifier())
    first = model.snapshot()
    places = [array.ctypes.data for array in first._arrays()]
    fit(model)
    second = model.snapshot(reuse=first)
    assert [array.ctypes.data for array in second._arrays()] == places
    assert same([a for layer in second.layers for a in layer.arrays.values()], model.get_weights())
    assert second.nbytes == sum(array.nbytes for array in second._arrays())


def test_an_older_snapshot_of_other_shapes_is_left_alone():
    old = classifier(units=5).snapshot()
    before = [array.copy() for array in old._arrays()]
    new = classifier().snapshot(reuse=old)
    assert new.layers[0].arrays["kernel"].shape == (3, 4)
    assert [a.shape for a in old._arrays()] == [a.shape for a in before]


def test_a_checkpoint_is_a_model_to_go_on_with(tmp_path):
    model = classifier()
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = np.ones((8, 3), "float32"), np.arange(8) % 2
    model.fit(x, y, verbose=0, epochs=2, callbacks=[ModelCheckpoint(tmp_path / "m.{epoch}.h5")])
    model.fit(x, y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / "w.weights.h5", save_weights_only=True)])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.1.h5", "m.2.h5", "w.weights.h5"]
    load_model(tmp_path / "m.2.h5").load_weights(tmp_path / "w.weights.h5")


# Files that Keras wrote; see tests/data/write_keras_files.py


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
    assert model._settings["loss"] == losses.CategoricalCrossentropy()
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
    frozen = {"name": "d", "units": 2, "trainable": False, "kernel_regularizer": {"class_name": "L2", "config": {}}}
    path = keras_file(tmp_path / "m.h5", [("Dense", frozen)], build_input_shape=[None, 3])
    with pytest.warns(UserWarning, match=r"left out, since only training needs it: .*d\.kernel_regularizer"):
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


# The other way round is shown in test_saving_with_keras.py


def test_our_files_are_laid_out_as_keras_s(tmp_path):
    model = trained(classifier(BatchNormalization()))
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert set(file) == {"model_weights", "epochal"}  # no optimizer_weights: they would break Keras's fit
        assert set(file.attrs) == {"backend", "keras_version", "model_config", "training_config"}
        assert list(file["model_weights"].attrs["layer_names"]) == [b"dense", b"batch_normalization", b"dense_1"]
        names = file["model_weights/batch_normalization"].attrs["weight_names"]
        assert [name.split(b"/")[-1] for name in names] == [b"gamma", b"beta", b"moving_mean", b"moving_variance"]


def test_weights_files_number_layers_by_class_and_not_by_name(tmp_path):
    model = Sequential([Input((3,)), Dense(2, name="b"), Activation("relu"), Dense(2, name="a")])
    model.save_weights(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5") as file:
        assert set(file["layers"]) == {"dense", "activation", "dense_1"}
        assert file["layers/dense_1/vars"].attrs["name"] == b"a"
        assert np.array_equal(file["layers/dense_1/vars/0"], model.get_weights()[2])
