"""A mask made of the values of a sequence."""

from __future__ import annotations

from typing import Unpack

import jax.numpy as jnp

from ..messages.numeric import real
from .base import Layer
from .types import Array, Config, LayerOptions, Nest


class Masking(Layer):
    """Masks the steps whose features are all `mask_value`, and sets them to 0: `(batch, steps, features)`, unchanged.

    Layers after it that take notice of masks, such as `LSTM`, leave these steps out.

        >>> Masking(mask_value=-1)(np.array([[[3.0], [-1.0]]])).tolist()
        [[[3.0], [0.0]]]

    Args:
        mask_value: The value of all features of a step that is padding.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If `mask_value` isn't a number.
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.mask_value = real("mask_value", mask_value)

    def call(self, x: Array) -> Array:
        return jnp.where(self.output_mask(x)[..., None], x, 0)

    def output_mask(self, x: Array, mask: Nest = None) -> Array:
        """Return which steps are no padding, `(batch, steps)`."""
        return (x != self.mask_value).any(axis=-1)

    def get_config(self) -> Config:
        return super().get_config() | {"mask_value": self.mask_value}
