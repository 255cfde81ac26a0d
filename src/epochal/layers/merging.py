"""Several arrays made one."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Unpack

import jax.numpy as jnp
from flax import nnx

from .base import Layer
from .nests import is_sequence
from .settings import has_axis, other_axis
from .tensors import Tensor, tensors_in
from .types import Array, Config, LayerOptions, Mask, Nest
from .untyped import ones


class _Merging(Layer):
    """Takes a list of inputs."""

    def build(self, shape: Nest, rngs: nnx.Rngs) -> None:
        is_list = is_sequence(shape) and not isinstance(shape, tuple)
        if not is_list or not shape or not all(isinstance(one, tuple) for one in shape):
            raise ValueError(f"{type(self).__name__} takes a list of inputs; got one of shape {shape}.")


class _Elementwise(_Merging):
    """Brings its inputs into one shape: one with fewer axes gets axes of size 1 behind the batch's, as in Keras."""

    def call(self, x: Sequence[Array]) -> Array:
        return self.merged(_aligned(x))

    def build_for(self, args: tuple[Nest, ...], kwargs: dict[str, Nest]) -> None:
        super().build_for(args, kwargs)
        inputs = args[0] if args else kwargs["x"]
        for array in inputs if tensors_in(inputs) else ():
            if not isinstance(array, Tensor) and array.shape[:1] != (1,):
                raise ValueError(
                    f"{type(self).__name__} takes an array of shape {array.shape} beside tensors as one of so many "
                    "samples: 1 as its first size would be for all of them."
                )

    def merged(self, x: Sequence[Array]) -> Array:
        """Return one array for inputs that have the same number of axes."""
        raise NotImplementedError

    def build(self, shape: Nest, rngs: nnx.Rngs) -> None:
        super().build(shape, rngs)
        axes = max(map(len, shape))
        for sizes in zip(*((*(1,) * (axes - len(one)), *one) for one in shape), strict=True):
            if len({size for size in sizes if size not in (1, None)}) > 1:
                raise ValueError(
                    f"{type(self).__name__} can't bring inputs of shapes {', '.join(map(str, shape))} into one: an "
                    "axis must have the same size in all of them, or 1. One with fewer axes lacks the first ones."
                )

    def output_mask(self, x: Sequence[Array], mask: Sequence[Mask]) -> Mask:
        """Return the steps that count in any of the inputs, if each says which of its own do."""
        masks = _aligned_masks(x, mask)
        return functools.reduce(jnp.logical_or, masks) if masks else None


class Add(_Elementwise):
    """Adds a list of inputs, which are broadcast as arrays are; one with fewer axes lacks those behind the batch's.

        >>> Add()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])]).tolist()
        [[11.0, 22.0]]

    Its only argument is `name`.

    Raises:
        ValueError: When built, if the shapes don't fit one another.
    """

    def merged(self, x: Sequence[Array]) -> Array:
        return functools.reduce(operator.add, x)


class Multiply(_Elementwise):
    """Multiplies a list of inputs, which are broadcast as in `Add`.

    A masked step of an input is a factor of 1; the product is 0 at steps that count in none of them.

        >>> Multiply()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])]).tolist()
        [[10.0, 40.0]]

    Its only argument is `name`.

    Raises:
        ValueError: When built, if the shapes don't fit one another.
    """

    def merged(self, x: Sequence[Array]) -> Array:
        return functools.reduce(operator.mul, x)

    def call_with_masks(self, x: Sequence[Array], mask: Sequence[Mask]) -> tuple[Array, Mask]:
        """Return the product and its mask."""
        factors = [a if m is None else jnp.where(_deepened(m, a.ndim), a, 1) for a, m in zip(x, mask, strict=True)]
        product, counts = self.call(factors), self.output_mask(x, mask)
        return product if counts is None else jnp.where(_deepened(counts, product.ndim), product, 0), counts


class Average(_Elementwise):
    """Takes the mean of a list of inputs, which are broadcast as in `Add`.

        >>> Average()([np.array([[1.0, 2.0]]), np.array([[3.0, 6.0]])]).tolist()
        [[2.0, 4.0]]

    Its only argument is `name`.

    Raises:
        ValueError: When built, if the shapes don't fit one another.
    """

    def merged(self, x: Sequence[Array]) -> Array:
        return functools.reduce(operator.add, x) / len(x)


class Subtract(_Elementwise):
    """Subtracts the second of two inputs from the first; they are broadcast as in `Add`.

        >>> Subtract()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])]).tolist()
        [[-9.0, -18.0]]

    Its only argument is `name`.

    Raises:
        ValueError: When built, if there aren't two inputs, or their shapes don't fit one another.
    """

    def build(self, shape: Nest, rngs: nnx.Rngs) -> None:
        super().build(shape, rngs)
        if len(shape) != 2:
            raise ValueError(f"Subtract takes two inputs; got {len(shape)}.")

    def merged(self, x: Sequence[Array]) -> Array:
        return x[0] - x[1]


class _Extreme(_Elementwise):
    """Takes one of the values, and none of a masked step, unless all are masked."""

    extreme: Callable[[Array, Array], Array]

    def merged(self, x: Sequence[Array]) -> Array:
        return functools.reduce(type(self).extreme, x)

    def call_with_masks(self, x: Sequence[Array], mask: Sequence[Mask]) -> tuple[Array, Mask]:
        """Return the values and their mask; where no input counts, the first one's value."""
        arrays, axes = _aligned(x), max(a.ndim for a in x)
        counts = [
            ones((), bool) if m is None else _deepened(_widened(m, axes - a.ndim), axes)
            for a, m in zip(x, mask, strict=True)
        ]
        value, seen = arrays[0], counts[0]
        for other, its in zip(arrays[1:], counts[1:], strict=True):
            other = jnp.where(its, other, value)
            value, seen = self.merged([jnp.where(seen, value, other), other]), seen | its
        return value, self.output_mask(x, mask)


class Maximum(_Extreme):
    """Takes the largest of the inputs' values, place by place; the inputs are broadcast as in `Add`.

    A masked step of an input is left out, unless all inputs are masked there.

        >>> Maximum()([np.array([[1.0, 5.0]]), np.array([[3.0, 2.0]])]).tolist()
        [[3.0, 5.0]]

    Its only argument is `name`.

    Raises:
        ValueError: When built, if the shapes don't fit one another.
    """

    extreme = staticmethod(jnp.maximum)


class Minimum(_Extreme):
    """Takes the smallest of the inputs' values, place by place; the inputs are broadcast as in `Add`.

    A masked step of an input is left out, unless all inputs are masked there.

        >>> Minimum()([np.array([[1.0, 5.0]]), np.array([[3.0, 2.0]])]).tolist()
        [[1.0, 2.0]]

    Its only argument is `name`.

    Raises:
        ValueError: When built, if the shapes don't fit one another.
    """

    extreme = staticmethod(jnp.minimum)


class Concatenate(_Merging):
    """Puts a list of inputs one after the other along an axis.

        >>> Concatenate()([np.ones((2, 3)), np.ones((2, 4))]).shape
        (2, 7)

    Args:
        axis: With the batch axis as 0; the other axes must agree.
        **kwargs: `name`.

    Raises:
        ValueError: If the axis is the batch's or, when built, the inputs don't have it.
    """

    def __init__(self, axis: int = -1, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.axis = other_axis(axis)

    def build(self, shape: Nest, rngs: nnx.Rngs) -> None:
        super().build(shape, rngs)
        whole = (None, *shape[0])
        if not has_axis(whole, self.axis) or self.axis % len(whole) == 0:
            raise ValueError(
                f"Concatenate has axis={self.axis}, which is none of those behind the batch's; got inputs of shape "
                f"{whole}."
            )

    def call(self, x: Sequence[Array]) -> Array:
        return jnp.concatenate(list(x), self.axis)

    def output_mask(self, x: Sequence[Array], mask: Sequence[Mask]) -> Mask:
        """Return the inputs' masks one after the other, or in features side by side the steps that count in any."""
        if all(m is None for m in mask):
            return None
        full = [
            ones(a.shape, bool) if m is None else jnp.broadcast_to(_deepened(m, a.ndim), a.shape)
            for a, m in zip(x, mask, strict=True)
        ]
        return jnp.concatenate(full, self.axis).any(axis=-1)

    def get_config(self) -> Config:
        return super().get_config() | {"axis": self.axis}


def _aligned(x: Sequence[Array]) -> list[Array]:
    axes = max(a.ndim for a in x)
    return [_widened(a, axes - a.ndim) for a in x]


def _aligned_masks(x: Sequence[Array], mask: Sequence[Mask]) -> list[Array]:
    """Return the masks with the axes that `_aligned` gives to the inputs; none if an input has none."""
    masks = [m for m in mask if m is not None]
    if len(masks) < len(x):
        return []
    axes = max(a.ndim for a in x)
    wide = [_widened(m, axes - a.ndim) for a, m in zip(x, masks, strict=True)]
    return [_deepened(m, max(one.ndim for one in wide)) for m in wide]


def _widened(array: Array, axes: int) -> Array:
    """Return an array with more axes, of size 1, behind the batch's."""
    return array.reshape(*array.shape[:1], *(1,) * axes, *array.shape[1:])


def _deepened(mask: Array, axes: int) -> Array:
    """Return a mask with axes of size 1 at its end."""
    return mask.astype(bool).reshape(*mask.shape, *(1,) * (axes - mask.ndim))


def add(inputs: Sequence[Nest], **kwargs: Unpack[LayerOptions]) -> Nest:
    """Return `Add(**kwargs)(inputs)`."""
    return Add(**kwargs)(inputs)


def multiply(inputs: Sequence[Nest], **kwargs: Unpack[LayerOptions]) -> Nest:
    """Return `Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)


def subtract(inputs: Sequence[Nest], **kwargs: Unpack[LayerOptions]) -> Nest:
    """Return `Subtract(**kwargs)(inputs)`."""
    return Subtract(**kwargs)(inputs)


def maximum(inputs: Sequence[Nest], **kwargs: Unpack[LayerOptions]) -> Nest:
    """Return `Maximum(**kwargs)(inputs)`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Nest], **kwargs: Unpack[LayerOptions]) -> Nest:
    """Return `Minimum(**kwargs)(inputs)`."""
    return Minimum(**kwargs)(inputs)


def average(inputs: Sequence[Nest], **kwargs: Unpack[LayerOptions]) -> Nest:
    """Return `Average(**kwargs)(inputs)`."""
    return Average(**kwargs)(inputs)


def concatenate(inputs: Sequence[Nest], axis: int = -1, **kwargs: Unpack[LayerOptions]) -> Nest:
    """Return `Concatenate(axis, **kwargs)(inputs)`."""
    return Concatenate(axis, **kwargs)(inputs)
