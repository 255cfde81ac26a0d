"""What a user passes to fit, evaluate and predict, checked and made `Data`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import numpy as np

from . import advice
from .array_data import ArrayData
from .chunks import as_nest, is_array, is_nest, leaves, map_arrays, named_leaves
from .stream_data import StreamData
from .wide import narrowed

Arrange = Callable[[Any, Any, Any], tuple[Any, Any, Any]]
"""`arrange(x, y, sample_weight)` returns them in the order in which a model takes them, or raises if it can't."""


def is_arrays(x: Any) -> bool:
    """Say whether `x` is samples in arrays, and not an iterable of batches."""
    if isinstance(x, (list, tuple)):
        return not (x and all(isinstance(item, tuple) or is_nest(item) for item in cast("Any", x)))
    return isinstance(x, Mapping) or is_array(x) or hasattr(x, "__array_interface__")


def arrays(x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, Any, Any]:
    """Return `(x, y, sample_weight)` as NumPy arrays or nests of them.

    Raises:
        ValueError: If anything isn't numeric, is empty, or has another length.
    """
    given = {"x": x, "y": y, "sample_weight": sample_weight}
    x, y, weight = (as_nest(value, what) for what, value in given.items())
    weight = map_arrays(_as_weights, weight)
    _check_lengths(x, y, weight)
    return x, y, weight


def _as_weights(array: np.ndarray) -> np.ndarray:
    return narrowed(array, "floats", "sample_weight").astype(np.float32, copy=False)


def _check_lengths(x: Any, y: Any, weight: Any) -> None:
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
    x: Any,
    y: Any,
    sample_weight: Any,
    *,
    fits: Callable[[Any], bool],
    **options: Any,
) -> ArrayData:
    """Return data of arrays that a model takes; `options` are those of `ArrayData`."""
    return ArrayData(x, y, sample_weight, resident=fits((x, y, sample_weight)), **options)


def from_batches(
    source: Iterable[Any],
    steps: int | None,
    *,
    arrange: Arrange,
    steps_name: str = "steps_per_epoch",
    **options: Any,
) -> StreamData:
    """Return data of an iterable of batches: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)` each.

    Each part is an array of any framework that NumPy can read, or a nest of arrays; a dict is `x`. `options` are those
    of `StreamData`.
    """
    if isinstance(source, (str, bytes)) or hasattr(source, "toarray"):
        raise ValueError(advice.not_an_array(source, np.asarray(source), "x"))

    def prepare(batch: Any) -> tuple[Any, Any, Any]:
        parts: tuple[Any, ...] = tuple(cast("Any", batch)) if isinstance(batch, (tuple, list)) else (batch,)
        if not 1 <= len(parts) <= 3:
            raise ValueError(f"a batch is x, (x, y) or (x, y, sample_weight); got {len(parts)} parts.")
        return arrange(*arrays(*parts))

    return StreamData(source, steps, prepare, steps_name, **options)


def split(x: Any, y: Any, weight: Any, share: float) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Return the first part for training and the last `share` for validation; views, before any shuffling.

    Raises:
        ValueError: If one of the parts would be empty.
    """
    samples = len(leaves(x)[0])
    at = int(samples * (1 - share))
    if not 0 < share < 1 or at in (0, samples):
        raise ValueError(f"validation_split={share!r} of {samples} samples leaves nothing to train or to validate on.")
    first, last = (map_arrays(lambda a, part=part: a[part], (x, y, weight)) for part in (slice(at), slice(at, None)))
    return first, last
