"""Histograms of values that may come in pieces, one bounded pass each to find the range and to count."""

from __future__ import annotations

import numpy as np

BUCKETS = 30
"""How many TensorBoard's own summaries have."""


class Histogram:
    """Counts values in buckets of one width between the least and the greatest.

    The values may come in pieces: all of them are shown to `measure`, then all again to `count`. NaN and infinite
    values are in no bucket.

    Attributes:
        not_finite: How many values are in no bucket.
    """

    def __init__(self) -> None:
        self.not_finite = 0
        self._low, self._high = np.inf, -np.inf
        self._counts = np.zeros(BUCKETS, np.int64)

    @classmethod
    def of(cls, values: np.ndarray) -> Histogram:
        """Return the histogram of one array, of any shape."""
        histogram = cls()
        histogram.measure(values)
        histogram.count(values)
        return histogram

    def measure(self, values: np.ndarray) -> None:
        """Widen the range to a piece's values."""
        finite = _finite(values)
        self.not_finite += values.size - finite.size
        if finite.size:
            self._low, self._high = min(self._low, float(finite.min())), max(self._high, float(finite.max()))

    def count(self, values: np.ndarray) -> None:
        """Add a piece's values; the range is known from now on."""
        finite = _finite(values)
        if self._low == self._high:
            self._counts[-1] += finite.size
        elif finite.size:
            # NumPy subtracts the ends from one another, which overflows if they are near the ends of float64.
            scale = 1.0 if np.isfinite(self._high - self._low) else 0.25
            ends = np.float64(self._low) * scale, np.float64(self._high) * scale
            self._counts += np.histogram(finite if scale == 1 else finite * scale, BUCKETS, ends)[0]

    def buckets(self) -> np.ndarray:
        """Return `(left edge, right edge, count)` rows as TensorBoard stores them; float64, `(30, 3)`.

        All zero if there are no finite values. If all are equal, so are all edges, and only the last bucket counts.
        """
        if not self._counts.any():
            return np.zeros((BUCKETS, 3))
        parts = np.linspace(0.0, 1.0, BUCKETS + 1)
        edges = self._low * (1 - parts) + self._high * parts
        return np.stack([edges[:-1], edges[1:], self._counts], axis=1)


def _finite(values: np.ndarray) -> np.ndarray:
    """Return the finite values, flat; without a copy if they all are and have a type that NumPy's histogram takes."""
    flat = values.reshape(-1)
    if flat.dtype.type not in (np.float32, np.float64):  # bfloat16, float16, integers
        flat = flat.astype(np.float32 if flat.dtype.itemsize <= 2 else np.float64)
    if flat.size == 0 or (np.isfinite(flat.min()) and np.isfinite(flat.max())):
        return flat
    return flat[np.isfinite(flat)]
