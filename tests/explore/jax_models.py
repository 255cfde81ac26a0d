"""Models on JAX that random programs train: made once, and taken back to their start before each program."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import two_headed
from nnx_nets import Net

import epochal
from epochal.layers import GRU, BatchNormalization, Dense, Dropout, Masking
from epochal.models import Model, Sequential


@dataclass(frozen=True)
class OnJax:
    """A model and data for it.

    make      returns the compiled model
    arrays    returns inputs and targets of so many samples
    options   more for `fit`
    """

    make: Callable
    arrays: Callable
    options: dict = field(default_factory=dict)

    def start(self):
        """Return the model as it was made."""
        model, state = _made(self.make, self.arrays)
        self._engine(model).load_state_dict(state)
        return model

    def state(self, model):
        """Return all that a step changes: weights, the optimizer's state, random streams, statistics."""
        return self._engine(model).state_dict()

    def samples(self, count, bad):
        """Return inputs, targets and weights of so many samples; one may be no number."""
        rng = np.random.default_rng(count)
        x, y = self.arrays(rng, count)
        if bad is not None:
            (x["a"] if isinstance(x, dict) else x)[bad] = np.nan
        return x, y, rng.random(count).astype(np.float32)

    @staticmethod
    def _engine(model):
        return model.trainee.runtime.engine


@cache
def _made(make, arrays):
    epochal.set_random_seed(0)
    model = make()
    model.fit(*arrays(np.random.default_rng(0), 4), batch_size=4, epochs=0, verbose=0)
    return model, OnJax._engine(model).state_dict()


def compiled(model, **settings):
    model.compile("adam", **settings)
    return model


def layers():
    stack = [Dense(4, activation="relu", input_dim=3), BatchNormalization(), Dropout(0.3), Dense(1)]
    return compiled(Sequential(stack), loss="mse", metrics=["mae"])


def regression(rng, count):
    return rng.normal(size=(count, 3)).astype(np.float32), rng.normal(size=(count, 1)).astype(np.float32)


def recurrent():
    stack = [Masking(input_shape=(5, 3)), GRU(4, dropout=0.2), Dense(3, activation="softmax")]
    return compiled(Sequential(stack), loss="sparse_categorical_crossentropy", metrics=["accuracy"])


def sequences(rng, count):
    lengths = rng.integers(1, 6, count)
    steps = rng.normal(size=(count, 5, 3)) * (np.arange(5) < lengths[:, None])[:, :, None]
    return steps.astype(np.float32), rng.integers(0, 3, count)


def two_inputs(rng, count):
    x = {name: rng.normal(size=(count, 4)).astype(np.float32) for name in ("a", "b")}
    return x, {"left": rng.normal(size=(count, 2)), "right": rng.integers(0, 2, (count, 1))}


def module():
    return compiled(Model(Net()), loss="mse", metrics=["mae"])


def six_inputs(rng, count):
    return rng.normal(size=(count, 6)).astype(np.float32), rng.normal(size=(count, 1)).astype(np.float32)


CASES = {
    "layers": OnJax(layers, regression),
    "recurrent": OnJax(recurrent, sequences, {"class_weight": {0: 2.0, 1: 1.0, 2: 0.5}}),
    "functional": OnJax(two_headed.compiled, two_inputs),
    "module": OnJax(module, six_inputs),
}
