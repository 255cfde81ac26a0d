"""Nests of arrays: what one input or target may be, and a user may pass for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from . import advice

Nest: TypeAlias = "np.ndarray | Mapping[str, Nest] | tuple[Nest, ...] | None"
"""An array, or arrays by name or place, which may be nested; None where there is nothing."""

Batch: TypeAlias = tuple[Nest, Nest, Nest]
"""`(x, y, sample_weight)`, the samples on the first axis of each array."""


def map_arrays(function: Callable[[Any], Any], nest: Any) -> Any:
    """Return the results of `function` for every array, of any framework, in a nest of the same form; None stays None.

    Lists become tuples.
    """
    if nest is None or hasattr(nest, "dtype"):  # asked first: this is done for every batch
        return None if nest is None else function(nest)
    if isinstance(nest, Mapping):
        return {name: map_arrays(function, value) for name, value in cast("Mapping[str, object]", nest).items()}
    if isinstance(nest, (list, tuple)):
        return tuple([map_arrays(function, value) for value in cast("Sequence[object]", nest)])
    return function(nest)


def leaves(nest: object) -> list[np.ndarray]:
    """Return the arrays in a nest, in order."""
    found: list[np.ndarray] = []
    map_arrays(found.append, nest)
    return found


def named_leaves(nest: Nest, name: str) -> list[tuple[str, np.ndarray]]:
    """Return the arrays in a nest, each with its name: `x`, `x['left']`, `x[0]`."""
    if nest is None:
        return []
    if isinstance(nest, (Mapping, tuple)):
        items = nest.items() if isinstance(nest, Mapping) else enumerate(nest)
        return [leaf for key, value in items for leaf in named_leaves(value, f"{name}[{key!r}]")]
    return [(name, nest)]


def as_nest(value: object, what: str) -> Nest:
    """Return a nest of NumPy arrays of numbers, without copies where there are none needed; None stays None.

    A dict is a nest, and so is a list or tuple whose items are arrays, as with several inputs; a list of numbers
    or of rows of numbers is one array. Lists become tuples, and dicts are sorted.

    Args:
        value: Is given by a user.
        what: Its name in errors, such as "x".

    Raises:
        ValueError: If one isn't an array of numbers; it is named.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {name: as_nest(item, f"{what}[{name!r}]") for name, item in sorted(items, key=lambda pair: str(pair[0]))}
    if is_nest(value):
        return tuple(as_nest(item, f"{what}[{at}]") for at, item in enumerate(cast("Sequence[object]", value)))
    return as_array(value, what)


def is_nest(value: object) -> bool:
    """Return whether this is several arrays, or several nests."""
    if not isinstance(value, (list, tuple)):
        return isinstance(value, Mapping)
    items = [item for item in cast("Sequence[object]", value) if item is not None]
    return bool(items) and all(is_array(item) or is_nest(item) for item in items)


def is_array(value: object) -> bool:
    """Return whether this is an array of any framework, with at least one axis."""
    return (hasattr(value, "__array__") or hasattr(value, "__dlpack__")) and getattr(value, "ndim", 1) > 0


def as_array(value: object, what: str) -> np.ndarray:
    """Return a NumPy array of numbers, without a copy where there is none needed; a file in memory stays one.

    Numbers are of this machine's byte order and at most 64 bits wide, but for those of a file in memory, which are
    converted when they are read.

    Raises:
        ValueError: If it isn't numeric (strings, objects, rows of different lengths), or has no rows.
    """
    try:
        array = _to_numpy(value)
    except (ValueError, TypeError, RuntimeError) as error:  # what PyTorch raises for tensors that NumPy can't have
        raise ValueError(
            f"{what} can't be made an array: {str(error).rstrip('.')}.{advice.ragged(value, what)}"
        ) from None
    if array.dtype.kind not in "biufc" and array.dtype.name not in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        raise ValueError(advice.not_an_array(value, array, what))
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(cast("np.ndarray", value)):
        raise ValueError(advice.masked(what))
    if array.ndim == 0:
        raise ValueError(f"{what} must be an array of samples; got the single value {array!r}.")
    return array if isinstance(array, np.memmap) else array.astype(native_dtype(array.dtype), copy=False)


def _to_numpy(value: object) -> np.ndarray:
    if isinstance(value, np.memmap):
        return cast("np.ndarray", value)
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(cast("np.ndarray", value))
    return np.asarray(value)


def native_dtype(dtype: np.dtype) -> np.dtype:
    """Return the nearest dtype of this machine's byte order that is no wider than 64 bits a number."""
    wide = {np.dtype(np.longdouble): np.dtype(np.float64), np.dtype(np.clongdouble): np.dtype(np.complex128)}
    native = dtype.newbyteorder("=")
    return wide.get(native, native)
