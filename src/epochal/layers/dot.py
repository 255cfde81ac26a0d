"""The dot product of two inputs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Unpack

import jax
import jax.numpy as jnp
from flax import nnx

from ..messages.numeric import is_whole, whole
from .base import Layer
from .nests import is_sequence
from .settings import has_axis
from .shapes import is_shape
from .types import Array, Config, LayerOptions, Nest, Shape
from .untyped import asarray

LEAST = 1e-7
"""The least length of a vector that is brought to length 1."""


class Dot(Layer):
    """Multiplies two inputs and sums over an axis of each, sample by sample.

    The output has the other axes of the first input, then those of the second: `(batch, 3, 5)` and `(batch, 5, 4)`
    with `axes=(2, 1)` make `(batch, 3, 4)`. Two inputs of vectors make `(batch, 1)`. A mask ends here.

        >>> Dot(axes=1)([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])]).tolist()
        [[50.0]]

    Args:
        axes: The axis of both inputs that is summed over, with the batch axis as 0, or a pair of one for each.
        normalize: Whether to bring the vectors along these axes to length 1, so that the output is their cosine.
        **kwargs: `name`.

    Raises:
        ValueError: If `axes` is anything else or the batch's axis or, when built, there aren't two inputs that have
            axes of one size there.
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        listed: Sequence[Nest] = axes if is_sequence(axes) else [axes, axes]
        if len(listed) != 2 or not all(is_whole(axis) and axis != 0 for axis in listed):
            raise ValueError(f"axes is a whole number other than 0, which is the batch's, or two; got {axes!r}.")
        first, second = (whole("axes", axis) for axis in listed)
        self.axes = (first, second) if is_sequence(axes) else first
        self.normalize = normalize

    def build(self, shape: Nest, rngs: nnx.Rngs) -> None:
        if not is_sequence(shape) or len(shape) != 2 or not all(is_shape(one) or one == () for one in shape):
            raise ValueError(f"Dot takes a list of two inputs; got one of shape {shape}.")
        inputs = [(None, *one) for one in shape]
        at = self._axes_of(inputs)
        if not all(has_axis(one, axis) and axis % len(one) for one, axis in zip(inputs, at, strict=True)):
            raise ValueError(
                f"Dot has axes={self.axes}, which are none of those behind the batch's; got inputs of shapes "
                f"{inputs[0]} and {inputs[1]}."
            )
        if len({one[axis] for one, axis in zip(inputs, at, strict=True)} - {None}) > 1:
            raise ValueError(
                f"Dot sums over axes={self.axes}, which must have one size in both inputs; got inputs of shapes "
                f"{inputs[0]} and {inputs[1]}."
            )

    def _axes_of(self, shapes: Sequence[Shape]) -> tuple[int, ...]:
        """Return the axis of each input, counted from the batch's as 0 where the inputs have it."""
        given = self.axes if isinstance(self.axes, tuple) else (self.axes, self.axes)
        return tuple(
            axis % len(shape) if has_axis(shape, axis) else axis for axis, shape in zip(given, shapes, strict=True)
        )

    def call(self, x: Sequence[Array]) -> Array:
        arrays = [asarray(one) for one in x]
        axes = self._axes_of([one.shape for one in arrays])
        if self.normalize:
            arrays = [_normalized(one, axis) for one, axis in zip(arrays, axes, strict=True)]
        first, second = (axis - 1 for axis in axes)  # of a sample
        product = jax.vmap(functools.partial(jnp.tensordot, axes=((first,), (second,))))(*arrays)
        return product[:, None] if product.ndim == 1 else product

    def get_config(self) -> Config:
        return super().get_config() | {"axes": self.axes, "normalize": self.normalize}


def _normalized(x: Array, axis: int) -> Array:
    return x * jax.lax.rsqrt(jnp.maximum((x * x).sum(axis, keepdims=True), LEAST**2))


def dot(
    inputs: Sequence[Nest], axes: int | Sequence[int] = -1, normalize: bool = False, **kwargs: Unpack[LayerOptions]
) -> Nest:
    """Return `Dot(axes, normalize, **kwargs)(inputs)`."""
    return Dot(axes, normalize, **kwargs)(inputs)
