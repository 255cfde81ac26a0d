"""Random noise in training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Unpack

import jax
import jax.numpy as jnp
from flax import nnx

from ..messages.numeric import is_real, real
from .base import Layer
from .dropout import axes_of_one, checked_noise_shape
from .settings import checked_seed, share
from .streams import seeded
from .types import Array, Config, LayerOptions, Shape
from .untyped import asarray

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""The constants of `selu`: Klambauer et al. 2017."""


class _Noise(Layer):
    """Changes values at random in training, and nothing in inference.

    Args:
        seed: Of the random numbers.
        **kwargs: `name`, `input_shape`, `input_dim`.
    """

    keeps_mask = True

    def __init__(self, seed: int | None, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.seed = checked_seed(seed)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.stream = seeded(self.seed, rngs).dropout.fork()

    def call(self, x: Array) -> Array:
        return x if self.deterministic else self.noisy(asarray(x))

    def noisy(self, x: Array) -> Array:
        """Return the values for training."""
        raise NotImplementedError

    def get_config(self) -> Config:
        return super().get_config() | {"seed": self.seed}


class GaussianNoise(_Noise):
    """Adds normally distributed noise in training; in inference it changes nothing.

        >>> GaussianNoise(0.5)(np.ones((1, 3)), training=False).tolist()
        [[1.0, 1.0, 1.0]]
        >>> round(float(GaussianNoise(0.5)(np.ones(10_000), training=True).std()), 1)
        0.5

    Args:
        stddev: The noise's standard deviation, from 0 to 1.
        seed: As `Dropout` has it.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If `stddev` isn't a number from 0 to 1, or the seed no whole number.
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(seed, **kwargs)
        if not is_real(stddev) or not 0 <= real("stddev", stddev) <= 1:
            raise ValueError(f"stddev is a number from 0 to 1; got {stddev!r}.")
        self.stddev = real("stddev", stddev)

    def noisy(self, x: Array) -> Array:
        return x + self.stddev * jax.random.normal(self.stream(), x.shape, x.dtype)

    def get_config(self) -> Config:
        return super().get_config() | {"stddev": self.stddev}


class GaussianDropout(_Noise):
    """Multiplies values by normally distributed noise of mean 1 in training: Srivastava et al. 2014.

        >>> GaussianDropout(0.5)(np.ones((1, 3)), training=False).tolist()
        [[1.0, 1.0, 1.0]]
        >>> round(float(GaussianDropout(0.5)(np.ones(10_000), training=True).std()), 1)
        1.0

    Args:
        rate: From 0 to less than 1: the noise has the standard deviation of `Dropout(rate)`, √(rate / (1 - rate)).
        seed: As `Dropout` has it.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If the rate isn't a number from 0 to less than 1, or the seed no whole number.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(seed, **kwargs)
        self.rate = share("rate", rate)

    def noisy(self, x: Array) -> Array:
        deviation = math.sqrt(self.rate / (1 - self.rate))
        return x * (1 + deviation * jax.random.normal(self.stream(), x.shape, x.dtype))

    def get_config(self) -> Config:
        return super().get_config() | {"rate": self.rate}


class AlphaDropout(_Noise):
    """Drops values in training so that mean and variance stay, for `selu`: Klambauer et al. 2017.

    A dropped value becomes the least value of `selu`, about -1.76; then all are scaled and shifted.

        >>> AlphaDropout(0.5)(np.ones((1, 3)), training=False).tolist()
        [[1.0, 1.0, 1.0]]

    Args:
        rate: The share of values that are dropped, from 0 to less than 1.
        noise_shape: As `Dropout` has it.
        seed: As `Dropout` has it.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If the rate isn't a number from 0 to less than 1, the seed no whole number or, when built, inputs
            have other axes than `noise_shape`.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(seed, **kwargs)
        self.rate, self.noise_shape = share("rate", rate), checked_noise_shape(noise_shape)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        super().build(shape, rngs)
        self.axes_alike = axes_of_one(self.noise_shape, shape)

    def noisy(self, x: Array) -> Array:
        sizes = [1 if axis in self.axes_alike else size for axis, size in enumerate(x.shape)]
        is_kept = jax.random.bernoulli(self.stream(), 1 - self.rate, sizes)
        least = -SELU_ALPHA * SELU_SCALE
        factor = ((1 - self.rate) * (1 + self.rate * least**2)) ** -0.5
        return factor * (jnp.where(is_kept, x, least) - least * self.rate)

    def get_config(self) -> Config:
        return super().get_config() | {"rate": self.rate, "noise_shape": self.noise_shape}
