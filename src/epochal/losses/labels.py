"""Checks of labels against a model's output, on the host, before anything is compiled.

Each function gets the loss's name, for its errors; all labels, `(samples, …)`; and the output's shape, whose first
axis, the batch, isn't looked at.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ..data.targets import Shape, takes_class_numbers
from .values import aligned_shapes

Labels = np.ndarray


def check_numbers(loss: str, labels: Labels) -> None:
    """Raise a ValueError if labels aren't numbers."""
    if labels.dtype.kind not in "biuf" and not jnp.issubdtype(labels.dtype, jnp.floating):  # the second: bfloat16
        what = "rows of different lengths, or mixed types?" if labels.dtype == object else "class names?"
        raise ValueError(
            f"{loss} needs numbers as labels, got an array of dtype {labels.dtype} ({what}): "
            "convert it before training, e.g. np.unique(y, return_inverse=True)[1] for class names"
        )


def check_shapes(loss: str, labels: Labels, output: Shape) -> None:
    """Raise a ValueError if labels can't be compared with the output one by one."""
    aligned, aligned_output = aligned_shapes(labels.shape, output)
    if aligned[1:] != aligned_output[1:]:
        raise ValueError(
            f"{loss} compares labels and output one by one: labels of shape {_shown(labels.shape)} don't go with an "
            f"output of shape {_shown(output)}" + (_flattening(labels.shape, output) or _units(labels.shape, output))
        )


def check_probabilities(loss: str, labels: Labels) -> None:
    """Raise a ValueError if a label isn't between 0 and 1."""
    if labels.size and (labels.min() < 0 or labels.max() > 1):
        row = _first_row((labels < 0) | (labels > 1))
        raise ValueError(f"{loss} needs labels from 0 to 1; row {row} has {_value(labels[row])}")


def check_one_hot(loss: str, labels: Labels, output: Shape) -> None:
    """Raise a ValueError if labels aren't one value a class of the output."""
    check_numbers(loss, labels)
    _check_several_classes(loss, output)
    if takes_class_numbers(labels.shape, output):
        raise ValueError(
            f"{loss} needs one-hot labels of shape {_shown(output)}, got class numbers of shape "
            f"{_shown(labels.shape)}: use loss='sparse_categorical_crossentropy', or np.eye({output[-1]})[y]"
        )
    check_shapes(loss, labels, output)


def check_class_numbers(loss: str, labels: Labels, output: Shape) -> None:
    """Raise a ValueError if labels aren't whole numbers from 0 up to the number of classes, one a sample."""
    check_numbers(loss, labels)
    _check_several_classes(loss, output)
    if not takes_class_numbers(labels.shape, output):
        is_one_hot = labels.shape[1:] == output[1:]
        raise ValueError(
            f"{loss} needs class numbers of shape {_shown(output[:-1])} for an output of "
            f"{_shown(output)}, got labels of shape {_shown(labels.shape)}"
            + (": for one-hot labels use loss='categorical_crossentropy'" if is_one_hot else "")
            + _flattening(labels.shape, output)
        )
    _check_range(loss, labels, output[-1])


def _check_several_classes(loss: str, output: Shape) -> None:
    if output[-1] == 1:
        raise ValueError(
            f"{loss} over an output of one class is always 0: with one output for two classes use "
            "binary_crossentropy and a sigmoid"
        )


def _check_range(loss: str, labels: Labels, classes: int | None) -> None:
    if not labels.size:
        return
    if labels.dtype.kind not in "biu" and (broken := labels != np.floor(labels)).any():
        row = _first_row(broken)
        raise ValueError(f"{loss} needs whole numbers as labels; row {row} has {_value(labels[row])}")
    if classes is not None and (labels.min() < 0 or labels.max() >= classes):
        row = _first_row((labels < 0) | (labels >= classes))
        raise ValueError(
            f"{loss} needs labels from 0 to {classes - 1} for an output of {classes}; row {row} has "
            f"{_value(labels[row])}{_counting(int(labels.min()), int(labels.max()), classes)}"
        )


# The ends of errors: what to do


def _flattening(labels: Shape, output: Shape) -> str:
    """Return what to do where a sample has one label, or a vector of them, and the output has more axes."""
    if len(output) <= 2 or len(labels) >= len(output) or len(labels) > 2:
        return ""
    return (
        ". If each sample has one label, the output has axes too many: put Flatten() before the last Dense, or leave "
        "out return_sequences=True in the last recurrent layer"
    )


def _units(labels: Shape, output: Shape) -> str:
    """Return what to do where labels have another width than the output."""
    if len(labels) != len(output) or labels[1:-1] != output[1:-1]:
        return ""
    return f": the last layer needs {labels[-1]} units"


def _counting(least: int, most: int, classes: int) -> str:
    """Return what to do about class numbers out of range."""
    if least == 1 and most == classes:
        return ": they count from 1, so pass y - 1"
    if least >= 0:
        return f": for labels up to {most} the last layer needs {most + 1} units"
    return ": numbers of classes from 0 on are given by np.unique(y, return_inverse=True)[1]"


def _first_row(broken: np.ndarray) -> int:
    return int(np.argmax(broken.reshape(len(broken), -1).any(axis=1)))


def _value(row: np.ndarray) -> str:
    return str(np.squeeze(row).tolist())


def _shown(shape: Shape) -> str:
    return f"({', '.join(['n', *map(str, shape[1:])])}{',' if len(shape) == 1 else ''})"
