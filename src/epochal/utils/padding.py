"""Sequences of different lengths as one array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..messages.numeric import whole

Side = Literal["pre", "post"]


def pad_sequences(
    sequences: Iterable[ArrayLike],
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: Side = "pre",
    truncating: Side = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Return sequences as one array: shorter ones are filled up, longer ones are cut.

        >>> pad_sequences([[1], [2, 3, 4]], maxlen=2).tolist()
        [[0, 1], [3, 4]]

    Args:
        sequences: Lists of numbers, or of steps of one shape, `(steps, …)`.
        maxlen: How many steps each gets; those of the longest one if None.
        dtype: Of the array; `object` for texts.
        padding: The side where steps are added, "pre" or "post".
        truncating: The side where steps are taken away, "pre" or "post".
        value: What is added.

    Returns:
        An array of shape `(samples, maxlen, …)`.

    Raises:
        ValueError: If a side is another word, or the steps of two sequences have different shapes.
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in ("pre", "post"):
            raise ValueError(f'{name} is "pre" or "post"; got {side!r}.')
    given = [sequence if hasattr(sequence, "__len__") else list(sequence) for sequence in map(_listed, sequences)]
    longest = max(map(len, given), default=0)
    steps = longest if maxlen is None else whole("maxlen", maxlen, 0)
    step_shape = next((np.asarray(sequence).shape[1:] for sequence in given if len(sequence)), ())
    if np.dtype(dtype).kind in "biuf" and isinstance(value, str):
        raise ValueError(f"an array of {np.dtype(dtype)} can't be filled up with the text {value!r}: dtype=object can.")
    array = np.full((len(given), steps, *step_shape), value, dtype)
    for number, (row, sequence) in enumerate(zip(array, given, strict=True)):
        kept = np.asarray(sequence[-steps:] if truncating == "pre" else sequence[:steps]) if steps else np.empty(0)
        if len(kept) and kept.shape[1:] != step_shape:
            raise ValueError(f"steps have shape {step_shape} in the first sequence, {kept.shape[1:]} in {number}.")
        if len(kept):
            row[slice(len(kept)) if padding == "post" else slice(-len(kept), None)] = kept
    return array


def _listed(sequence: ArrayLike) -> Any:
    if not hasattr(sequence, "__iter__") or isinstance(sequence, str):
        raise ValueError(f"each sequence is a list or an array of steps; got {sequence!r}.")
    return sequence
