"""The data of fit, evaluate and predict, checked and made `Data`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import numpy as np

from . import advice
from .array_data import ArrayData
from .nests import Batch, Nest, as_nest, is_array, is_nest, leaves, map_arrays, named_leaves
from .stream_data import StreamData
from .wide import narrowed

Arrange: TypeAlias = Callable[[Nest, Nest, Nest], Batch]
"""`arrange(x, y, sample_weight)` returns them in the order in which a model takes them, or raises if it can't."""


def is_arrays(x: object) -> bool:
    """Return whether `x` is samples in arrays, and not an iterable of batches."""
    if isinstance(x, (list, tuple)):
        return not (x and all(isinstance(item, tuple) or is_nest(item) for item in cast("list[object]", x)))
    return isinstance(x, Mapping) or is_array(x) or hasattr(x, "__array_interface__")


def arrays(x: object, y: object = None, sample_weight: object = None) -> Batch:
    """Return `(x, y, sample_weight)` as NumPy arrays or nests of them; weights become float32.

    Raises:
        ValueError: If anything isn't numeric, is empty, or has another length.
    """
    inputs, targets = as_nest(x, "x"), as_nest(y, "y")
    weights: Nest = map_arrays(_as_weights, as_nest(sample_weight, "sample_weight"))
    _check_lengths(inputs, targets, weights)
    return inputs, targets, weights


def _as_weights(array: np.ndarray) -> np.ndarray:
    return narrowed(array, "floats", "sample_weight").astype(np.float32, copy=False)


def _check_lengths(x: Nest, y: Nest, weight: Nest) -> None:
    named = [*named_leaves(x, "x"), *named_leaves(y, "y"), *named_leaves(weight, "sample_weight")]
    if not named or not len(named[0][1]):
        raise ValueError("there are no samples: x is empty.")
    first, samples = named[0][0], len(named[0][1])
    for what, array in named:
        if len(array) != samples:
            raise ValueError(
                f"{first} and {what} must have one length; {first} has {samples} samples, {what} has {len(array)}."
                + (" A list of arrays is several inputs; np.stack makes one of it." if isinstance(x, tuple) else "")
            )


def from_arrays(
    x: Nest,
    y: Nest,
    sample_weight: Nest,
    *,
    fits: Callable[[Batch], bool],
    **options: Any,
) -> ArrayData:
    """Return the data of arrays that a model takes.

    Args:
        x: The inputs.
        y: The targets.
        sample_weight: One weight a sample or step.
        fits: Returns whether an engine can hold all of them.
        options: The other arguments of `ArrayData`.
    """
    return ArrayData(x, y, sample_weight, resident=fits((x, y, sample_weight)), **options)


def from_batches(
    source: object,
    steps: int | None,
    *,
    arrange: Arrange,
    steps_name: str = "steps_per_epoch",
    **options: Any,
) -> StreamData:
    """Return the data of an iterable of batches: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)` each.

    Each part is an array of any framework that NumPy can read, or a nest of arrays; a dict is `x`.

    Args:
        source: An iterable, an iterator, or batches by index; see `Source`.
        steps: Batches an epoch; None means until the source ends.
        arrange: Brings the arrays into the order in which a model takes them.
        steps_name: What errors call `steps`.
        options: The other arguments of `StreamData`.

    Raises:
        ValueError: If it is text or a sparse matrix.
    """
    if isinstance(source, (str, bytes)) or hasattr(source, "toarray"):
        raise ValueError(advice.not_an_array(source, np.asarray(source), "x"))

    def prepare(batch: object) -> Batch:
        parts = tuple(cast("tuple[object, ...]", batch)) if isinstance(batch, (tuple, list)) else (batch,)
        if not 1 <= len(parts) <= 3:
            raise ValueError(f"a batch is x, (x, y) or (x, y, sample_weight); got {len(parts)} parts.")
        return arrange(*arrays(*parts))

    return StreamData(source, steps, prepare, steps_name, **options)


def split(x: Nest, y: Nest, weight: Nest, share: float) -> tuple[Batch, Batch]:
    """Return the first samples, to train on, and the last `share` of them, to validate on, before any shuffling.

    Both are views of the arrays.

    Args:
        x: The inputs.
        y: The targets.
        weight: One weight a sample or step.
        share: More than 0, less than 1.

    Raises:
        ValueError: If one of the parts would be empty.
    """
    samples = len(leaves(x)[0])
    at = int(samples * (1 - share))
    if not 0 < share < 1 or at in (0, samples):
        raise ValueError(f"validation_split={share!r} of {samples} samples leaves nothing to train or to validate on.")

    def part(samples: slice) -> Batch:
        return map_arrays(lambda array: array[samples], (x, y, weight))

    return part(slice(at)), part(slice(at, None))
