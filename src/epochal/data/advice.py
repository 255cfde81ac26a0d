"""Advice on data that can't be used: where there is one, a line of code that makes them right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

Shape = Sequence[int | None]


def not_an_array(value: Any, array: np.ndarray, what: str) -> str:
    """Return the message about a value of which NumPy made an array that holds no numbers.

    Args:
        value: The value that was given.
        array: The array that NumPy made of it.
        what: Its name, such as "x".
    """
    if array.ndim == 0:
        return _single(value, array, what)
    if hasattr(value, "columns") and array.ndim == 2:
        return _of_columns(value, array, what)
    name = what if hasattr(value, "astype") else f"np.asarray({what})"
    return f"{what} must hold numbers; got {_kind(array)}. {_conversion(array, name, what)}"


def ragged(value: Any, what: str) -> str:
    """Return advice on rows of different lengths; "" if a value has none."""
    rows: Sequence[Any] = cast("Any", value) if isinstance(value, (list, tuple)) else []
    lengths = [len(row) for row in rows if hasattr(row, "__len__")]
    if len(set(lengths)) < 2:
        return ""
    short, long = min(lengths), max(lengths)
    padded = f"{what} = np.array([[*row, *[0] * ({long} - len(row))] for row in {what}])"
    return (
        f" Its rows have from {short} to {long} items: pad them to one length, {padded}, "
        "and let Masking() or Embedding(…, mask_zero=True) leave the zeros out."
    )


def masked(what: str) -> str:
    """Return the message about a masked array, whose mask NumPy forgets."""
    return (
        f"{what} is a masked array, whose masked values would count like all others: "
        f"fill them, {what}.filled(0), or leave these samples out."
    )


def reshaping(shape: Shape, wanted: Shape, what: str) -> str:
    """Return the code that makes an array of one shape fit another, where None is any size; "" if there is none."""
    for code, made, why in _reshapings(tuple(cast("Sequence[int]", shape)), wanted, what):
        fits = len(made) == len(wanted) and all(b in (None, a) for a, b in zip(made, wanted, strict=True))
        if fits:
            return f" {why}: {code}."
    return ""


def _reshapings(shape: tuple[int, ...], wanted: Shape, what: str) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Yield code that changes a shape, the shape that it makes, and the reason to use it."""
    yield f"{what}[None]", (1, *shape), "A single sample needs the axis of samples"
    yield f"{what}[..., None]", (*shape, 1), "A last axis of one value, such as a channel, is missing"
    yield f"{what}[None, ..., None]", (1, *shape, 1), "A single sample needs the axis of samples, and a last axis"
    for axis in range(len(shape) - 1, 0, -1):
        if shape[axis] == 1:
            without = (*shape[:axis], *shape[axis + 1 :])
            yield f"{what}.squeeze({axis})", without, "It has an axis of one value too many"
    if len(shape) > 2:
        yield f"np.moveaxis({what}, 1, -1)", (shape[0], *shape[2:], shape[1]), "Channels come last"
    if len(shape) == 2:
        yield f"{what}.T", shape[::-1], "Samples come first"
    sizes = wanted[1:]
    if shape and None not in sizes and math.prod(shape[1:]) == math.prod(cast("Sequence[int]", sizes)):
        sizes = cast("tuple[int, ...]", tuple(sizes))
        yield f"{what}.reshape(-1, {', '.join(map(str, sizes))})", (shape[0], *sizes), "It has as many values a sample"


def _single(value: Any, array: np.ndarray, what: str) -> str:
    """Return the message about a value that NumPy took for one object."""
    kind = type(value).__name__
    if hasattr(value, "toarray"):
        return f"{what} is a sparse matrix ({kind}): make it an array, {what}.toarray()."
    if isinstance(value, (str, bytes)):
        return f"{what} is the text {value!r}: read the file and pass its numbers, as with np.loadtxt or np.load."
    if isinstance(value, (set, frozenset)):
        return f"{what} is a set, which has no order: pass a list or an array."
    if hasattr(value, "__next__"):
        return f"{what} is an iterator ({kind}): let it give batches, each (x, y), and pass it as x, without y."
    return f"{what} must be an array of samples; got one {kind}: {str(value)[:60]}."


def _kind(array: np.ndarray) -> str:
    kinds = {"U": "text", "S": "bytes", "M": "dates", "m": "time differences", "V": "records", "T": "text"}
    return f"dtype {array.dtype}" + (f" ({kinds[array.dtype.kind]})" if array.dtype.kind in kinds else "")


def _conversion(array: np.ndarray, name: str, what: str) -> str:
    """Return the code that makes numbers of an array; `name` is code for the array, `what` for the given value."""
    kind = array.dtype.kind
    if kind == "M":
        return f"Count the time from a moment on: ({name} - {name}.min()) / np.timedelta64(1, 'D')."
    if kind == "m":
        return f"Count it in a unit: {name} / np.timedelta64(1, 's')."
    if kind == "V":
        return f"Make a column of each field: np.stack([{name}[field] for field in {name}.dtype.names], axis=-1)."
    if kind == "O":
        return _of_objects(array, what)
    return _of_text(array, what)


def _of_text(array: np.ndarray, what: str) -> str:
    if _converts(array):
        return f"Convert it: np.asarray({what}, 'float32')."
    if array.ndim == 1:
        return f"Number its values: names, {what} = np.unique({what}, return_inverse=True)."
    return f"Number its values: np.unique({what}, return_inverse=True)[1].reshape({array.shape})."


def _of_objects(array: np.ndarray, what: str) -> str:
    items = array.reshape(-1)
    shapes = {np.shape(item) for item in items if hasattr(item, "__len__") and not isinstance(item, (str, bytes))}
    if len(shapes) == 1 and all(hasattr(item, "__len__") for item in items):
        return f"It holds arrays of one shape: np.stack({what})."
    if len(shapes) > 1:
        some = " and ".join(map(str, sorted(shapes)[:2]))
        return f"It holds arrays of different shapes, such as {some}: pad them to one, then np.stack({what})."
    if any(isinstance(item, (str, bytes)) for item in items) and not _converts(array):
        reshaped = "" if array.ndim == 1 else f".reshape({array.shape})"
        return f"Number its values: np.unique(np.asarray({what}, str), return_inverse=True)[1]{reshaped}."
    missing = sum(item is None for item in items)
    if missing:
        return f"{missing} of its values are None: fill them, or leave these samples out."
    if _converts(array):
        return f"Convert it: np.asarray({what}, 'float32')."
    if all(hasattr(item, "timestamp") for item in items):
        return f"Count the seconds: np.array([moment.timestamp() for moment in {what}])."
    odd = next((item for item in items if not _converts(np.array([item], object))), None)
    return f"It holds {odd!r} ({type(odd).__name__}), of which no number can be made."


def _converts(array: np.ndarray) -> bool:
    try:
        array.astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _of_columns(table: Any, array: np.ndarray, what: str) -> str:
    """Return the message about a table whose columns don't all hold numbers."""
    kinds = [getattr(dtype, "kind", "O") for dtype in table.dtypes]
    odd = [at for at, kind in enumerate(kinds) if kind not in "biuf" or not _converts(array[:, at])]
    if not odd:
        return f"{what} must hold numbers; its columns are of several kinds. Convert it: {what}.astype('float32')."
    named = ", ".join(str(table.columns[at]) for at in odd[:5]) + (", …" if len(odd) > 5 else "")
    if all(kinds[at] in "biuf" for at in odd):
        return (
            f"{what} has missing values in {named}: fill them, {what}.fillna(0).astype('float32'), or drop these rows."
        )
    return (
        f"{what} must hold numbers; its columns {named} hold something else. Leave them out, "
        f"{what}.select_dtypes('number'), or number them, pandas.get_dummies({what}, dtype='float32')."
    )
