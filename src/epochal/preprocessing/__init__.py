"""Texts and sequences as arrays, as Keras 2 had it. Only NumPy and the standard library."""

from . import sequence, text

__all__ = ["sequence", "text"]
