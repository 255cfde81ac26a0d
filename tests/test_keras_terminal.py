"""Keras models: their bars, their tracebacks, their means."""

import os
import traceback

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

from reads_means import Means  # noqa: E402
from screens import shown  # noqa: E402

from epochal.callbacks import Callback  # noqa: E402
from epochal.keras import Model, install, uninstall  # noqa: E402
from epochal.messages.tracebacks import NOTE  # noqa: E402

X = np.random.default_rng(0).normal(size=(196, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


@pytest.fixture(scope="module")
def net():
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    net.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def test_what_a_batch_logs_are_means_as_it_is(net):
    means = Means()
    history = Model(net).fit(X, Y, batch_size=4, verbose=0, callbacks=[means]).history
    for name in ("loss", "accuracy"):
        assert means.seen[48][name] == pytest.approx(history[name][0], rel=1e-6)


@pytest.mark.parametrize("installed", [False, True])
def test_tracebacks_show_the_users_frames_and_one_of_the_packages_own(net, installed):
    class Hook(Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise ValueError("boom")

    if installed:
        install()
    try:
        with pytest.raises(ValueError, match="boom") as caught:
            (net if installed else Model(net)).fit(X, Y, verbose=0, callbacks=[Hook()])
    finally:
        uninstall()
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames == [frames[0], "fit", "on_epoch_end"]
    assert caught.value.__notes__[-1] == NOTE


def test_the_bar_fits_the_terminal(net, monkeypatch):
    for columns in (50, 80, 200):
        screen = shown(monkeypatch, columns, lambda: Model(net).fit(X, Y, epochs=2, validation_split=0.5))
        assert [line[:9] for line in screen.lines] == ["Epoch 1/2", "Epoch 2/2"]
        assert max(map(len, screen.draws)) < columns
