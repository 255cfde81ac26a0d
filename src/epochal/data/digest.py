"""Digests of arrays, by which a resumed run recognizes its data."""

from __future__ import annotations

import hashlib

import numpy as np

DIGESTED_BYTES = 1 << 20
"""Bytes of an array that are looked at, about."""


def digest_of(array: np.ndarray) -> str:
    """Return a short digest of an array: of all of it if it is small, else of rows spread evenly over it."""
    if array.nbytes > DIGESTED_BYTES and array.ndim:
        rows = max(2, min(256, DIGESTED_BYTES // max(1, array.nbytes // len(array))))
        array = array[np.linspace(0, len(array) - 1, rows).astype(np.int64)]
        if array.nbytes > 4 * DIGESTED_BYTES:  # rows too large to be read as a whole
            array = array.reshape(len(array), -1)[:, :: -(-array.nbytes // DIGESTED_BYTES)]
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]
