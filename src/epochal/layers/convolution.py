"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from flax import nnx

from .. import initializers
from .activated import Activated
from .harmless import OF_SPATIAL
from .settings import check_axes, initializer_settings, kernel_and_bias, known, one_of, positive, sizes
from .types import ActivationLike, Array, Config, InitializerLike, NamedWeights, Shape, SpatialOptions


class _Convolution(Activated):
    """A convolution over the axes between the batch and the channels.

    Attributes:
        axes: The axes of a sample, as an error names them.
        paddings: The values that `padding` may have.
    """

    keeps_mask = False
    harmless = OF_SPATIAL
    axes: str
    paddings: tuple[str, ...] = ("valid", "same")

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
        **kwargs: Unpack[SpatialOptions],
    ) -> None:
        super().__init__(activation, **kwargs)
        rank = self.axes.count(",")
        self.filters, self.groups, self.use_bias = positive("filters", filters), positive("groups", groups), use_bias
        if self.filters % self.groups:
            raise ValueError(f"filters must fall into equal groups; got {filters} filters and {groups} groups.")
        self.kernel_size, self.strides = sizes("kernel_size", kernel_size, rank), sizes("strides", strides, rank)
        self.dilation_rate = sizes("dilation_rate", dilation_rate, rank)
        self.padding = one_of("padding", padding, self.paddings)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        check_axes(self, shape, self.axes)
        channels = known(self, shape, -1)
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

    def linear(self, x: Array) -> Array:
        return self.convolution(x)

    def named_weights(self) -> NamedWeights:
        return kernel_and_bias(self.convolution)

    def get_config(self) -> Config:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "use_bias": self.use_bias,
            **initializer_settings(self),
        }


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
        **kwargs: `name`, `input_shape`, `trainable`, `data_format="channels_last"`.

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
        **kwargs: `name`, `input_shape`, `trainable`, `data_format="channels_last"`.

    Raises:
        ValueError: If `groups` doesn't divide the filters or, when built, the channels; or inputs have other axes.
    """

    axes = "height, width, channels"
