"""What modules do inside a compiled step: sow, drop out, convolve."""

import numpy as np
import pytest
from flax import nnx
from numpy_engine import Recorder
from seeded_models import X, Y, compiled

from epochal.data.seeds import set_random_seed
from epochal.layers import Conv2D, Dense, Dropout, Flatten
from epochal.models import Model


class Sows(nnx.Module):
    """Sows what it computes, as flax modules do to show intermediates."""

    def __init__(self):
        self.linear = nnx.Linear(4, 2, rngs=nnx.Rngs(0))

    def __call__(self, x):
        x = self.linear(x)
        self.sow(nnx.Intermediate, "hidden", x)
        return x


@pytest.mark.filterwarnings("ignore:Using 'Module.sow:DeprecationWarning")
def test_what_a_module_sows_does_not_disturb():
    model = Model(Sows())
    model.compile("sgd", "mse")
    history = model.fit(X, Y, batch_size=8, epochs=5, verbose=0, validation_split=0.2).history
    assert history["loss"][-1] < history["loss"][0]
    assert model.predict(X).shape == (50, 2)
    assert len(model.get_weights()) == 2


def test_dropout_works_in_training_only_and_differs_from_batch_to_batch():
    model = compiled(Dropout(0.5, input_dim=4), Dense(1), optimizer="sgd")
    model.optimizer.lr = 0.0
    recorder = Recorder()
    model.fit(np.ones((6, 4)), np.ones((6, 1)), batch_size=2, verbose=0, callbacks=[recorder])
    losses = [logs["loss"] for logs in recorder.logs("on_train_batch_end")]
    assert len(set(losses)) == 3
    assert len({float(value) for value in model.predict(np.ones((6, 4))).ravel()}) == 1


def test_a_convolutional_model_learns():
    set_random_seed(0)
    images = np.zeros((40, 6, 6, 1), np.float32)
    labels = np.arange(40) % 2
    images[labels == 1, 2:4] = 1
    model = compiled(Conv2D(8, 3, activation="relu", input_shape=(6, 6, 1)), Flatten(), Dense(2, activation="softmax"),
                     optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["acc"])  # fmt: skip
    model.optimizer.lr = 0.05
    assert model.fit(images, labels, batch_size=8, epochs=5, verbose=0).history["acc"][-1] == 1.0
