"""Activations that cut or bend negative values, with settings or weights of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import jax
import jax.numpy as jnp
from flax import nnx

from .. import activations, initializers
from ..messages.numeric import is_real, is_whole, real, whole
from .base import Layer
from .nests import is_sequence
from .restraints import restrain
from .settings import initializer_settings, known
from .types import (
    Array,
    Config,
    ConstraintLike,
    InitializerLike,
    LayerOptions,
    Nest,
    RegularizerLike,
    Shape,
)


class ReLU(Layer):
    """Sets what isn't above a threshold to 0: max(x, 0). Arrays of any shape keep it.

        >>> ReLU(max_value=4.0, negative_slope=0.5)(np.array([[-2.0, 3.0, 5.0]])).tolist()
        [[-1.0, 3.0, 4.0]]

    Args:
        max_value: What larger values become; nothing, if None.
        negative_slope: By what `x - threshold` is multiplied instead of being set to 0.
        threshold: Values up to it aren't kept.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If an argument is no number, or is negative.
    """

    keeps_mask = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else _not_negative("max_value", max_value)
        self.negative_slope = _not_negative("negative_slope", negative_slope)
        self.threshold = _not_negative("threshold", threshold)

    def call(self, x: Array) -> Array:
        above = jnp.where(x > self.threshold, x, 0) if self.threshold else jax.nn.relu(x)
        kept = above if self.max_value is None else jnp.minimum(above, self.max_value)
        return kept - self.negative_slope * jax.nn.relu(self.threshold - x) if self.negative_slope else kept

    def get_config(self) -> Config:
        settings = {"max_value": self.max_value, "negative_slope": self.negative_slope, "threshold": self.threshold}
        return super().get_config() | settings


class LeakyReLU(Layer):
    """Multiplies negative values by a slope: Maas et al. 2013. Arrays of any shape keep it.

        >>> LeakyReLU(0.5)(np.array([[-2.0, 3.0]])).tolist()
        [[-1.0, 3.0]]

    Args:
        negative_slope: The slope, 0.3 if None. (The activation "leaky_relu" has 0.2, as in Keras.)
        alpha: Keras 2's name of it.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If the slope is no number, or is negative; or if both names of it are used.
    """

    keeps_mask = True

    def __init__(
        self, negative_slope: float | None = None, *, alpha: float | None = None, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        if negative_slope is not None and alpha is not None:
            raise ValueError(f"give negative_slope or alpha, not both; got {negative_slope!r} and {alpha!r}.")
        given = alpha if negative_slope is None else negative_slope
        self.negative_slope = _not_negative("negative_slope", 0.3 if given is None else given)

    def call(self, x: Array) -> Array:
        return activations.leaky_relu(x, self.negative_slope)

    def get_config(self) -> Config:
        return super().get_config() | {"negative_slope": self.negative_slope}


class ELU(Layer):
    """Makes `alpha × (exp(x) - 1)` of negative values: Clevert et al. 2015. Arrays of any shape keep it.

        >>> ELU(2.0)(np.array([[-100.0, 3.0]])).tolist()
        [[-2.0, 3.0]]

    Args:
        alpha: The negative of what large negative values come to.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If `alpha` is no number.
    """

    keeps_mask = True

    def __init__(self, alpha: float = 1.0, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.alpha = real("alpha", alpha)

    def call(self, x: Array) -> Array:
        return activations.elu(x, self.alpha)

    def get_config(self) -> Config:
        return super().get_config() | {"alpha": self.alpha}


class SlopeOptions(LayerOptions, total=False):
    """The arguments by name of a layer that learns slopes."""

    alpha_regularizer: RegularizerLike
    alpha_constraint: ConstraintLike


class PReLU(Layer):
    """Multiplies negative values by slopes that are learned, `alpha`: He et al. 2015. Arrays of any shape keep it.

        >>> PReLU("ones")(np.array([[-2.0, 3.0]])).tolist()
        [[-2.0, 3.0]]
        >>> PReLU(shared_axes=[1, 2])(np.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)

    Args:
        alpha_initializer: Of `alpha`, which has a slope for each value of a sample, but for the shared axes.
        shared_axes: The axes along which a slope is the same, with the batch axis as 0: `[1, 2]` has one for each
            channel of an image.
        **kwargs: `alpha_regularizer`, `activity_regularizer`, `alpha_constraint`, `name`, `input_shape`, `input_dim`,
            `trainable`.

    Raises:
        ValueError: If a shared axis is no whole number or the batch's or, when built, inputs don't have it, or the
            size of another one isn't known.
    """

    keeps_mask = True
    restrained = ("alpha",)

    def __init__(
        self,
        alpha_initializer: InitializerLike = "zeros",
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Unpack[SlopeOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.shared_axes = _positive_axes(shared_axes)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        shared = self.shared_axes or []
        if beyond := [axis for axis in shared if axis > len(shape)]:
            raise ValueError(f"PReLU shares axis {beyond[0]}, which inputs of shape {(None, *shape)} don't have.")
        sizes = tuple(1 if axis + 1 in shared else known(self, shape, axis) for axis in range(len(shape)))
        self.alpha = nnx.Param(self.alpha_initializer(rngs.params(), sizes, jnp.float32))
        restrain(self, alpha=self.alpha)

    def call(self, x: Array) -> Array:
        return jax.nn.relu(x) - self.alpha[...] * jax.nn.relu(-x)

    def get_config(self) -> Config:
        return super().get_config() | initializer_settings(self) | {"shared_axes": self.shared_axes}


def _not_negative(argument: str, value: object) -> float:
    if not is_real(value) or real(argument, value) < 0:
        raise ValueError(f"{argument} is a number of at least 0; got {value!r}.")
    return real(argument, value)


def _positive_axes(value: Nest) -> list[int] | None:
    listed = value if value is None or is_sequence(value) else [value]
    if listed is None:
        return None
    if not all(is_whole(axis, 1) for axis in listed):
        raise ValueError(f"shared_axes are whole numbers from 1, since 0 is the batch's axis; got {value!r}.")
    return [whole("shared_axes", axis) for axis in listed]
