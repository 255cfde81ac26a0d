"""Keras's everyday helpers: labels as vectors, batches by index, a progress bar. Importing them loads no engine."""

from typing import TYPE_CHECKING

from ..data.seeds import set_random_seed
from ..messages.missing import missing_names
from . import np_utils
from .arrays import normalize, to_categorical
from .padding import pad_sequences
from .progbar import Progbar
from .py_dataset import PyDataset, Sequence

__all__ = [
    "Progbar",
    "PyDataset",
    "Sequence",
    "normalize",
    "np_utils",
    "pad_sequences",
    "set_random_seed",
    "to_categorical",
]

if not TYPE_CHECKING:
    __getattr__ = missing_names(__name__, __all__)
