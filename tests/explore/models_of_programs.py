"""The models that random programs train: few, so that what is compiled for one serves many."""

import importlib

import numpy as np
from checkpointing import Saved
from numpy_engine import Linear


class NumpyModel(Saved, Linear):
    """Least squares in NumPy, whose files are its weights."""


class Numpy:
    """Least squares in NumPy: a thousand programs take seconds."""

    names, options = ("loss", "error"), {}

    @staticmethod
    def start():
        """Return a model that nobody has trained."""
        return NumpyModel()

    @staticmethod
    def state(model):
        """Return all that a step changes."""
        return model.engine.state_dict()

    @staticmethod
    def samples(count, bad):
        """Return inputs, targets and weights of so many samples; one may be no number."""
        rng = np.random.default_rng(count)
        x = rng.normal(size=(count, 2))
        y = x @ [1.0, -2.0] + 0.1 * rng.normal(size=count)
        if bad is not None:
            x[bad] = np.nan
        return x, y, rng.random(count).astype(np.float32)


NAMES = {
    "numpy": Numpy.names,
    "layers": ("loss", "mae"),
    "recurrent": ("loss", "accuracy"),
    "functional": ("loss", "left_loss", "right_acc"),
    "module": ("loss", "mae"),
}
"""What each model logs, of which callbacks may follow any."""


def case_of(name):
    """Return what makes a model and its data; JAX is imported for its own models only."""
    return Numpy if name == "numpy" else importlib.import_module("jax_models").CASES[name]
