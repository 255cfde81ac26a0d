"""Dense, and an activation as a layer."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from .. import initializers
from .base import Activated, Shape
from .settings import initializer_settings, kernel_and_bias, known, positive


class Activation(Activated):
    """Applies an activation: a name such as "relu" or "softmax", or any function of one array."""


class Dense(Activated):
    """`activation(x @ kernel + bias)` over the last axis.

    Args:
        units: The size of the output.
        activation: A name or function; None is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, `(inputs, units)`.
        bias_initializer: Of the bias, `(units,)`.
        **kwargs: `name`, `input_shape`, `input_dim`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, **kwargs)
        self.units, self.use_bias = positive("units", units), use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.affine = nnx.Linear(
            known(self, shape, -1),
            self.units,
            use_bias=self.use_bias,
            kernel_init=self.kernel_initializer,
            bias_init=self.bias_initializer,
            rngs=rngs,
        )

    def linear(self, x: jax.Array) -> jax.Array:
        return self.affine(x)

    def named_weights(self) -> list[tuple[str, nnx.Variable]]:
        return kernel_and_bias(self.affine)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units, "use_bias": self.use_bias} | initializer_settings(self)
