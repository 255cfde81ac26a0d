"""Weights of samples by their class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from ..messages.numeric import real, whole
from ..messages.printing import warn
from .targets import Shape, lacks_last_axis, sized, takes_class_numbers


class ClassWeights:
    """Weights of classes, which become weights of samples, or of steps where each step has a label.

    Args:
        given: `{class: weight}`; classes that it leaves out weigh 1.

    Raises:
        ValueError: If a class is no whole number, or a weight is negative or isn't finite.
    """

    def __init__(self, given: Mapping[Any, Any]) -> None:
        if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f"class_weight is a dict of a weight for each class's number, {{0: 1.0, …}}; got {given!r}."
            )
        self._weights = {_class(label): _weight(label, weight) for label, weight in given.items()}
        self._unseen = set(self._weights)

    def weigh(self, y: Any, weight: Any, output: Shape) -> np.ndarray:
        """Return the weights of samples or steps, multiplied by the weights that there are already.

        Args:
            y: The targets of the only output: class numbers, `(batch, …)`, or one-hot rows.
            weight: `(batch,)` or `(batch, steps)`, or None.
            output: The output's shape, the batch axis in front.

        Raises:
            ValueError: If the targets don't say one class for each sample or step.
        """
        labels = _labels(y, output)
        found = np.ones(labels.shape, np.float32)
        for label, own in self._weights.items():
            of_class = labels == label
            found[of_class] = own
            if label in self._unseen and of_class.any():
                self._unseen.discard(label)
        if weight is None:
            return found
        axes = max(found.ndim, weight.ndim)
        first, second = (a.reshape(*a.shape, *[1] * (axes - a.ndim)) for a in (found, weight))
        return cast("np.ndarray", first * second)

    def warn_of_unseen(self) -> None:
        """Warn of classes that no label has had so far."""
        if unseen := sorted(self._unseen):
            warn(f"class_weight has {', '.join(map(str, unseen))}, which no label is.")
            self._unseen.clear()


def _class(label: Any) -> int:
    try:
        return int(label) if isinstance(label, bool) else whole("a class", label)
    except ValueError:
        raise ValueError(f"class_weight gives a weight for each class's number; got the class {label!r}.") from None


def _weight(label: Any, weight: Any) -> float:
    value = real(f"class_weight[{label!r}]", weight)
    if not 0 <= value < math.inf:
        raise ValueError(f"class_weight[{label!r}] must be a finite number of at least 0; got {value!r}.")
    return value


def _labels(y: Any, output: Shape) -> np.ndarray:
    """Return the class of each sample or step."""
    if y is None:
        raise ValueError("class_weight needs y.")
    if not hasattr(y, "dtype"):
        raise ValueError("class_weight goes with one output; of several, weigh the samples: sample_weight={name: …}.")
    output = sized(output, y.shape)
    if takes_class_numbers(y.shape, output) or lacks_last_axis(y.shape, output) or len(output) == y.ndim == 1:
        labels = y[..., 0] if y.ndim == len(output) > 1 else y
    elif y.shape[1:] == output[1:] and y.shape[-1] == 1:
        labels = y[..., 0]
    elif y.shape[1:] == output[1:]:
        return _of_rows(y)
    elif output[1:] == () and y.shape[1:] == (1,):
        labels = y[:, 0]
    else:
        raise ValueError(f"class_weight can't tell the classes of targets of shape {y.shape}: weigh by sample_weight.")
    if labels.dtype.kind not in "biu" and (broken := labels != np.floor(labels)).any():
        raise ValueError(
            f"class_weight needs class numbers as targets; got {labels[broken][0]}. Weigh others by sample_weight."
        )
    return labels


def _of_rows(y: np.ndarray) -> np.ndarray:
    """Return the class of each row with a value for each class, in which one is the largest."""
    several = (y == y.max(axis=-1, keepdims=True)).sum(axis=-1) != 1
    if several.any():
        raise ValueError(
            f"class_weight needs one class a sample; got the row {y[several][0].tolist()}. Weigh rows of several "
            "labels, or none, by sample_weight."
        )
    return y.argmax(axis=-1)
