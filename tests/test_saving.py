import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from classifiers import classifier, fit, trained
from comparing import same
from flax import nnx

from epochal import initializers, layers, losses, metrics, optimizers
from epochal.layers import Activation, BatchNormalization, Dense, Dropout, Input
from epochal.models import Model, Sequential, load_model
from epochal.saving import LayerWeights, guard
from epochal.saving.keras_h5 import KerasH5

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
        KerasH5().write(file, layers, None)
        assert "layer_names0" in file.attrs
    with h5py.File(tmp_path / "w.h5") as file:
        assert guard.names(file, "layer_names") == [layer.name for layer in layers]
        assert [array.item() for array in KerasH5().read(file, layers)] == list(range(800))


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
    assert other.trainee.config.loss == model.trainee.config.loss
    x, y = np.ones((4, 3), "float32"), np.eye(2)[[0, 1, 1, 0]]
    assert model.test_on_batch(x, y, return_dict=True) == other.test_on_batch(x, y, return_dict=True)


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
