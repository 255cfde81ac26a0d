"""A small classifier to train, save and load."""

import numpy as np

from epochal import optimizers
from epochal.layers import Dense
from epochal.models import Sequential


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
