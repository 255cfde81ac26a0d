"""A module of Flax with every kind of state, and data to train it on."""

import numpy as np
from flax import nnx

from epochal.models import Model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype(np.float32)
Y = RNG.normal(size=(40, 1)).astype(np.float32)
TARGETS = np.ones((40, 1), "float32")


class Block(nnx.Module):
    """A residual block with batch statistics and a random stream."""

    def __init__(self, width, rngs):
        self.linear = nnx.Linear(width, width, rngs=rngs)
        self.norm = nnx.BatchNorm(width, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)

    def __call__(self, x):
        return x + self.dropout(nnx.relu(self.norm(self.linear(x))))


class Net(nnx.Module):
    def __init__(self, seed=0, width=6):
        rngs = nnx.Rngs(seed)
        self.blocks = nnx.List([Block(width, rngs) for _ in range(2)])
        self.out = nnx.Linear(width, 1, rngs=rngs)

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return self.out(x)


def compiled(module, **options):
    model = Model(module)
    model.compile(**({"optimizer": "adam", "loss": "mse"} | options))
    return model


class Linear(nnx.Module):
    def __init__(self):
        self.linear = nnx.Linear(6, 1, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return self.linear(x)
