"""Dropout of single values and of whole channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from flax import nnx

from ..messages.numeric import is_whole, whole
from .base import Layer
from .harmless import OF_SPATIAL
from .nests import is_sequence
from .settings import check_axes, checked_seed, share
from .streams import seeded
from .types import Array, CommonOptions, Config, LayerOptions, Shape, SpatialOptions


class _Dropping(Layer):
    """Sets a random share of values to 0 in training.

    Args:
        rate: The share.
        seed: Of the random numbers.
        **kwargs: `name`, `input_shape`, `input_dim`.
    """

    keeps_mask = True

    def __init__(self, rate: float, seed: int | None, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.rate, self.seed = share("rate", rate), checked_seed(seed)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        alike = self.axes_alike(shape)
        self.dropout = nnx.Dropout(self.rate, broadcast_dims=alike, rngs=seeded(self.seed, rngs))

    def axes_alike(self, shape: Shape) -> tuple[int, ...]:
        """Return the axes along which values are dropped together, with the batch axis as 0.

        Args:
            shape: Of a sample.
        """
        raise NotImplementedError

    def call(self, x: Array) -> Array:
        return self.dropout(x)

    def get_config(self) -> Config:
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


class Dropout(_Dropping):
    """Sets a random share of the values to 0 in training and scales the others up; in inference it changes nothing.

        >>> Dropout(0.5)(np.ones((1, 3)), training=False).tolist()
        [[1.0, 1.0, 1.0]]
        >>> sorted(set(Dropout(0.5)(np.ones(1000), training=True).tolist()))
        [0.0, 2.0]

    Args:
        rate: The share, from 0 to less than 1. The others are divided by `1 - rate`.
        noise_shape: For each axis 1 if values along it are dropped together, else None or the axis's size:
            `(None, 1, None)` drops features, each at all steps. Each value by itself, if None.
        seed: Of a stream of random numbers of the layer's own, so that it draws the same ones whatever else a model
            has; None draws from the seed of the model. Either way each step draws others, and a resumed run goes on.
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
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = checked_noise_shape(noise_shape)

    def axes_alike(self, shape: Shape) -> tuple[int, ...]:
        return axes_of_one(self.noise_shape, shape)

    def get_config(self) -> Config:
        return super().get_config() | {"noise_shape": self.noise_shape}


class SpatialDropout1D(_Dropping):
    """Drops whole features in training, each at all steps: `(batch, steps, features)`, unchanged. Tompson et al. 2014.

        >>> dropped = SpatialDropout1D(0.5)(np.ones((1, 4, 1000)), training=True)
        >>> sorted(set(dropped.sum(axis=1)[0].tolist()))
        [0.0, 8.0]

    Args:
        rate: The share of features, from 0 to less than 1. The others are divided by `1 - rate`.
        seed: As `Dropout` has it.
        **kwargs: `name`, `input_shape`.

    Raises:
        ValueError: If the rate isn't a number from 0 to less than 1 or, when built, inputs have other axes.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Unpack[CommonOptions]) -> None:
        super().__init__(rate, seed, **kwargs)

    def axes_alike(self, shape: Shape) -> tuple[int, ...]:
        check_axes(self, shape, "steps, features")
        return (1,)


class SpatialDropout2D(_Dropping):
    """Drops whole channels of images in training: `(batch, height, width, channels)`, unchanged. Tompson et al. 2014.

        >>> SpatialDropout2D(0.5)(np.ones((2, 4, 4, 3))).shape
        (2, 4, 4, 3)

    Args:
        rate: The share of channels, from 0 to less than 1. The others are divided by `1 - rate`.
        seed: As `Dropout` has it.
        **kwargs: `name`, `input_shape`, `data_format="channels_last"`.

    Raises:
        ValueError: If the rate isn't a number from 0 to less than 1 or, when built, inputs have other axes.
    """

    harmless = OF_SPATIAL

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Unpack[SpatialOptions]) -> None:
        super().__init__(rate, seed, **kwargs)

    def axes_alike(self, shape: Shape) -> tuple[int, ...]:
        check_axes(self, shape, "height, width, channels")
        return (1, 2)


def checked_noise_shape(value: object) -> Shape | None:
    """Return the shape of a layer's random numbers, the batch axis in front; a ValueError if it is none."""
    if value is None:
        return None
    if not is_sequence(value) or not all(size is None or is_whole(size, 1) for size in value):
        raise ValueError(f"noise_shape has None or a positive whole number for each axis; got {value!r}.")
    sizes = tuple(None if size is None else whole("noise_shape", size) for size in value)
    if sizes and sizes[0] not in (None, 1):
        raise ValueError(f"noise_shape begins with None, since batches may differ in size, or with 1; got {value!r}.")
    return sizes


def axes_of_one(noise_shape: Shape | None, shape: Shape) -> tuple[int, ...]:
    """Return the axes along which a noise shape has one value for all.

    Args:
        noise_shape: With the batch axis in front; None for values that all differ.
        shape: Of a sample.

    Raises:
        ValueError: If samples of this shape can't have such noise.
    """
    if noise_shape is None:
        return ()
    whole_shape = (None, *shape)
    fits = len(noise_shape) == len(whole_shape) and all(
        noise in (None, 1, size) or size is None for noise, size in zip(noise_shape, whole_shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"noise_shape {noise_shape} has None, 1 or the size for each axis of the inputs; these have shape "
            f"{whole_shape}."
        )
    return tuple(axis for axis, noise in enumerate(noise_shape) if noise == 1)
