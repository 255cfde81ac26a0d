"""Layers that end in an activation."""

from __future__ import annotations

from typing import TypeGuard, Unpack

from .. import activations
from .base import Layer
from .types import ActivationLike, Array, Config, LayerOptions


class Activated(Layer):
    """A layer that ends in an activation, which it applies to its logits, `linear`.

    Args:
        activation: A name of `epochal.activations` or a function; None is the identity.
        **kwargs: `name`, `input_shape`, `input_dim`, `trainable`.
    """

    keeps_mask = True

    def __init__(self, activation: ActivationLike, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def linear(self, x: Array) -> Array:
        """Return the array that the activation is applied to."""
        return x

    def call(self, x: Array) -> Array:
        """Return the activation of `linear`."""
        return self.activation(self.linear(x))

    def get_config(self) -> Config:
        """Return the settings as Keras's own JSON values."""
        return super().get_config() | {"activation": activations.name_of(self.activation)}


def has_logits(layer: object) -> TypeGuard[Activated]:
    """Return whether a layer is an activation applied to its `linear`, and nothing else."""
    return isinstance(layer, Activated) and type(layer).call is Activated.call
