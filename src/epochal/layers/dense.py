"""Dense, and an activation as a layer."""

from __future__ import annotations

from typing import Unpack

from flax import nnx

from .. import initializers
from .activated import Activated
from .restraints import KernelOptions, restrain
from .settings import initializer_settings, kernel_and_bias, known, positive
from .types import ActivationLike, Array, Config, InitializerLike, NamedWeights, Shape


class Activation(Activated):
    """Applies an activation to arrays of any shape.

        >>> Activation("relu")(np.array([[-1.0, 2.0]])).tolist()
        [[0.0, 2.0]]

    Args:
        activation: A name such as "relu" or "softmax", or any function of one array.
        **kwargs: `name`, `input_shape`, `input_dim`, `trainable`.

    Raises:
        ValueError: If there is no activation of that name.
    """


class Dense(Activated):
    """Computes `activation(x @ kernel + bias)` over the last axis: `(batch, …, inputs)` to `(batch, …, units)`.

        >>> Dense(3)(np.ones((2, 4))).shape
        (2, 3)

    Args:
        units: The size of the output.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, `(inputs, units)`.
        bias_initializer: Of the bias, `(units,)`.
        **kwargs: `kernel_regularizer`, `bias_regularizer`, `activity_regularizer`, `kernel_constraint`,
            `bias_constraint`, `name`, `input_shape`, `input_dim`, `trainable`.

    Raises:
        ValueError: If `units` is no positive whole number or, when built, the size of the inputs isn't known.
    """

    restrained = ("kernel", "bias")

    def __init__(
        self,
        units: int,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        **kwargs: Unpack[KernelOptions],
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
        restrain(self, kernel=self.affine.kernel, bias=self.affine.bias)

    def linear(self, x: Array) -> Array:
        return self.affine(x)

    def named_weights(self) -> NamedWeights:
        return kernel_and_bias(self.affine)

    def get_config(self) -> Config:
        return super().get_config() | {"units": self.units, "use_bias": self.use_bias} | initializer_settings(self)
