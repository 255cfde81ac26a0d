"""Numbers wider than the 32 bits that devices compute in: they keep their value, or are refused."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

Taken: TypeAlias = Literal["floats", "ids", "any"]
"""What the numbers become: floats, signed integers of 32 bits that number something, or whatever comes."""

LARGEST = float(np.finfo(np.float32).max)
"""The largest number that float32 has."""

_SAFE = frozenset(map(np.dtype, ("float32", "float16", "int32", "int16", "int8", "uint16", "uint8", "bool")))


def narrowed(array: np.ndarray, taken: Taken, what: str) -> np.ndarray:
    """Return an array whose numbers keep their value in 32 bits: mostly itself, else its numbers as float32.

    A file in memory is returned as it is: it is looked at when it is read.

    Args:
        array: Numbers of any dtype.
        taken: What the numbers become.
        what: The array's name in errors, such as "x".

    Raises:
        ValueError: If there are numbers that don't keep their value.
    """
    dtype = array.dtype
    if (dtype in _SAFE and (taken != "ids" or dtype.kind != "f")) or isinstance(array, np.memmap) or not array.size:
        return array
    if dtype.kind in "iu":
        return array if has_32_bits(array, signed=taken == "ids") else _integers(array, taken, what)
    if dtype.kind == "c" and taken != "any":
        raise ValueError(f"{what} must hold real numbers; got dtype {dtype}: take .real, or .real and .imag apart.")
    if dtype.kind == "f" and taken == "ids":
        _check_ids(array, what)
    elif dtype.kind in "fc" and dtype.itemsize >= 8:
        _check_range(array, what)
    return array


def has_32_bits(array: np.ndarray, signed: bool = False) -> bool:
    """Return whether integers fit into 32 bits, with a sign if they have one or `signed` is True."""
    if array.dtype.itemsize < 4 or (array.dtype.itemsize == 4 and (array.dtype.kind == "i" or not signed)):
        return True
    unsigned = array.dtype.kind == "u"
    return int(array.max()) < (2**32 if unsigned and not signed else 2**31) and (
        unsigned or int(array.min()) >= -(2**31)
    )


def _integers(array: np.ndarray, taken: Taken, what: str) -> np.ndarray:
    if taken == "floats":
        return array.astype(np.float32)
    largest = max(array.max(), array.min(), key=lambda value: abs(int(value)))
    raise ValueError(
        f"{what} has integers beyond 32 bits, such as {largest}, which would be cut: make them floats, count from a "
        "nearer start, or number what they stand for, as np.unique(…, return_inverse=True)[1] does."
    )


def _check_ids(array: np.ndarray, what: str) -> None:
    if not ((array == np.floor(array)) & (np.abs(array) < 2**31)).all():
        raise ValueError(f"{what} leads to an embedding only, so it must hold whole numbers of 32 bits.")


def _check_range(array: np.ndarray, what: str) -> None:
    parts = [np.real(array), np.imag(array)] if array.dtype.kind == "c" else [array]
    for part in parts:
        if part.dtype.itemsize < 8 or max(abs(part.min()), abs(part.max())) <= LARGEST:
            continue
        magnitudes = np.abs(part[np.isfinite(part)])
        if magnitudes.size and magnitudes.max() > LARGEST:
            raise ValueError(
                f"{what} has numbers of size {magnitudes.max():g}, beyond float32, whose largest is {LARGEST:.3g}: "
                "scale them."
            )
