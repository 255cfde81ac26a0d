"""Which steps of a sequence count."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ..messages.numeric import real
from .base import Layer


class Masking(Layer):
    """Masks the steps whose features are all `mask_value`, and sets them to 0; inputs `(batch, steps, features)`.

    Layers after it that take notice of masks, such as `LSTM`, leave these steps out.

    Args:
        mask_value: What the features of padding are.
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = real("mask_value", mask_value)

    def call(self, x: jax.Array) -> jax.Array:
        return jnp.where(self.output_mask(x)[..., None], x, 0)

    def output_mask(self, x: jax.Array, mask: Any = None) -> jax.Array:
        """Return which steps are no padding."""
        return (x != self.mask_value).any(axis=-1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"mask_value": self.mask_value}
