"""Keras's own callbacks in a fit of ours; `make peers` runs these, in an environment that has Keras."""

import os

import numpy as np
import pytest
from regression import X, Y

from epochal.layers import Dense
from epochal.models import Sequential, load_model

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras", reason="Keras isn't installed; see make peers")


def fitted(*callbacks, epochs=4):
    model = Sequential([Dense(3, input_dim=4), Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, batch_size=8, epochs=epochs, validation_data=(X, Y), verbose=0, callbacks=callbacks)
    return model, history


def test_model_checkpoint_saves_models_and_weights(tmp_path):
    kinds = keras.callbacks.ModelCheckpoint
    whole = kinds(str(tmp_path / "m-{epoch}.h5"))
    weights = kinds(str(tmp_path / "m.weights.h5"), monitor="val_loss", save_best_only=True, save_weights_only=True)
    model, _ = fitted(whole, weights, kinds(str(tmp_path / "at-{batch}.h5"), save_freq=3))
    loaded = load_model(tmp_path / "m-4.h5")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    loaded.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert list(tmp_path.glob("at-*.h5"))


def test_early_stopping_restores_the_best_weights():
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=100, restore_best_weights=True)
    model, history = fitted(stopping)
    assert history.epoch == [0, 1]
    np.testing.assert_array_equal(model.get_weights()[0], stopping.best_weights[0])
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(history.history["val_loss"][0], rel=1e-5)


def test_rates_are_set_and_reduced():
    model, history = fitted(keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr / 2))
    assert history.history["learning_rate"] == pytest.approx([0.005, 0.0025, 0.00125, 0.000625])
    model, _ = fitted(keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=100), epochs=3)
    assert model.optimizer.lr == pytest.approx(0.0001)


def test_those_that_record_see_every_epoch(tmp_path):
    table, record = keras.callbacks.CSVLogger(str(tmp_path / "log.csv")), keras.callbacks.History()
    _, history = fitted(table, record, keras.callbacks.TerminateOnNaN())
    assert record.history["loss"] == history.history["loss"]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 5
