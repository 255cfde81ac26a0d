"""Every public loss, metric and optimizer trains, comes back from a file with its settings, and is resumed exactly."""

import inspect

import numpy as np
import optax
import pytest
from killed_runs import newest

from epochal import losses, metrics, optimizers, set_random_seed
from epochal.callbacks import BackupAndRestore, Callback, Every
from epochal.layers import Dense, Input
from epochal.models import Model, Sequential, load_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 4)).astype("float32")
NUMBERS = RNG.integers(0, 3, 24)
ONE_HOT = np.eye(3, dtype="float32")[NUMBERS]
SOFT = 0.7 * ONE_HOT + 0.1  # no label is 0


def bias(y_true, y_pred):
    return y_pred - y_true


def transform():
    return optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=0.9)


ADAM = {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-5}
SETTINGS = {  # all arguments of each class but those that all have, and none of them at its default
    losses.BinaryCrossentropy: {"from_logits": True, "label_smoothing": 0.1},
    losses.CategoricalCrossentropy: {"from_logits": True, "label_smoothing": 0.1},
    losses.Huber: {"delta": 0.5},
    losses.SparseCategoricalCrossentropy: {"from_logits": True},
    metrics.AUC: {"num_thresholds": 20, "curve": "PR"},
    metrics.BinaryAccuracy: {"threshold": 0.4},
    metrics.F1Score: {"average": "weighted", "threshold": 0.4},
    metrics.MeanMetric: {"fn": bias, "direction": "min"},
    metrics.Precision: {"thresholds": 0.4},
    metrics.Recall: {"thresholds": 0.4},
    metrics.SparseTopKCategoricalAccuracy: {"k": 2},
    metrics.TopKCategoricalAccuracy: {"k": 2},
    optimizers.Adadelta: {"learning_rate": 0.5, "rho": 0.9, "epsilon": 1e-5},
    optimizers.Adagrad: {"learning_rate": 0.1, "initial_accumulator_value": 0.2, "epsilon": 1e-5},
    optimizers.Adam: {**ADAM, "amsgrad": True},
    optimizers.AdamW: {**ADAM, "amsgrad": True, "weight_decay": 0.1},
    optimizers.Adamax: ADAM,
    optimizers.Lion: {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9},
    optimizers.Nadam: ADAM,
    optimizers.OptaxOptimizer: {"transform": transform()},
    optimizers.RMSprop: {"learning_rate": 0.1, "rho": 0.8, "momentum": 0.5, "epsilon": 1e-5, "centered": True},
    optimizers.SGD: {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
}
CLIPPED = {"clipnorm": 0.5, "name": "mine"}


def public(room, base):
    found = [getattr(room, name) for name in room.__all__]
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, base) and kind is not base]


def made(kind, **common):
    """Return an instance with none of its own settings at the default; fail if `SETTINGS` doesn't know them all."""
    given, parameters = SETTINGS.get(kind, {}), inspect.signature(kind).parameters.values()
    own = {p.name: p.default for p in parameters if p.name != "name" and p.kind is not p.VAR_KEYWORD}
    assert own.keys() == given.keys(), f"{kind.__name__} takes {list(own)}: give each another value in SETTINGS"
    assert all(given[name] != default for name, default in own.items()), kind
    return kind(**given, **common)


class Dies(Callback):
    cadence = Every(4, "batch")

    def on_train_batch_end(self, batch, logs=None):
        raise InterruptedError

    def state_dict(self):
        return {}


def train(model, y, folder, *callbacks):
    callbacks = [BackupAndRestore(folder / "run", save_freq=2), *callbacks]
    model.fit(X, y, batch_size=8, epochs=2, seed=0, verbose=0, callbacks=callbacks)
    return model


def assert_resumed_exactly(make, y, tmp_path):
    """Return a trained model, whose run ends in the same bytes if it is interrupted in its second epoch."""
    whole = train(make(), y, tmp_path / "whole")
    with pytest.raises(InterruptedError):
        train(make(), y, tmp_path / "parts", Dies())
    before = newest(tmp_path / "parts")
    train(make(), y, tmp_path / "parts")
    assert newest(tmp_path / "parts") != before
    assert newest(tmp_path / "parts").read_bytes() == newest(tmp_path / "whole").read_bytes()
    return whole


def reloaded(model, tmp_path, **custom):
    model.save(tmp_path / "m.h5")
    return load_model(tmp_path / "m.h5", custom_objects=custom)


def settings(listed):
    return [(type(item), item.get_config()) for item in listed]


# What is trained with


def test_losses(tmp_path):
    used = {kind.__name__: made(kind) for kind in public(losses, losses.Loss)}
    y = {name: NUMBERS if name.startswith("Sparse") else SOFT for name in used}

    def make():
        set_random_seed(0)
        x = Input((4,))
        of_logits = {name: hasattr(loss, "from_logits") for name, loss in used.items()}
        outputs = {name: Dense(3, None if of_logits[name] else "softmax", name=name)(x) for name in used}
        model = Model(x, outputs)
        model.compile(optimizers.SGD(0.01), used)
        return model

    model = assert_resumed_exactly(make, y, tmp_path)
    again = reloaded(model, tmp_path)
    assert again.loss == used
    assert again.evaluate(X, y, verbose=0) == model.evaluate(X, y, verbose=0)


def test_metrics(tmp_path):
    used = [made(kind) for kind in public(metrics, metrics.Metric)]
    of_numbers = [metric for metric in used if type(metric).__name__.startswith("Sparse")]
    by_output = {"one_hot": [metric for metric in used if metric not in of_numbers], "numbers": of_numbers}
    y = {"one_hot": ONE_HOT, "numbers": NUMBERS}

    def make():
        set_random_seed(0)
        x = Input((4,))
        model = Model(x, {name: Dense(3, "softmax", name=name)(x) for name in y})
        fitting = {"one_hot": "categorical_crossentropy", "numbers": "sparse_categorical_crossentropy"}
        model.compile(optimizers.SGD(0.01), fitting, metrics=by_output)
        return model

    model = assert_resumed_exactly(make, y, tmp_path)
    assert len(model.metrics) == len(used)
    again = reloaded(model, tmp_path, bias=bias)
    want = model.evaluate(X, y, verbose=0, return_dict=True)
    assert again.evaluate(X, y, verbose=0, return_dict=True) == want
    assert settings(again.metrics) == settings(model.metrics)


@pytest.mark.parametrize("kind", public(optimizers, optimizers.Optimizer), ids=lambda kind: kind.__name__)
def test_optimizers(kind, tmp_path):
    common = {} if kind is optimizers.OptaxOptimizer else CLIPPED

    def make():
        set_random_seed(0)
        model = Sequential([Dense(3, input_dim=4)])
        model.compile(made(kind, **common), "mse")
        return model

    model = assert_resumed_exactly(make, SOFT, tmp_path)
    again = reloaded(model, tmp_path, OptaxOptimizer=transform())
    assert settings([again.optimizer]) == settings([model.optimizer])
    assert again.optimizer.get_config() == made(kind, **common).get_config()
    assert again.optimizer.iterations == model.optimizer.iterations == 6
