"""Numbers of NumPy and JAX wherever an argument takes a number; truth values and text nowhere."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from epochal import initializers, layers, losses, metrics, optimizers
from epochal.callbacks import BackupAndRestore, EarlyStopping, Every, ModelCheckpoint, ReduceLROnPlateau, TensorBoard
from epochal.messages.numeric import real, whole
from epochal.models import Sequential, load_model

X, Y = np.ones((8, 3), "f4"), np.ones(8, "f4")
NUMBERS = [3, 3.0, np.int64(3), np.uint8(3), np.float32(3), np.array(3), np.array(3.0), jnp.int32(3), jnp.float32(3)]
NO_NUMBERS = [True, np.bool_(True), "3", None, [3], np.array([3]), 3j]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: type(n).__name__)
def test_a_number_of_any_library_is_pythons(number):
    assert (type(whole("n", number)), whole("n", number), type(real("n", number)), real("n", number)) == (
        int,
        3,
        float,
        3,
    )


@pytest.mark.parametrize("given", NO_NUMBERS, ids=repr)
def test_nothing_else_is_a_number(given):
    with pytest.raises(ValueError, match="patience must be a whole number of at least 0; got"):
        whole("patience", given, 0)
    with pytest.raises(ValueError, match="factor must be a number; got"):
        real("factor", given)


def test_a_fit_takes_them():
    model = Sequential([layers.Dense(np.int64(1), input_dim=np.int64(3))])
    model.compile(optimizers.SGD(np.float32(0.1)), "mse", loss_weights=np.array(0.5), accumulate=np.int64(2))
    history = model.fit(
        X, Y, np.int32(4), np.int64(2), verbose=np.int64(0), validation_split=np.float32(0.5), initial_epoch=jnp.int32(0),
        validation_freq=np.int64(2), steps_per_epoch=np.array(1), seed=np.uint32(3),
    )  # fmt: skip
    assert (len(history.history["loss"]), len(history.history["val_loss"])) == (2, 1)
    model.fit(X, Y, epochs=2, validation_data=(X, Y), validation_freq=np.array([1, 2]), verbose=0)
    assert model.predict(X, np.int64(4), steps=np.int64(1)).shape == (4, 1)


@pytest.mark.parametrize(
    "arguments",
    [{"epochs": "2"}, {"batch_size": True}, {"validation_split": "0.5"}, {"validation_freq": "1"}, {"seed": 1.5}],
    ids=repr,
)
def test_a_fit_takes_nothing_else(arguments):
    model = Sequential([layers.Dense(1, input_dim=3)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be"):
        model.fit(X, Y, verbose=0, **arguments)


def test_loss_weights_are_numbers():
    model = Sequential([layers.Dense(1, input_dim=3)])
    for given in ("0.5", [True], {"dense": "0.5"}):
        with pytest.raises(ValueError, match=r"loss_weights must be a number; got ('0\.5'|True)"):
            model.compile("sgd", "mse", loss_weights=given)


def test_layers_keep_pythons_numbers_so_that_files_can_hold_them(tmp_path):
    i = np.int64
    model = Sequential(
        [
            layers.Input((i(8), i(8), 1)),
            layers.Conv2D(i(2), (i(3), np.int32(3)), strides=np.array([1, 1])),
            layers.BatchNormalization(axis=i(-1), momentum=np.float32(0.5), epsilon=jnp.float32(0.25)),
            layers.MaxPooling2D(i(2)),
            layers.Flatten(),
            layers.Dropout(np.float32(0.5)),
            layers.Dense(1, kernel_initializer=initializers.RandomNormal(np.float32(0), np.array(0.5), i(3))),
        ]
    )
    model.compile("sgd", losses.Huber(np.float32(0.5)), [metrics.Precision(np.float32(0.25)), metrics.AUC(i(9))])
    model.save(tmp_path / "m.h5")
    x = np.ones((2, 8, 8, 1))
    assert np.array_equal(load_model(tmp_path / "m.h5").predict(x), model.predict(x))


def test_initializers_losses_and_metrics_describe_themselves_in_pythons_numbers():
    made = [initializers.Constant(np.float32(2)), initializers.VarianceScaling(np.array(2.0), seed=jnp.int32(1))]
    made += [
        losses.BinaryCrossentropy(label_smoothing=np.float32(0.5)),
        optimizers.Adam(np.float32(0.5), clipnorm=np.float32(1)),
    ]
    json.dumps([one.get_config() for one in made])


@pytest.mark.parametrize(
    "callback",
    [
        lambda n: EarlyStopping("loss", patience=n),
        lambda n: EarlyStopping("loss", min_delta=n),
        lambda n: EarlyStopping("loss", baseline=n),
        lambda n: ReduceLROnPlateau("loss", cooldown=n),
        lambda n: ReduceLROnPlateau("loss", min_lr=n),
        lambda n: ModelCheckpoint("a.h5", save_freq=n),
        lambda n: ModelCheckpoint("a.h5", period=n),
        lambda n: ModelCheckpoint("a.h5", keep=n),
        lambda n: BackupAndRestore("run", keep=n),
        lambda n: TensorBoard(histogram_freq=n),
        lambda n: Every(n, "batch"),
    ],
)
def test_callbacks_take_them_and_nothing_else(callback):
    for number in NUMBERS:
        callback(number)
    for given in (True, np.bool_(True), "3"):
        with pytest.raises(ValueError, match="number|frequency|whole"):
            callback(given)
