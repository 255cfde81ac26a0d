"""A penalty on what goes through a model."""

from __future__ import annotations

from typing import Any, Unpack

from ..messages.numeric import real
from ..regularizers import L1L2
from .base import Layer
from .types import Array, Config, LayerOptions


class ActivityRegularization(Layer):
    """Returns its inputs, arrays of any shape, and adds a penalty on them to the loss.

    The penalty is the sum of `l1` × |x| and of `l2` × x² over all values, divided by the batch's size.

        >>> layer = ActivityRegularization(l1=0.5)
        >>> layer(np.array([[1.0, -3.0], [0.0, 2.0]])).tolist()
        [[1.0, -3.0], [0.0, 2.0]]
        >>> float(sum(layer.losses))
        1.5

    Args:
        l1: The factor of the absolute values, ≥ 0.
        l2: The factor of the squares, ≥ 0.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If a factor isn't a number ≥ 0.
    """

    keeps_mask = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        if self.activity_regularizer is not None:
            raise TypeError("ActivityRegularization has l1 and l2; another regularizer is an argument of any layer.")
        self.l1, self.l2 = real("l1", l1), real("l2", l2)
        self.activity_regularizer = L1L2(self.l1, self.l2)

    def call(self, x: Array) -> Array:
        return x

    def get_config(self) -> Config:
        settings: dict[str, Any] = {"l1": self.l1, "l2": self.l2}
        return {name: v for name, v in super().get_config().items() if name != "activity_regularizer"} | settings
