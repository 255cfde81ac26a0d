"""Labels and rows of arrays, as models take them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..messages.numeric import whole


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> np.ndarray:
    """Return class numbers as vectors with a 1 at the class, for `categorical_crossentropy`.

        >>> to_categorical([0, 2]).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Args:
        x: Whole numbers from 0 on, of shape `(…)` or `(…, 1)`.
        num_classes: How many classes there are; the highest number and one more if None.

    Returns:
        A float32 array of shape `(…, num_classes)`.

    Raises:
        ValueError: If a number isn't whole, or is no class.
    """
    given = np.asarray(x)
    if given.dtype.kind not in "biuf" or (given != np.floor(given.astype(float))).any():
        raise ValueError(f"classes are whole numbers from 0 on; got an array of {given.dtype}.")
    labels = given.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None and not labels.size:
        raise ValueError("there are no labels, so num_classes must be given.")
    count = int(labels.max()) + 1 if num_classes is None else whole("num_classes", num_classes, 1)
    if labels.size and not 0 <= labels.min() <= labels.max() < count:
        raise ValueError(
            f"of {count} classes the numbers are 0 to {count - 1}; got numbers from {labels.min()} to {labels.max()}."
        )
    vectors = np.zeros((labels.size, count), np.float32)
    vectors[np.arange(labels.size), labels.ravel()] = 1
    return vectors.reshape(*labels.shape, count)


def normalize(x: ArrayLike, axis: int = -1, order: int = 2) -> np.ndarray:
    """Return an array whose rows have a norm of 1; rows of zeros stay as they are.

        >>> normalize([[3.0, 4.0], [0.0, 0.0]]).tolist()
        [[0.6, 0.8], [0.0, 0.0]]

    Args:
        x: The array.
        axis: Along which the norm is taken.
        order: Of the norm: 2 is the Euclidean one, 1 the sum of sizes.
    """
    array = np.asarray(x)
    norm = np.linalg.norm(array, order, axis, keepdims=True)
    return array / np.where(norm == 0, 1, norm).astype(norm.dtype)
