"""Convolutions of each channel by itself, alone or with a product over the channels behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import jax
import jax.numpy as jnp
from flax import nnx

from .. import initializers
from .restraints import restrain
from .settings import positive
from .types import (
    ActivationLike,
    Array,
    Config,
    ConstraintLike,
    InitializerLike,
    RegularizerLike,
    Shape,
    SpatialOptions,
)
from .untyped import asarray
from .windowed import Windowed

LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}
"""How JAX calls the order of axes of inputs, kernel and outputs, by the number of axes that a window moves along."""


class DepthwiseOptions(SpatialOptions, total=False):
    """The arguments by name of a convolution of each channel by itself."""

    depthwise_regularizer: RegularizerLike
    bias_regularizer: RegularizerLike
    depthwise_constraint: ConstraintLike
    bias_constraint: ConstraintLike


class SeparableOptions(DepthwiseOptions, total=False):
    """The arguments by name of a convolution of each channel with a product over the channels."""

    pointwise_regularizer: RegularizerLike
    pointwise_constraint: ConstraintLike


class _Depthwise(Windowed):
    """Convolves each channel with kernels of its own."""

    restrained: tuple[str, ...] = ("depthwise", "bias")

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        dilation_rate: int | Sequence[int] = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        **kwargs: Unpack[DepthwiseOptions],
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, activation, use_bias, bias_initializer, **kwargs)
        self.depth_multiplier = positive("depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        channels = self.channels(shape)
        self.kernel = self.depthwise_kernel_for(channels, rngs)
        outputs = channels * self.depth_multiplier
        self.bias = nnx.Param(self.bias_initializer(rngs.params(), (outputs,), jnp.float32)) if self.use_bias else None
        restrain(self, depthwise=self.kernel, bias=self.bias)

    def depthwise_kernel_for(self, channels: int, rngs: nnx.Rngs) -> nnx.Param[Array]:
        """Return the new kernels of the channels, `(*kernel_size, channels, depth_multiplier)`."""
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        return nnx.Param(self.depthwise_initializer(rngs.params(), shape, jnp.float32))

    def linear(self, x: Array) -> Array:
        return self.with_bias(self.by_channel(x, self.kernel[...]))

    def by_channel(self, x: Array, kernel: Array) -> Array:
        """Return the convolutions of each channel, one channel after the other."""
        x, channels = asarray(x), x.shape[-1]
        in_groups = kernel.reshape(*self.kernel_size, 1, channels * self.depth_multiplier)
        return jax.lax.conv_general_dilated(
            x.astype(jnp.result_type(x, kernel)),
            in_groups.astype(jnp.result_type(x, kernel)),
            self.strides,
            self.padding.upper(),
            rhs_dilation=self.dilation_rate,
            dimension_numbers=LAYOUTS[self.rank],
            feature_group_count=channels,
        )

    def with_bias(self, x: Array) -> Array:
        """Return outputs with the bias added, if there is one."""
        return x if self.bias is None else x + self.bias[...]

    def get_config(self) -> Config:
        return super().get_config() | {"depth_multiplier": self.depth_multiplier}


class DepthwiseConv1D(_Depthwise):
    """Convolves each channel by itself: `(batch, steps, channels)` to `(batch, new_steps, more_channels)`.

        >>> DepthwiseConv1D(3, depth_multiplier=2)(np.ones((2, 10, 4))).shape
        (2, 8, 8)

    Args:
        kernel_size: How many steps the window has.
        strides: By how many steps it moves.
        padding: "valid" or "same".
        depth_multiplier: How many outputs a channel has.
        dilation_rate: The distance of the window's steps.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        depthwise_initializer: Of the kernel, `(kernel_size, channels, depth_multiplier)`.
        bias_initializer: Of the bias, `(channels × depth_multiplier,)`.
        **kwargs: `depthwise_regularizer`, `bias_regularizer`, `activity_regularizer`, `depthwise_constraint`,
            `bias_constraint`, `name`, `input_shape`, `trainable`, `data_format="channels_last"`.

    Raises:
        ValueError: If an argument is anything else or, when built, inputs have other axes.
    """

    axes = "steps, channels"


class DepthwiseConv2D(_Depthwise):
    """Convolves each channel by itself: `(batch, height, width, channels)` to `(batch, rows, columns, more_channels)`.

        >>> DepthwiseConv2D(3, depth_multiplier=2)(np.ones((2, 9, 9, 4))).shape
        (2, 7, 7, 8)

    Args:
        kernel_size: How many rows and columns the window has; one number or two.
        strides: By how many it moves; one number or two.
        padding: "valid" or "same".
        depth_multiplier: How many outputs a channel has.
        dilation_rate: The distance of the window's rows and columns; one number or two.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        depthwise_initializer: Of the kernel, `(height, width, channels, depth_multiplier)`.
        bias_initializer: Of the bias, `(channels × depth_multiplier,)`.
        **kwargs: `depthwise_regularizer`, `bias_regularizer`, `activity_regularizer`, `depthwise_constraint`,
            `bias_constraint`, `name`, `input_shape`, `trainable`, `data_format="channels_last"`.

    Raises:
        ValueError: If an argument is anything else or, when built, inputs have other axes.
    """

    axes = "height, width, channels"


class _Separable(_Depthwise):
    """Convolves each channel by itself, then multiplies the channels of each place with a matrix."""

    restrained = ("depthwise", "pointwise", "bias")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        pointwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        **kwargs: Unpack[SeparableOptions],
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            dilation_rate,
            activation,
            use_bias,
            depthwise_initializer,
            bias_initializer,
            **kwargs,
        )
        self.filters, self.pointwise_initializer = positive("filters", filters), initializers.get(pointwise_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        channels = self.channels(shape)
        self.depthwise_kernel = self.depthwise_kernel_for(channels, rngs)
        pointwise = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = nnx.Param(self.pointwise_initializer(rngs.params(), pointwise, jnp.float32))
        biases = (self.filters,)
        self.bias = nnx.Param(self.bias_initializer(rngs.params(), biases, jnp.float32)) if self.use_bias else None
        restrain(self, depthwise=self.depthwise_kernel, pointwise=self.pointwise_kernel, bias=self.bias)

    def linear(self, x: Array) -> Array:
        matrix = self.pointwise_kernel[...].reshape(-1, self.filters)
        return self.with_bias(self.by_channel(x, self.depthwise_kernel[...]) @ matrix)

    def get_config(self) -> Config:
        return super().get_config() | {"filters": self.filters}


class SeparableConv1D(_Separable):
    """Convolves each channel by itself, then mixes the channels: `(batch, steps, channels)` to `(…, filters)`.

        >>> SeparableConv1D(8, 3)(np.ones((2, 10, 4))).shape
        (2, 8, 8)

    Args:
        filters: The number of output channels.
        kernel_size: How many steps the window has.
        strides: By how many steps it moves.
        padding: "valid" or "same".
        dilation_rate: The distance of the window's steps.
        depth_multiplier: How many values a channel makes before they are mixed.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        depthwise_initializer: Of the kernel of the channels, `(kernel_size, channels, depth_multiplier)`.
        pointwise_initializer: Of the kernel that mixes them, `(1, channels × depth_multiplier, filters)`.
        bias_initializer: Of the bias, `(filters,)`.
        **kwargs: `depthwise_regularizer`, `pointwise_regularizer`, `bias_regularizer`, `activity_regularizer`,
            `depthwise_constraint`, `pointwise_constraint`, `bias_constraint`, `name`, `input_shape`, `trainable`,
            `data_format="channels_last"`.

    Raises:
        ValueError: If an argument is anything else or, when built, inputs have other axes.
    """

    axes = "steps, channels"


class SeparableConv2D(_Separable):
    """Convolves each channel by itself, then mixes the channels: `(batch, height, width, channels)` to `(…, filters)`.

        >>> SeparableConv2D(8, 3, padding="same")(np.ones((2, 9, 9, 4))).shape
        (2, 9, 9, 8)

    Args:
        filters: The number of output channels.
        kernel_size: How many rows and columns the window has; one number or two.
        strides: By how many it moves; one number or two.
        padding: "valid" or "same".
        dilation_rate: The distance of the window's rows and columns; one number or two.
        depth_multiplier: How many values a channel makes before they are mixed.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        depthwise_initializer: Of the kernel of the channels, `(height, width, channels, depth_multiplier)`.
        pointwise_initializer: Of the kernel that mixes them, `(1, 1, channels × depth_multiplier, filters)`.
        bias_initializer: Of the bias, `(filters,)`.
        **kwargs: `depthwise_regularizer`, `pointwise_regularizer`, `bias_regularizer`, `activity_regularizer`,
            `depthwise_constraint`, `pointwise_constraint`, `bias_constraint`, `name`, `input_shape`, `trainable`,
            `data_format="channels_last"`.

    Raises:
        ValueError: If an argument is anything else or, when built, inputs have other axes.
    """

    axes = "height, width, channels"
