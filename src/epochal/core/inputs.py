"""What a user passes to fit, evaluate and predict, checked and made `Data`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import numpy as np

from .array_data import ArrayData
from .chunks import as_array
from .stream_data import StreamData

Check = Callable[[Any, Any], None]
"""`check(x, y)` raises if a model can't take these arrays."""


def is_arrays(x: Any) -> bool:
    """Say whether `x` is samples in an array, and not an iterable of batches."""
    if isinstance(x, (list, tuple)):
        return not (x and isinstance(x[0], tuple))
    return hasattr(x, "__array__") or hasattr(x, "__array_interface__")


def arrays(
    x: Any, y: Any = None, sample_weight: Any = None, class_weight: Mapping[int, float] | None = None
) -> tuple[Any, Any, Any]:
    """Return `(x, y, sample_weight)` as NumPy arrays, class weights multiplied in.

    Raises:
        ValueError: If anything isn't numeric, is empty, or has another length.
    """
    x = as_array(x, "x")
    if not len(x):
        raise ValueError("there are no samples: x is empty.")
    y = None if y is None else as_array(y, "y")
    weight = None if sample_weight is None else as_array(sample_weight, "sample_weight").astype(np.float32, copy=False)
    for what, array in (("y", y), ("sample_weight", weight)):
        if array is not None and len(array) != len(x):
            raise ValueError(f"x and {what} must have one length; x has {len(x)} samples, {what} has {len(array)}.")
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"sample_weight is one number a sample; got an array of shape {weight.shape}.")
    if class_weight is not None:
        by_class = _weights_by_class(y, class_weight)
        weight = by_class if weight is None else weight * by_class
    return x, y, weight


def _weights_by_class(y: Any, class_weight: Mapping[Any, float]) -> np.ndarray:
    if y is None:
        raise ValueError("class_weight needs y.")
    for label in class_weight:
        if not isinstance(label, (int, np.integer)):
            raise ValueError(f"class_weight gives a weight for each class's number; got the class {label!r}.")
    labels = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(len(y))
    weights = np.ones(len(y), np.float32)
    for label, weight in class_weight.items():
        weights[labels == label] = weight
    return weights


def from_arrays(
    x: Any,
    y: Any,
    sample_weight: Any,
    *,
    check: Check,
    fits: Callable[[Any], bool],
    **options: Any,
) -> ArrayData:
    """Return data of arrays that were checked; `options` are those of `ArrayData`."""
    check(x, y)
    return ArrayData(x, y, sample_weight, resident=fits((x, y, sample_weight)), **options)


def from_batches(
    source: Iterable[Any], steps: int | None, *, check: Check, class_weight: Mapping[int, float] | None = None
) -> StreamData:
    """Return data of an iterable of batches: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)` each."""

    def prepare(batch: Any) -> tuple[Any, Any, Any]:
        parts: tuple[Any, ...] = tuple(cast("Any", batch)) if isinstance(batch, (tuple, list)) else (batch,)
        if not 1 <= len(parts) <= 3:
            raise ValueError(f"a batch is x, (x, y) or (x, y, sample_weight); got {len(parts)} parts.")
        prepared = arrays(*parts, class_weight=class_weight)
        check(prepared[0], prepared[1])
        return prepared

    return StreamData(source, steps, prepare)


def split(x: Any, y: Any, weight: Any, share: float) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Return the first part for training and the last `share` for validation; views, before any shuffling.

    Raises:
        ValueError: If one of the parts would be empty.
    """
    at = int(len(x) * (1 - share))
    if not 0 < share < 1 or at in (0, len(x)):
        raise ValueError(f"validation_split={share!r} of {len(x)} samples leaves nothing to train or to validate on.")
    parts = [(None, None) if a is None else (a[:at], a[at:]) for a in (x, y, weight)]
    return tuple(first for first, _ in parts), tuple(last for _, last in parts)  # pyright: ignore[reportReturnType]
