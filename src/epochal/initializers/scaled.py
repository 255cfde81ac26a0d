"""Starting values whose variance is scaled by the numbers of a weight's inputs and outputs.

The numbers ("fans") of a kernel of shape `(*window, inputs, outputs)` are its inputs and outputs times the size of the
window; those of a vector are both its length. Source: `compute_fans` in keras/src/initializers/random_initializers.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..messages.names import unknown
from . import draws
from .draws import Numbers, Shape
from .initializer import INITIALIZERS, Initializer

Mode = Literal["fan_in", "fan_out", "fan_avg"]
Distribution = Literal["truncated_normal", "normal", "untruncated_normal", "uniform"]

MODES: tuple[Mode, ...] = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS: tuple[Distribution, ...] = ("truncated_normal", "untruncated_normal", "uniform")


class _Scaled(Initializer):
    """Mean 0 and variance `scale` / fan, where `mode` says which fan."""

    scale: float
    mode: Mode
    distribution: Distribution

    def _values(self, rng: np.random.Generator, shape: Shape, dtype: np.dtype[Any]) -> Numbers:
        if 0 in shape:
            return np.zeros(shape, dtype)
        deviation = math.sqrt(self.scale / _fan(shape, self.mode))
        if self.distribution == "uniform":
            limit = math.sqrt(3) * deviation
            return draws.uniform(rng, shape, dtype, -limit, limit)
        if self.distribution == "untruncated_normal":
            return draws.normal(rng, shape, dtype, 0.0, deviation)
        return draws.truncated_normal(rng, shape, dtype, 0.0, deviation / draws.CUT_DEVIATION)


def _fan(shape: Shape, mode: Mode) -> float:
    """Return the number of inputs or outputs of a weight, or the mean of the two."""
    if len(shape) < 2:
        return math.prod(shape)
    window = math.prod(shape[:-2])
    fans = {"fan_in": shape[-2] * window, "fan_out": shape[-1] * window}
    return sum(fans.values()) / 2 if mode == "fan_avg" else fans[mode]


@INITIALIZERS.register()
@dataclass(frozen=True)
class VarianceScaling(_Scaled):
    """Mean 0 and variance `scale` / fan: He et al. 2015, Glorot and Bengio 2010.

    Args:
        scale: A positive number.
        mode: What the variance is divided by: the number of inputs, "fan_in", of outputs, "fan_out", or the mean of the
            two, "fan_avg".
        distribution: "truncated_normal" (or "normal", Keras's other name for it), "untruncated_normal" or "uniform".
        seed: See `Initializer`.

    Raises:
        ValueError: If `scale` isn't positive, or a name is unknown.

    Example:
        >>> import jax
        >>> from epochal.initializers import VarianceScaling
        >>> values = VarianceScaling(scale=2.0, mode="fan_out")(jax.random.key(0), (100, 200))
        >>> round(float(values.var()), 3)
        0.01
    """

    scale: float = 1.0
    mode: Mode = "fan_in"
    distribution: Distribution = "truncated_normal"
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distribution == "normal":
            object.__setattr__(self, "distribution", "truncated_normal")
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale must be a finite positive number, not {self.scale!r}")
        if self.mode not in MODES:
            raise unknown("mode", self.mode, MODES)
        if self.distribution not in DISTRIBUTIONS:
            raise unknown("distribution", self.distribution, DISTRIBUTIONS)


@dataclass(frozen=True)
class _Named(_Scaled):
    """Variance scaling with a name of its own: only the seed is left to choose."""

    seed: int | None = None


@INITIALIZERS.register()
class GlorotUniform(_Named):
    """Uniform with variance 2 / (inputs + outputs): Glorot and Bengio 2010. The default of kernels.

    Args:
        seed: See `Initializer`.

    Example:
        >>> import jax
        >>> from epochal.initializers import GlorotUniform
        >>> round(float(GlorotUniform()(jax.random.key(0), (100, 100)).var()), 3)
        0.01
    """

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


@INITIALIZERS.register()
class GlorotNormal(_Named):
    """Truncated normal with variance 2 / (inputs + outputs): Glorot and Bengio 2010.

    Args:
        seed: See `Initializer`.

    Example:
        >>> import jax
        >>> from epochal.initializers import GlorotNormal
        >>> round(float(GlorotNormal()(jax.random.key(0), (100, 100)).var()), 3)
        0.01
    """

    scale, mode, distribution = 1.0, "fan_avg", "truncated_normal"


@INITIALIZERS.register()
class HeUniform(_Named):
    """Uniform with variance 2 / inputs, for layers followed by relu: He et al. 2015.

    Args:
        seed: See `Initializer`.

    Example:
        >>> import jax
        >>> from epochal.initializers import HeUniform
        >>> round(float(HeUniform()(jax.random.key(0), (100, 100)).var()), 3)
        0.02
    """

    scale, mode, distribution = 2.0, "fan_in", "uniform"


@INITIALIZERS.register()
class HeNormal(_Named):
    """Truncated normal with variance 2 / inputs, for layers followed by relu: He et al. 2015.

    Args:
        seed: See `Initializer`.

    Example:
        >>> import jax
        >>> from epochal.initializers import HeNormal
        >>> round(float(HeNormal()(jax.random.key(0), (100, 100)).var()), 3)
        0.02
    """

    scale, mode, distribution = 2.0, "fan_in", "truncated_normal"


@INITIALIZERS.register()
class LecunUniform(_Named):
    """Uniform with variance 1 / inputs: LeCun et al. 1998.

    Args:
        seed: See `Initializer`.

    Example:
        >>> import jax
        >>> from epochal.initializers import LecunUniform
        >>> round(float(LecunUniform()(jax.random.key(0), (100, 100)).var()), 3)
        0.01
    """

    scale, mode, distribution = 1.0, "fan_in", "uniform"


@INITIALIZERS.register()
class LecunNormal(_Named):
    """Truncated normal with variance 1 / inputs, for layers followed by selu: Klambauer et al. 2017.

    Args:
        seed: See `Initializer`.

    Example:
        >>> import jax
        >>> from epochal.initializers import LecunNormal
        >>> round(float(LecunNormal()(jax.random.key(0), (100, 100)).var()), 3)
        0.01
    """

    scale, mode, distribution = 1.0, "fan_in", "truncated_normal"
