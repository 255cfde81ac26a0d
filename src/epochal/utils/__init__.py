"""Keras's everyday helpers: labels as vectors, batches by index, a progress bar. Importing them loads no engine."""

from ..data.seeds import set_random_seed
from .arrays import normalize, to_categorical
from .progbar import Progbar
from .py_dataset import PyDataset, Sequence

__all__ = ["Progbar", "PyDataset", "Sequence", "normalize", "set_random_seed", "to_categorical"]
