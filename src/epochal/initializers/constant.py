"""Starting values that aren't random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .draws import Numbers, Shape
from .initializer import INITIALIZERS, Initializer


@INITIALIZERS.register("zero")
@dataclass(frozen=True)
class Zeros(Initializer):
    """All zeros: the default of biases.

    Example:
        >>> import jax
        >>> from epochal.initializers import Zeros
        >>> Zeros()(jax.random.key(0), (2,))
        Array([0., 0.], dtype=float32)
    """

    def _values(self, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        return np.zeros(shape, dtype)


@INITIALIZERS.register("one")
@dataclass(frozen=True)
class Ones(Initializer):
    """All ones.

    Example:
        >>> import jax
        >>> from epochal.initializers import Ones
        >>> Ones()(jax.random.key(0), (2,))
        Array([1., 1.], dtype=float32)
    """

    def _values(self, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        return np.ones(shape, dtype)


@INITIALIZERS.register()
@dataclass(frozen=True)
class Constant(Initializer):
    """The same value everywhere.

    Args:
        value: The value.

    Example:
        >>> import jax
        >>> from epochal.initializers import Constant
        >>> Constant(0.5)(jax.random.key(0), (2,))
        Array([0.5, 0.5], dtype=float32)
    """

    value: float = 0.0

    def _values(self, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        return np.full(shape, self.value, dtype)


@INITIALIZERS.register()
@dataclass(frozen=True)
class Identity(Initializer):
    """A multiple of the identity matrix; a shape that isn't a matrix is a ValueError.

    Args:
        gain: The values on the diagonal.

    Example:
        >>> import jax
        >>> from epochal.initializers import Identity
        >>> Identity(2.0)(jax.random.key(0), (2, 2))
        Array([[2., 0.],
               [0., 2.]], dtype=float32)
    """

    gain: float = 1.0

    def _values(self, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        if len(shape) != 2:
            raise ValueError(f"Identity fills a matrix, not the shape {shape}")
        return np.eye(*shape, dtype=dtype) * np.asarray(self.gain, dtype)
