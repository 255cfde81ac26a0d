"""Dropout."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from .base import Layer, Shape
from .settings import share


class Dropout(Layer):
    """Sets a share of the values to 0 in training and scales the others up.

    Args:
        rate: The share, from 0 to less than 1.
    """

    keeps_mask = True

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = share("rate", rate)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.dropout = nnx.Dropout(self.rate, rngs=rngs)

    def call(self, x: jax.Array) -> jax.Array:
        return self.dropout(x)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate}
