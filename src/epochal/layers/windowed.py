"""What layers have in common that move a window with a kernel over steps or images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from flax import nnx

from .. import initializers
from .activated import Activated
from .harmless import OF_SPATIAL
from .restraints import KernelRestraints
from .settings import check_axes, initializer_settings, known, one_of, sizes
from .types import ActivationLike, Config, InitializerLike, Shape, SpatialOptions


class ConvolutionOptions(SpatialOptions, KernelRestraints, total=False):
    """The arguments by name of a layer that moves a kernel and has a bias."""


class Windowed(Activated):
    """A layer with a window that moves over the axes between the batch and the channels.

    Args:
        kernel_size: The size of the window along each of these axes; one number is for all.
        strides: By how much it moves.
        padding: One of `paddings`.
        dilation_rate: The distance of its steps or pixels.
        activation: A name or a function; None is the identity.
        use_bias: Whether to add a bias.
        bias_initializer: Of the bias, which has a number for each output channel.
        **kwargs: `name`, `input_shape`, `trainable`, `data_format="channels_last"`.

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
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        dilation_rate: int | Sequence[int],
        activation: ActivationLike,
        use_bias: bool,
        bias_initializer: InitializerLike,
        **kwargs: Unpack[SpatialOptions],
    ) -> None:
        super().__init__(activation, **kwargs)
        self.kernel_size = sizes("kernel_size", kernel_size, self.rank)
        self.strides = sizes("strides", strides, self.rank)
        self.padding = one_of("padding", padding, self.paddings)
        self.dilation_rate = sizes("dilation_rate", dilation_rate, self.rank)
        self.use_bias, self.bias_initializer = use_bias, initializers.get(bias_initializer)

    @property
    def rank(self) -> int:
        """How many axes the window moves along."""
        return self.axes.count(",")

    def channels(self, shape: Shape) -> int:
        """Return how many channels inputs have; a ValueError if they have other axes."""
        check_axes(self, shape, self.axes)
        return known(self, shape, -1)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        raise NotImplementedError

    def get_config(self) -> Config:
        return super().get_config() | {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "use_bias": self.use_bias,
            **initializer_settings(self),
        }
