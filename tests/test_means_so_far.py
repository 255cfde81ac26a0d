"""Callbacks that read means get those of the epoch so far, however its batches were run."""

import numpy as np
import pytest
from reads_means import Means

from epochal.callbacks import Callback, TerminateOnNaN
from epochal.layers import Dense
from epochal.models import Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(203, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


class Own(Callback):
    """Keeps each batch's own values."""

    def __init__(self):
        self.rows = []

    def on_train_batch_end(self, batch, logs=None):
        self.rows.append([logs["size"], logs["loss"], logs["accuracy"]])


@pytest.fixture(scope="module")
def model():
    model = Sequential([Dense(8, activation="relu", input_dim=4), Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("others", [[], [TerminateOnNaN]], ids=["", "chained"])
def test_among_followers_they_are_those_of_the_batches_own_values(model, others):
    means, own = Means(), Own()
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=[means, own, *(kind() for kind in others)])
    assert list(means.seen) == [6, 13, 20, 27, 34, 41, 48]
    for batch, logs in means.seen.items():
        rows = np.array(own.rows[: batch + 1])
        wanted = np.average(rows[:, 1:], axis=0, weights=rows[:, 0])
        np.testing.assert_allclose([logs["loss"], logs["accuracy"]], wanted, rtol=1e-5)


@pytest.mark.parametrize("others", [[], [TerminateOnNaN]], ids=["", "chained"])
def test_alone_they_end_in_the_epochs_own(model, others):
    means = Means()
    callbacks = [means, *(kind() for kind in others)]
    history = model.fit(X[:196], Y[:196], batch_size=4, verbose=0, callbacks=callbacks).history
    assert means.seen[48] == {"batch": 48, "size": 4, "loss": history["loss"][0], "accuracy": history["accuracy"][0]}
