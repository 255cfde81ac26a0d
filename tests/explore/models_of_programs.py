"""The models that random programs train: few, so that what is compiled for one serves many."""

import functools

import numpy as np
from checkpointing import Saved
from numpy_engine import Linear


class NumpyModel(Saved, Linear):
    """Least squares in NumPy, whose files are its weights."""


class Numpy:
    """Least squares in NumPy."""

    names = ("loss", "error")

    @staticmethod
    def start():
        return NumpyModel()

    @staticmethod
    def samples(count, bad):
        """Return inputs, targets and weights of so many samples; one may be no number."""
        rng = np.random.default_rng(count)
        x = rng.normal(size=(count, 2))
        y = x @ [1.0, -2.0] + 0.1 * rng.normal(size=count)
        if bad is not None:
            x[bad] = np.nan
        return x, y, rng.random(count).astype(np.float32)


MODELS = {"numpy": Numpy}
