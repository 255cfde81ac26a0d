"""A model of two inputs and two outputs, and data for it."""

import numpy as np

from epochal.layers import (
    Dense,
    Input,
    concatenate,
)
from epochal.models import Model
from epochal.optimizers import SGD

RNG = np.random.default_rng(0)
WORDS = RNG.normal(size=(24, 4)).astype(np.float32)
SIZES = RNG.normal(size=(24, 3)).astype(np.float32)
TOPICS = RNG.integers(0, 3, 24)
SCORES = RNG.normal(size=(24, 1)).astype(np.float32)
X = {"words": WORDS, "sizes": SIZES}
Y = {"topic": TOPICS, "score": SCORES}
X4, Y1, W1 = np.ones((6, 4), "float32"), np.zeros((6, 1), "float32"), np.arange(6.0)


def two_by_two():
    """Return a model of two inputs and two outputs, without activations but a softmax."""
    words, sizes = Input((4,), name="words"), Input((3,), name="sizes")
    together = concatenate([Dense(2, name="of_words")(words), sizes])
    topic = Dense(3, activation="softmax", name="topic")(together)
    score = Dense(1, name="score")(together)
    return Model([words, sizes], [topic, score])


def compiled(**options):
    model = two_by_two()
    settings = {"loss": {"topic": "sparse_categorical_crossentropy", "score": "mse"}, "optimizer": SGD(0.1)}
    model.compile(**(settings | options))
    return model


def single():
    given = Input((4,), name="i")
    model = Model(given, Dense(1, name="out")(given))
    model.compile(SGD(0.0), "mse")
    return model
