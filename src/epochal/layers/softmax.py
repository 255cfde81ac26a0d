"""Softmax as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import jax
import jax.numpy as jnp
from flax import nnx

from ..messages.numeric import is_whole, whole
from .base import Layer
from .nests import is_sequence
from .settings import has_axis
from .types import Array, Config, LayerOptions, Mask, Nest, Shape
from .untyped import asarray, finfo


class Softmax(Layer):
    """Makes positive values that sum to 1 over an axis: exp(x), normalised. Arrays of any shape keep it.

        >>> Softmax()(np.array([[1.0, 1.0, 1.0, 1.0]])).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
        >>> Softmax()(np.array([[1.0, 1.0, 1.0]]), mask=np.array([[True, True, False]])).tolist()
        [[0.5, 0.5, 0.0]]

    After a layer that masks steps, `Softmax(axis=1)` leaves these steps out. (Keras's raises there.)

    Args:
        axis: The axis, with the batch axis as 0, or a list of axes, over which the values sum to 1.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If an axis is no whole number or the batch's or, when built, inputs don't have it.
    """

    uses_mask = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        listed: Sequence[Nest] = axis if is_sequence(axis) else [axis]
        if not listed or not all(is_whole(one) and one != 0 for one in listed):
            raise ValueError(f"axis is a whole number, or several, other than 0, which is the batch's; got {axis!r}.")
        first, *others = (whole("axis", one) for one in listed)
        self.axis = (first, *others) if others else first

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes over which the values sum to 1."""
        return self.axis if isinstance(self.axis, tuple) else (self.axis,)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        inputs = (None, *shape)
        for axis in self.axes:
            if not has_axis(inputs, axis) or axis % len(inputs) == 0:
                raise ValueError(
                    f"Softmax has axis={axis}, which is none of those behind the batch's; got inputs of shape {inputs}."
                )

    def call(self, x: Array, mask: Mask = None) -> Array:
        """Return the normalised values.

        Args:
            x: The logits.
            mask: Which of them count; the others become 0. It has as many axes as `x`, each of the same size or 1, or
                it is that of steps, `(batch, steps)`, whose axes are the first ones of `x`.
        """
        x = asarray(x)
        if mask is None:
            return jax.nn.softmax(x, self.axes)
        counts = _aligned(asarray(mask), x.shape)
        least = finfo(jnp.result_type(x, 0.0)).min  # not -inf, which has no gradient where nothing counts
        return jnp.where(counts, jax.nn.softmax(jnp.where(counts, x, least), self.axes), 0)

    def output_mask(self, x: Array, mask: Mask) -> Mask:
        """Return the mask if it is that of steps; one of single values ends here."""
        return mask if mask is not None and mask.ndim < x.ndim else None

    def get_config(self) -> Config:
        return super().get_config() | {"axis": self.axis}


def _aligned(mask: Array, shape: tuple[int, ...]) -> Array:
    """Return a mask as truth values with as many axes as the logits; a ValueError if it doesn't fit them."""
    truth = mask if mask.dtype == bool else mask > 0.5
    wanted = shape[: truth.ndim]
    if len(wanted) < truth.ndim or any(size not in (1, n) for size, n in zip(truth.shape, wanted, strict=True)):
        raise ValueError(
            f"a mask of logits of shape {shape} has as many axes, each of the same size or 1, or the first of them; "
            f"got one of shape {mask.shape}."
        )
    return truth.reshape(*truth.shape, *(1,) * (len(shape) - truth.ndim))
