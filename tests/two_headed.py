"""A model with all that a file must hold: shared and nested layers, two inputs, two outputs."""

import numpy as np

from epochal import losses, optimizers
from epochal.layers import Add, BatchNormalization, Concatenate, Dense, Dropout, Input
from epochal.models import Model, Sequential


def two_headed(name="two_headed"):
    """Return a model with all that a file must hold: a shared layer, nested models, two inputs, two outputs."""
    a, b = Input((4,), name="a"), Input((4,), name="b")
    start = Input((3,))
    inner = Model(start, Dense(3)(BatchNormalization()(start)), name="inner")
    stack = Sequential([Input((3,)), Dense(3, activation="relu"), Dropout(0.5)])
    shared = Dense(3, name="shared")
    x, y = shared(a), shared(b)
    left = Dense(2, name="left")(Concatenate()([inner(inner(x)), stack(y)]))
    right = Dense(1, name="right", activation="sigmoid")(Add()([x, y]))
    return Model([a, b], [left, right], name=name)


def compiled(model=None, **settings):
    model = model or two_headed()
    by_output = {
        "loss": {"left": "mse", "right": losses.BinaryCrossentropy(label_smoothing=0.25)},
        "loss_weights": {"left": 1.0, "right": 0.5},
        "metrics": {"left": ["mae"], "right": ["acc"]},
    }
    model.compile(**{"optimizer": optimizers.Adam(0.01)} | by_output | settings)
    return model


def data(samples=20):
    random = np.random.default_rng(0)
    x = {name: random.normal(size=(samples, 4)).astype("float32") for name in ("a", "b")}
    return x, {"left": random.normal(size=(samples, 2)), "right": random.integers(0, 2, (samples, 1))}


def fit(model, epochs=1, callbacks=(), **options):
    return model.fit(*data(), batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=[*callbacks], **options)
