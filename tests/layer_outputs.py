"""Inputs for single layers, and what comes out of them."""

import numpy as np

from epochal.layers import (
    Input,
)
from epochal.models import Sequential

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(6, 5)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 7, 6, 4)).astype(np.float32)
SEQUENCES = RNG.normal(size=(3, 4, 5)).astype(np.float32)


def model_of(layer, x):
    """Return a model of one layer with random weights, and these weights by name."""
    model = Sequential([Input(x.shape[1:], str(x.dtype)), layer])
    model.set_weights([RNG.uniform(0.5, 1.5, w.shape) * RNG.choice([-1, 1], w.shape) if "variance" not in name
                       else RNG.uniform(0.5, 1.5, w.shape) for name, w in model.named_weights().items()])  # fmt: skip
    return model, {name.split("/")[1]: w for name, w in model.named_weights().items()}


def assert_gives(layer, x, wanted):
    model, weights = model_of(layer, x)
    values = wanted(weights) if callable(wanted) else wanted
    np.testing.assert_allclose(model.predict(x), values, rtol=1e-4, atol=1e-5)
