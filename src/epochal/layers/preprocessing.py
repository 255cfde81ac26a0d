"""Inputs brought to a scale at which training works well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias, Unpack

import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..messages.numeric import is_whole, whole
from .base import Layer
from .nests import is_sequence
from .settings import has_axis, known
from .types import Array, Config, LayerOptions, NamedWeights, Nest, NumpyArray, Shape
from .untyped import asarray

Numbers: TypeAlias = float | Sequence[Any] | NumpyArray | Array
"""A number, or an array of numbers, or lists of them."""

LEAST = 1e-7
"""The least standard deviation that is divided by."""

ROWS = 10_000
"""How many samples of an array are looked at at once."""


class Rescaling(Layer):
    """Computes `x × scale + offset`; integers become floats. Arrays of any shape keep it.

        >>> Rescaling(1 / 127.5, offset=-1)(np.array([[0, 255]], np.uint8)).tolist()
        [[-1.0, 1.0]]

    Args:
        scale: A number, or an array that is broadcast to the inputs, such as one number for each channel.
        offset: The same.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If an argument has no numbers.
    """

    keeps_mask = True

    def __init__(self, scale: Numbers, offset: Numbers = 0.0, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = _plain("scale", scale), _plain("offset", offset)

    def call(self, x: Array) -> Array:
        x = _floats(x)
        return x * asarray(self.scale, x.dtype) + asarray(self.offset, x.dtype)

    def get_config(self) -> Config:
        return super().get_config() | {"scale": self.scale, "offset": self.offset}


class Normalization(Layer):
    """Brings features to mean 0 and variance 1, by moments that it is given or that `adapt` takes from data.

    Arrays of any shape keep it. Training doesn't change the moments. Before `adapt` they are 0 and 1.

        >>> layer = Normalization()
        >>> layer.adapt(np.array([[1.0, 10.0], [3.0, 30.0]]))
        >>> layer(np.array([[3.0, 20.0]])).tolist()
        [[1.0, 0.0]]

    Args:
        axis: The axis, or axes, with the batch axis as 0, where each index has moments of its own; None has one mean
            and one variance for all.
        mean: The mean, a number or an array over these axes; None leaves it to `adapt`.
        variance: The variance, as `mean`.
        invert: Whether to bring values of mean 0 and variance 1 back to these moments instead.
        **kwargs: `name`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If an axis is the batch's, only one of the moments is given or, when built, inputs don't have the
            axes, their sizes aren't known, or the given moments don't fit them.
    """

    keeps_mask = True

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Numbers | None = None,
        variance: Numbers | None = None,
        invert: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        listed: Sequence[Nest] = () if axis is None else axis if is_sequence(axis) else (axis,)
        if not all(is_whole(one) and one != 0 for one in listed):
            raise ValueError(f"axis is None or whole numbers other than 0, which is the batch's; got {axis!r}.")
        if (mean is None) != (variance is None):
            raise ValueError(f"give both mean and variance, or none of them; got {mean!r} and {variance!r}.")
        self.axis = tuple(whole("axis", one) for one in listed)
        self.input_mean = None if mean is None else _plain("mean", mean)
        self.input_variance = None if variance is None else _plain("variance", variance)
        self.invert = invert

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        inputs = (None, *shape)
        for axis in self.axis:
            if not has_axis(inputs, axis) or axis % len(inputs) == 0:
                raise ValueError(
                    f"Normalization has axis={axis}, which is none of those behind the batch's; got inputs of shape "
                    f"{inputs}. With axis=None all values have the same mean."
                )
        self.kept_axes = tuple(sorted({axis % len(inputs) for axis in self.axis}))
        sizes = tuple(known(self, inputs, axis) for axis in self.kept_axes)
        own = dict(zip(self.kept_axes, sizes, strict=True))
        self.moments_shape = tuple(own.get(axis, 1) for axis in range(len(inputs)))
        if self.input_mean is None:
            self.adapted_mean = self.add_weight(sizes, "zeros", trainable=False)
            self.adapted_variance = self.add_weight(sizes, "ones", trainable=False)
            self.count = self.add_weight((), "zeros", "int32", trainable=False)  # in Keras's files, where it stays 0
        else:
            _check_fits("mean", self.input_mean, sizes)
            _check_fits("variance", self.input_variance, sizes)

    def adapt(self, data: Any) -> None:
        """Take mean and variance from data, instead of any that it had.

        A model that has the layer uses them from the next batch on.

        Args:
            data: An array of samples, or an iterable of batches: arrays, or tuples whose first item is one.

        Raises:
            ValueError: If the moments were given to the constructor, there are no data, or a batch has another shape.
        """
        if self.input_mean is not None:
            raise ValueError("this Normalization was given mean and variance, so there is nothing to adapt.")
        count, mean, squares = 0, np.zeros(()), np.zeros(())
        for batch in _batches(data):
            if not self.built:
                self.build_for((batch,), {})
            self._check_shape(batch.shape)
            others = tuple(axis for axis in range(batch.ndim) if axis not in self.kept_axes)
            more = int(np.prod([batch.shape[axis] for axis in others]))
            if more == 0:
                continue
            apart = batch.mean(axis=others) - mean
            squares = squares + batch.var(axis=others) * more + apart**2 * (count * more / (count + more))
            mean, count = mean + apart * (more / (count + more)), count + more
        if count == 0:
            raise ValueError("adapt got no data.")
        self.adapted_mean.assign(mean)
        self.adapted_variance.assign(squares / count)

    @property
    def mean(self) -> Array | None:
        """The mean, with axes of size 1 where all values have the same one; None before the layer is built."""
        return self._moment(self.input_mean, "adapted_mean")

    @property
    def variance(self) -> Array | None:
        """The variance, as `mean`."""
        return self._moment(self.input_variance, "adapted_variance")

    def _moment(self, given: Nest, attribute: str) -> Array | None:
        if not self.built:
            return None
        if given is None:
            return getattr(self, attribute).value.reshape(self.moments_shape)
        sizes = tuple(self.moments_shape[axis] for axis in self.kept_axes)
        return jnp.broadcast_to(asarray(given, jnp.float32), sizes).reshape(self.moments_shape)

    def call(self, x: Array) -> Array:
        x = _floats(x)
        self._check_shape(x.shape)
        mean, variance = (asarray(moment, x.dtype) for moment in (self.mean, self.variance))
        deviation = jnp.maximum(jnp.sqrt(variance), LEAST)
        return mean + x * deviation if self.invert else (x - mean) / deviation

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        wanted = self.moments_shape
        if len(shape) != len(wanted) or any(shape[axis] != wanted[axis] for axis in self.kept_axes):
            sizes = ", ".join(f"{wanted[axis]} along axis {axis}" for axis in self.kept_axes)
            raise ValueError(
                f"this Normalization was built for {len(wanted)} axes{f' with {sizes}' if sizes else ''}; got inputs "
                f"of shape {shape}."
            )

    def named_weights(self) -> NamedWeights:
        if self.input_mean is not None:
            return []
        return [("mean", self.adapted_mean), ("variance", self.adapted_variance), ("count", self.count)]

    def get_config(self) -> Config:
        moments = {"mean": self.input_mean, "variance": self.input_variance}
        return super().get_config() | {"axis": self.axis, "invert": self.invert} | moments


def _floats(x: Array) -> Array:
    x = asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)


def _plain(argument: str, value: Numbers) -> Nest:
    """Return numbers as Python's, in lists."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{argument} is a number or an array of numbers; got {value!r}.")
    return array.astype(float).tolist()


def _check_fits(argument: str, value: Nest, sizes: tuple[int, ...]) -> None:
    try:
        np.broadcast_to(np.asarray(value), sizes)
    except ValueError:
        raise ValueError(
            f"{argument} of shape {np.shape(value)} doesn't fit the axes that it is for, of shape {sizes}."
        ) from None


def _batches(data: Any) -> Iterator[NumpyArray]:
    """Yield the batches of data as arrays of wide floats."""
    if hasattr(data, "shape"):
        yield from (np.asarray(data[at : at + ROWS], np.float64) for at in range(0, len(data), ROWS))
        return
    listed: Iterable[Any] = data if hasattr(data, "__iter__") else (data[at] for at in range(len(data)))
    for batch in listed:
        yield np.asarray(batch[0] if isinstance(batch, tuple) else batch, np.float64)
