"""Random numbers for starting values, drawn by NumPy: JAX would compile a program for each shape first."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

Shape: TypeAlias = tuple[int, ...]
Numbers: TypeAlias = np.ndarray[Any, np.dtype[Any]]

CUT = 2.0
"""How many standard deviations from the mean a truncated normal distribution ends."""

CUT_DEVIATION = 0.87962566103423978
"""The standard deviation of a standard normal distribution that ends there."""


def uniform(rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any], low: float, high: float) -> Numbers:
    """Return numbers from `low` on, below `high`."""
    values: Numbers = rng.random(shape, _drawn(dtype))
    values *= high - low
    values += low
    bound = np.nextafter(np.asarray(high, dtype), np.asarray(low, dtype))
    return np.minimum(values.astype(dtype, copy=False), bound)  # rounding may have reached `high`


def normal(rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any], mean: float, deviation: float) -> Numbers:
    """Return numbers of a normal distribution."""
    return _scaled(rng.standard_normal(shape, _drawn(dtype)), mean, deviation).astype(dtype, copy=False)


def truncated_normal(
    rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any], mean: float, deviation: float
) -> Numbers:
    """Return numbers of a normal distribution, none further than two deviations from its mean.

    The deviation is that of the whole distribution, before it is cut.
    """
    values: Numbers = rng.standard_normal(math.prod(shape), _drawn(dtype))
    beyond = np.flatnonzero(abs(values) > CUT)
    while beyond.size:
        values[beyond] = rng.standard_normal(beyond.size, _drawn(dtype))
        beyond = beyond[abs(values[beyond]) > CUT]
    return _scaled(values, mean, deviation).astype(dtype, copy=False).reshape(shape)


def orthogonal(rng: np.random.Generator, rows: int, columns: int) -> Numbers:
    """Return a matrix with orthonormal columns, or rows where they are fewer: any of them is as likely as any other."""
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)  # or the first signs would be LAPACK's choice
    return q if rows >= columns else q.T


def _scaled(values: Numbers, mean: float, deviation: float) -> Numbers:
    values *= deviation
    values += mean
    return values


def _drawn(dtype: np.dtype[Any]) -> type[np.float32] | type[np.float64]:
    """Return the dtype to draw in."""
    return np.float64 if dtype.itemsize > 4 else np.float32
