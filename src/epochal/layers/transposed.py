"""Transposed convolutions, which make more steps or pixels of fewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from flax import nnx

from .. import initializers
from .restraints import restrain
from .settings import kernel_and_bias, positive, sizes
from .types import ActivationLike, Array, Config, InitializerLike, NamedWeights, Shape
from .windowed import ConvolutionOptions, Windowed


class _Transposed(Windowed):
    """The gradient of a convolution as a layer, which brings outputs of one back to the shape of its inputs."""

    restrained = ("kernel", "bias")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        **kwargs: Unpack[ConvolutionOptions],
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, activation, use_bias, bias_initializer, **kwargs)
        self.filters = positive("filters", filters)
        self.kernel_initializer = initializers.get(kernel_initializer)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"strides or dilation_rate must be 1; got {self.strides} and {self.dilation_rate}, and the two don't "
                "go together."
            )
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = sizes("output_padding", output_padding, self.rank, least=0)
            if any(more >= stride for more, stride in zip(self.output_padding, self.strides, strict=True)):
                raise ValueError(
                    f"output_padding is less than strides; got {self.output_padding} and strides {self.strides}."
                )

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.convolution = nnx.ConvTranspose(
            self.channels(shape),
            self.filters,
            self.kernel_size,
            self.strides,
            padding=self._paddings(),
            kernel_dilation=self.dilation_rate,
            use_bias=self.use_bias,
            kernel_init=self.kernel_initializer,
            bias_init=self.bias_initializer,
            transpose_kernel=True,
            rngs=rngs,
        )
        restrain(self, **dict(kernel_and_bias(self.convolution)))

    def _paddings(self) -> list[tuple[int, int]]:
        """Return for each axis how many zeros are before and after its stretched inputs."""
        extras: Sequence[int | None] = self.output_padding or (None,) * self.rank
        windows = [(size - 1) * rate + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True)]
        each = zip(windows, self.strides, extras, strict=True)
        return [_padding(self.padding, window, stride, extra) for window, stride, extra in each]

    def linear(self, x: Array) -> Array:
        return self.convolution(x)

    def named_weights(self) -> NamedWeights:
        return kernel_and_bias(self.convolution)

    def get_config(self) -> Config:
        return super().get_config() | {"filters": self.filters, "output_padding": self.output_padding}


class Conv1DTranspose(_Transposed):
    """Spreads each step over several: `(batch, steps, channels)` to `(batch, more_steps, filters)`.

        >>> Conv1DTranspose(8, 3, strides=2, padding="same")(np.ones((2, 5, 4))).shape
        (2, 10, 8)

    Args:
        filters: The number of output channels.
        kernel_size: Over how many steps one is spread.
        strides: The distance of these windows.
        padding: "same" makes `strides` × as many steps, "valid" has whole windows.
        output_padding: How many steps there are at the end beside those of the windows, less than `strides`; as many
            as `padding` says, if None.
        dilation_rate: The distance of a window's steps.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, `(kernel_size, filters, channels)`.
        bias_initializer: Of the bias, `(filters,)`.
        **kwargs: `kernel_regularizer`, `bias_regularizer`, `activity_regularizer`, `kernel_constraint`,
            `bias_constraint`, `name`, `input_shape`, `trainable`, `data_format="channels_last"`.

    Raises:
        ValueError: If an argument is anything else, both `strides` and `dilation_rate` are greater than 1 or, when
            built, inputs have other axes.
    """

    axes = "steps, channels"


class Conv2DTranspose(_Transposed):
    """Spreads each pixel over several: `(batch, height, width, channels)` to `(batch, rows, columns, filters)`.

        >>> Conv2DTranspose(8, 3, strides=2, padding="same")(np.ones((2, 4, 5, 1))).shape
        (2, 8, 10, 8)

    Args:
        filters: The number of output channels.
        kernel_size: Over how many rows and columns one pixel is spread; one number or two.
        strides: The distance of these windows; one number or two.
        padding: "same" makes `strides` × as many rows and columns, "valid" has whole windows.
        output_padding: How many rows and columns there are at the end beside those of the windows, one number or two,
            less than `strides`; as many as `padding` says, if None.
        dilation_rate: The distance of a window's rows and columns; one number or two.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, `(height, width, filters, channels)`.
        bias_initializer: Of the bias, `(filters,)`.
        **kwargs: `kernel_regularizer`, `bias_regularizer`, `activity_regularizer`, `kernel_constraint`,
            `bias_constraint`, `name`, `input_shape`, `trainable`, `data_format="channels_last"`.

    Raises:
        ValueError: If an argument is anything else, both `strides` and `dilation_rate` are greater than 1 or, when
            built, inputs have other axes.
    """

    axes = "height, width, channels"


def _padding(padding: str, window: int, stride: int, extra: int | None) -> tuple[int, int]:
    """Return how many zeros are before and after the inputs of an axis, between which there are `stride - 1` zeros.

    With `p` zeros in all, n inputs make `(n - 1) × stride + 2 + p - window` outputs. "valid" makes
    `(n - 1) × stride + window`, at least `n × stride`; "same" `n × stride`, or, with an extra,
    `(n - 1) × stride + extra`, and one more for an odd window.
    """
    if padding == "valid":
        return window - 1, window - 1 + (max(stride - window, 0) if extra is None else extra)
    both = window - 2 + (stride if extra is None else extra + window % 2)
    before = min((both + 1) // 2, window - 1)
    return before, both - before
