"""Starting values drawn from a distribution that doesn't depend on the weight's shape, and orthogonal matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import draws
from .draws import Numbers, Shape
from .initializer import INITIALIZERS, Initializer


@INITIALIZERS.register("normal")
@dataclass(frozen=True)
class RandomNormal(Initializer):
    """A normal distribution.

    Args:
        mean: Its mean.
        stddev: Its standard deviation.
        seed: See `Initializer`.

    Example:
        >>> import jax
        >>> from epochal.initializers import RandomNormal
        >>> values = RandomNormal(mean=2.0, stddev=0.5)(jax.random.key(0), (100, 100))
        >>> round(float(values.mean()), 1), round(float(values.std()), 1)
        (2.0, 0.5)
    """

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def _values(self, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        return draws.normal(rng, shape, dtype, self.mean, self.stddev)


@INITIALIZERS.register()
@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """A normal distribution whose values beyond two standard deviations are drawn again.

    Args:
        mean: Its mean.
        stddev: The standard deviation before the cut, as in Keras; that of the values is 0.88 of it.
        seed: See `Initializer`.

    Example:
        >>> import jax
        >>> from epochal.initializers import TruncatedNormal
        >>> bool(abs(TruncatedNormal(stddev=0.5)(jax.random.key(0), (100, 100))).max() <= 1.0)
        True
    """

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def _values(self, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        return draws.truncated_normal(rng, shape, dtype, self.mean, self.stddev)


@INITIALIZERS.register("uniform")
@dataclass(frozen=True)
class RandomUniform(Initializer):
    """A uniform distribution.

    Args:
        minval: The least value.
        maxval: The bound that all values are below.
        seed: See `Initializer`.

    Example:
        >>> import jax
        >>> from epochal.initializers import RandomUniform
        >>> values = RandomUniform(1.0, 3.0)(jax.random.key(0), (100, 100))
        >>> bool(((values >= 1.0) & (values < 3.0)).all())
        True
    """

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def _values(self, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        return draws.uniform(rng, shape, dtype, self.minval, self.maxval)


@INITIALIZERS.register()
@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A multiple of a random matrix with orthonormal columns, or rows where they are fewer: Saxe et al. 2014.

    A kernel of more dimensions is taken as the matrix of all its axes but the last, by the last. Fewer than two
    dimensions are a ValueError.

    Args:
        gain: What the matrix is multiplied by.
        seed: See `Initializer`.

    Example:
        >>> import jax
        >>> from epochal.initializers import Orthogonal
        >>> q = Orthogonal()(jax.random.key(0), (6, 4))
        >>> bool(abs(q.T @ q - jax.numpy.eye(4)).max() < 1e-5)
        True
    """

    gain: float = 1.0
    seed: int | None = None

    def _values(self, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal fills a matrix, or a kernel of more axes, not the shape {shape}")
        return (self.gain * draws.orthogonal(rng, math.prod(shape[:-1]), shape[-1])).reshape(shape).astype(dtype)
