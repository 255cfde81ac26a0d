"""Small models of Keras's layers with seeded weights, and data for them."""

import numpy as np

from epochal.data.seeds import set_random_seed
from epochal.layers import Dense
from epochal.models import Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype(np.float32)
Y = (X @ RNG.normal(size=(4, 2))).astype(np.float32)
CLASSES = RNG.integers(0, 3, 50)


def compiled(*layers, optimizer="sgd", loss="mse", **kwargs):
    set_random_seed(0)
    model = Sequential([*layers])
    model.compile(optimizer, loss, **kwargs)
    return model


def linear(**kwargs):
    return compiled(Dense(2, input_dim=4), **kwargs)
