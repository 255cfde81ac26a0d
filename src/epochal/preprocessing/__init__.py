"""Texts and sequences as arrays, as Keras 2 had it. Only NumPy and the standard library."""

from typing import TYPE_CHECKING

from ..messages.missing import missing_names
from . import sequence, text

__all__ = ["sequence", "text"]

if not TYPE_CHECKING:
    __getattr__ = missing_names(__name__, __all__)
