"""The module in which Keras 2 had `to_categorical` and `normalize`."""

from .arrays import normalize, to_categorical

__all__ = ["normalize", "to_categorical"]
