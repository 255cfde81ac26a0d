"""What a run was made with, as callbacks that record runs are told."""

import os
import platform

import numpy as np
import pytest

from epochal.callbacks import Callback
from epochal.core.run_config import flat, own_config, run_config
from epochal.layers import Dense
from epochal.losses import BinaryCrossentropy
from epochal.models import Sequential
from epochal.optimizers import Adam
from epochal.optimizers.schedules import ExponentialDecay


class Configured(Callback):
    """Keeps what its run was made with."""

    def on_train_begin(self, logs=None):
        self.config = run_config(self)


def config_of(model, **fit):
    """Return what a fit on 40 samples was made with."""
    model.fit(np.zeros((40, 2)), np.zeros(40), verbose=0, callbacks=[kept := Configured()], **fit)
    return kept.config


def test_a_run_is_told_by_its_settings_its_data_and_its_surroundings():
    model = Sequential([Dense(4, input_dim=2), Dense(1, activation="sigmoid")], name="classifier")
    model.layers[0].trainable = False
    rate = ExponentialDecay(0.1, 10, 0.9)
    model.compile(Adam(rate, clipnorm=1.0), BinaryCrossentropy(label_smoothing=0.1), metrics=["accuracy", "mse"])
    config = config_of(model, validation_split=0.2, epochs=2, batch_size=16, seed=7)
    expected = {
        "model": "classifier", "optimizer": "Adam", "optimizer.beta_1": 0.9, "optimizer.clipnorm": 1.0,
        "learning_rate": "ExponentialDecay", "learning_rate.decay_steps": 10,
        "loss": "BinaryCrossentropy", "loss.label_smoothing": 0.1, "metrics": "accuracy, mse",
        "parameters": 2 * 4 + 4 + 4 + 1, "trainable_parameters": 4 + 1,
        "epochs": 2, "batch_size": 16, "steps": 2, "samples": 32, "validation_samples": 8, "seed": 7,
        "python": platform.python_version(), "host": platform.node(),
    }  # fmt: skip
    assert {name: config.get(name) for name in expected} == expected


def test_what_isnt_known_isnt_told():
    model = Sequential([Dense(1, input_dim=2)])
    model.compile("sgd", "mse")
    config = config_of(model)
    assert (config["optimizer"], config["learning_rate"], config["loss"]) == ("SGD", 0.01, "mse")
    assert not {"validation_samples", "metrics"} & config.keys()
    assert "seed" in config  # each test begins with set_random_seed


def test_a_keras_model_is_told_alike():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    from epochal.keras import Model

    inputs = keras.Input((2,))
    model = Model(keras.Model(inputs, keras.layers.Dense(1)(inputs), name="regressor"))
    decay = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(keras.optimizers.Adam(decay), keras.losses.Huber(), metrics=["mae"])
    config = config_of(model, epochs=1)
    expected = {
        "model": "regressor", "optimizer": "Adam", "optimizer.beta_1": 0.9, "learning_rate": "CosineDecay",
        "learning_rate.initial_learning_rate": 0.1, "loss": "Huber", "metrics": "mae",
        "parameters": 3, "trainable_parameters": 3, "samples": 40, "keras": keras.__version__,
    }  # fmt: skip
    assert {name: config.get(name) for name in expected} == expected


def test_nests_become_one_table():
    class Odd:
        def get_config(self):
            raise NotImplementedError

    nest = {"loss": {"a": "mse", "b": BinaryCrossentropy}, "blocks": [3, "wide"], "own": Odd(), "rate": None}
    assert flat(nest) == {
        "loss.a": "mse", "loss.b": "BinaryCrossentropy", "blocks": "3, wide", "own": "Odd", "rate": None,
    }  # fmt: skip


def test_what_a_user_adds_is_checked():
    given = {"depth": np.int64(3), "rate": np.float32(0.5), "act": np.tanh, "augment": {"flip": True}, "none": None}
    assert own_config(given) == {"depth": 3, "rate": 0.5, "act": "tanh", "augment.flip": True, "none": None}
    assert own_config(None) == {}
    blocks = {"blocks": [{"units": 64, "act": "relu"}, [1, 2]], "sizes": [64, 10]}
    assert own_config(blocks) == {
        "blocks.0.units": 64, "blocks.0.act": "relu", "blocks.1": "1, 2", "sizes": "64, 10",
    }  # fmt: skip
    itself = {}
    itself["again"] = itself
    for wrong, words in (
        ([1], "config is a dict of names and values; got list"),
        ({"a": {2: 1}}, r"config\['a'\] has the name 2, which is no text"),
        ({"a": [1, b"x"]}, r"config\['a'\]\[1\] is a bytes"),
        ({"a.b": 1, "a": {"b": 2}}, "config says 'a.b' twice"),
        ({"k": 10**400}, r"config\['k'\] is a number of 1329 bits, which is too large"),
        ({"k": "\ud800"}, r"config\['k'\] is '.ud800', which UTF-8 can't hold"),
        ({"k": np.complex64(1)}, r"config\['k'\] is a complex"),
        (itself, "is nested deeper than 10; it may hold itself"),
        ({"x": np.zeros(3)}, r"config\['x'\] is a ndarray"),
    ):
        with pytest.raises(ValueError, match=words):
            own_config(wrong)
