"""Fits of small models of every kind, on one device and on several."""

import functools
from contextlib import contextmanager

import numpy as np

from epochal import distribution, layers, set_random_seed
from epochal.callbacks import SwapEMAWeights
from epochal.layers import Activation, BatchNormalization, Dense, Dropout
from epochal.models import Sequential
from epochal.optimizers import SGD

RNG = np.random.default_rng(0)
CLOSE = 5e-7
"""How close logs and weights are, absolutely."""

SAMPLES, BATCH = 84, 16  # the last batch has four samples, which eight devices can't share
X = RNG.normal(size=(SAMPLES, 8)).astype(np.float32)
IMAGES = RNG.normal(size=(SAMPLES, 6, 6, 1)).astype(np.float32)
WORDS = RNG.integers(1, 20, (SAMPLES, 6)) * (RNG.random((SAMPLES, 6)) < 0.8)
LABELS = RNG.integers(0, 3, SAMPLES)
WEIGHTS = RNG.random(SAMPLES).astype(np.float32)


@contextmanager
def on(chosen):
    """Set a distribution for a while."""
    distribution.set_distribution(chosen)
    try:
        yield
    finally:
        distribution.set_distribution(None)


def _classifier(*parts, loss="sparse_categorical_crossentropy", metrics=("accuracy",), **options):
    model = Sequential([*parts, Dense(3), Activation("softmax")])
    model.compile(SGD(0.1, momentum=0.9), loss, list(metrics), **options)
    return model


def dense(**options):
    return _classifier(Dense(16, activation="relu", input_dim=8), **options)


def without_momentum():
    model = Sequential([Dense(16, activation="relu", input_dim=8), Dense(3, activation="softmax")])
    model.compile(SGD(0.1), "sparse_categorical_crossentropy", ["accuracy"])
    return model


def convolutional():
    conv = layers.Conv2D(4, 3, activation="relu", input_shape=(6, 6, 1))
    return _classifier(conv, layers.MaxPooling2D(2), layers.Flatten())


def recurrent():
    return _classifier(layers.Embedding(20, 6, mask_zero=True, input_length=6), layers.LSTM(5))


def stateful_metrics():
    model = Sequential([Dense(16, activation="relu", input_dim=8), Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", ["AUC", "Precision"])
    return model


KINDS = {  # the model, its samples, and what else goes into fit
    "without momentum": (without_momentum, X, {}),
    "dense": (dense, X, {}),
    "convolutional": (convolutional, IMAGES, {}),
    "batch normalization": (
        lambda: _classifier(Dense(16, input_dim=8), BatchNormalization(), Activation("relu")),
        X,
        {},
    ),
    "dropout": (lambda: _classifier(Dense(16, activation="relu", input_dim=8), Dropout(0.5)), X, {}),
    "recurrent with masks": (recurrent, WORDS, {}),
    "weights and averages": (
        lambda: dense(weighted_metrics=["accuracy"]), X,
        {"sample_weight": WEIGHTS, "callbacks": lambda: [SwapEMAWeights(0.9)]},
    ),
    "metrics with state": (stateful_metrics, X, {}),
    "parts": (lambda: dense(accumulate=2), X, {}),
}  # fmt: skip


def fitted(kind, chosen, everything=False):
    """Train a model of a kind for two epochs; return what it has logged, its weights and its predictions."""
    make, x, options = KINDS[kind]
    y = (LABELS > 0).astype(np.float32) if kind == "metrics with state" else LABELS
    return fitted_model(make, x, y, chosen, everything, **options)


@functools.cache
def on_one_device(kind, everything=False):
    """Return what `fitted` returns without a distribution."""
    return fitted(kind, None, everything)


def fitted_model(make, x, y, chosen, everything=False, callbacks=list, **options):
    """Train a model for two epochs; with `everything` validate it, too, and return predictions."""
    with on(chosen):
        set_random_seed(3)
        model = make()
        if everything:
            options |= {"validation_data": (x[:20], y[:20])}  # a batch of 16 and one of 4
        history = model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0, seed=1, callbacks=callbacks(), **options)
        predictions = model.predict(x[:21], batch_size=8) if everything else np.zeros(1)
        return history.history, model.get_weights(), predictions


def assert_equal(one, several, atol):
    """Check that two fits have logged the same, and have the same weights and predictions."""
    (logs, weights, predictions), (other_logs, other_weights, other_predictions) = one, several
    assert list(logs) == list(other_logs)
    for name in logs:
        np.testing.assert_allclose(other_logs[name], logs[name], rtol=0, atol=atol, err_msg=name)
    for a, b in zip([*weights, predictions], [*other_weights, other_predictions], strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=atol)
