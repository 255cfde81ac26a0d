"""Dropout."""

from __future__ import annotations

from typing import Unpack

from flax import nnx

from .base import Layer
from .settings import share
from .types import Array, Config, LayerOptions, Shape


class Dropout(Layer):
    """Sets a random share of the values to 0 in training and scales the others up; in inference it changes nothing.

        >>> Dropout(0.5)(np.ones((1, 3)), training=False).tolist()
        [[1.0, 1.0, 1.0]]
        >>> sorted(set(Dropout(0.5)(np.ones(1000), training=True).tolist()))
        [0.0, 2.0]

    Args:
        rate: The share, from 0 to less than 1. The others are divided by `1 - rate`.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If the rate isn't a number from 0 to less than 1.
    """

    keeps_mask = True

    def __init__(self, rate: float, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.rate = share("rate", rate)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.dropout = nnx.Dropout(self.rate, rngs=rngs)

    def call(self, x: Array) -> Array:
        return self.dropout(x)

    def get_config(self) -> Config:
        return super().get_config() | {"rate": self.rate}
