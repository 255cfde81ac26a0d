"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from flax import nnx

from .. import initializers
from .restraints import restrain
from .settings import kernel_and_bias, positive
from .types import ActivationLike, Array, Config, InitializerLike, NamedWeights, Shape
from .windowed import ConvolutionOptions, Windowed


class _Convolution(Windowed):
    """A convolution over the axes between the batch and the channels."""

    restrained = ("kernel", "bias")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        **kwargs: Unpack[ConvolutionOptions],
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, activation, use_bias, bias_initializer, **kwargs)
        self.filters, self.groups = positive("filters", filters), positive("groups", groups)
        if self.filters % self.groups:
            raise ValueError(f"filters must fall into equal groups; got {filters} filters and {groups} groups.")
        self.kernel_initializer = initializers.get(kernel_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        channels = self.channels(shape)
        if channels % self.groups:
            raise ValueError(f"channels must fall into equal groups; got {channels} channels and {self.groups} groups.")
        self.convolution = nnx.Conv(
            channels,
            self.filters,
            self.kernel_size,
            self.strides,
            padding=self.padding.upper(),
            kernel_dilation=self.dilation_rate,
            feature_group_count=self.groups,
            use_bias=self.use_bias,
            kernel_init=self.kernel_initializer,
            bias_init=self.bias_initializer,
            rngs=rngs,
        )
        restrain(self, kernel=self.convolution.kernel, bias=self.convolution.bias)

    def linear(self, x: Array) -> Array:
        return self.convolution(x)

    def named_weights(self) -> NamedWeights:
        return kernel_and_bias(self.convolution)

    def get_config(self) -> Config:
        return super().get_config() | {"filters": self.filters, "groups": self.groups}


class Conv1D(_Convolution):
    """Convolves over steps: `(batch, steps, channels)` to `(batch, new_steps, filters)`.

        >>> Conv1D(8, 3, padding="causal")(np.ones((2, 10, 4))).shape
        (2, 10, 8)

    Args:
        filters: The number of output channels.
        kernel_size: How many steps the window has.
        strides: By how many steps it moves.
        padding: "valid", "same", or "causal": as many zeros in front that no output depends on later steps.
        dilation_rate: The distance of the window's steps.
        groups: Into how many groups input channels and filters fall.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, `(kernel_size, channels / groups, filters)`.
        bias_initializer: Of the bias, `(filters,)`.
        **kwargs: `kernel_regularizer`, `bias_regularizer`, `activity_regularizer`, `kernel_constraint`,
            `bias_constraint`, `name`, `input_shape`, `trainable`, `data_format="channels_last"`.

    Raises:
        ValueError: If `groups` doesn't divide the filters or, when built, the channels; or inputs have other axes.
    """

    axes = "steps, channels"
    paddings = ("valid", "same", "causal")


class Conv2D(_Convolution):
    """Convolves over height and width: `(batch, height, width, channels)` to `(batch, rows, columns, filters)`.

        >>> Conv2D(8, (3, 3), strides=2, padding="same")(np.ones((2, 9, 9, 1))).shape
        (2, 5, 5, 8)

    Args:
        filters: The number of output channels.
        kernel_size: How many rows and columns the window has; one number or two.
        strides: By how many it moves; one number or two.
        padding: "valid" or "same".
        dilation_rate: The distance of the window's rows and columns; one number or two.
        groups: Into how many groups input channels and filters fall.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, `(height, width, channels / groups, filters)`.
        bias_initializer: Of the bias, `(filters,)`.
        **kwargs: `kernel_regularizer`, `bias_regularizer`, `activity_regularizer`, `kernel_constraint`,
            `bias_constraint`, `name`, `input_shape`, `trainable`, `data_format="channels_last"`.

    Raises:
        ValueError: If `groups` doesn't divide the filters or, when built, the channels; or inputs have other axes.
    """

    axes = "height, width, channels"
