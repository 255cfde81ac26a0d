"""Cross-entropies of labels that are classes.

Source: keras/src/losses/losses.py. After a final softmax or sigmoid, training computes them from what that is
applied to, which gives the same loss more exactly.
"""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from ..data.targets import Shape
from ..messages.numeric import real
from .labels import check_class_numbers, check_one_hot, check_probabilities
from .loss import LOSSES, BuiltinLoss, Loss
from .values import EPSILON, align, align_sparse, sample_means


def categorical_crossentropy(
    y_true: Array, y_pred: Array, from_logits: bool = False, label_smoothing: float = 0.0
) -> Array:
    """Return the cross-entropy of labels given as probabilities, minus the sum of y_true × log(y_pred).

    Args:
        y_true: One-hot labels or other probabilities, `(batch, …, classes)`.
        y_pred: Probabilities of the same shape. They are normalised to sum to one and clipped to [1e-7, 1 - 1e-7].
        from_logits: Whether predictions are logits instead, what a softmax is applied to.
        label_smoothing: The part of the labels, 0 to 1, that is moved evenly to all classes: Szegedy et al. 2016.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    if label_smoothing:
        y_true = optax.smooth_labels(y_true, label_smoothing)
    return _crossentropy(y_true, y_pred, from_logits)


def sparse_categorical_crossentropy(y_true: Array, y_pred: Array, from_logits: bool = False) -> Array:
    """Return the cross-entropy of labels given as class numbers, minus log(y_pred) of the label.

    Args:
        y_true: Whole numbers from 0 on, `(batch, …)`, or with a 1 at the end of the shape.
        y_pred: Probabilities, `(batch, …, classes)`. They are normalised to sum to one and clipped to [1e-7, 1 - 1e-7].
        from_logits: Whether predictions are logits instead, what a softmax is applied to.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align_sparse(y_true, y_pred)
    # Not optax's ..._with_integer_labels: the gradient of its gather is a scatter, a loop over the rows on a CPU.
    return _crossentropy(jax.nn.one_hot(y_true, y_pred.shape[-1], dtype=y_pred.dtype), y_pred, from_logits)


def binary_crossentropy(y_true: Array, y_pred: Array, from_logits: bool = False, label_smoothing: float = 0.0) -> Array:
    """Return the mean of -log of the probability given to each label.

    Args:
        y_true: Labels 0 and 1, or between, `(batch, …)`.
        y_pred: Probabilities of label 1, of the same shape. They are clipped to [1e-7, 1 - 1e-7].
        from_logits: Whether predictions are logits instead, what a sigmoid is applied to.
        label_smoothing: The part, 0 to 1, by which labels are moved towards one half.

    Returns:
        One value a sample, `(batch,)`.
    """
    y_true, y_pred = align(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        return sample_means(optax.sigmoid_binary_cross_entropy(y_pred, y_true))
    y_pred = jnp.clip(y_pred, EPSILON, 1.0 - EPSILON)
    return -sample_means(y_true * jnp.log(y_pred) + (1.0 - y_true) * jnp.log(1.0 - y_pred))


def _crossentropy(y_true: Array, y_pred: Array, from_logits: bool) -> Array:
    if from_logits:
        return sample_means(optax.softmax_cross_entropy(y_pred, y_true))
    probabilities = jnp.clip(y_pred / y_pred.sum(-1, keepdims=True), EPSILON, 1.0 - EPSILON)
    return -sample_means((y_true * jnp.log(probabilities)).sum(-1))


def _smoothing(value: float) -> float:
    number = real("label_smoothing", value)
    if not 0 <= number <= 1:
        raise ValueError(f"label_smoothing is a part between 0 and 1, not {number!r}")
    return number


class _Crossentropy(BuiltinLoss):
    """The base of the losses that can be computed from logits, what their activation is applied to."""

    from_logits: bool
    of_probabilities: ClassVar[str]

    @property
    def activation(self) -> str | None:
        """The activation that gives the probabilities, unless the outputs are logits already."""
        return None if self.from_logits else self.of_probabilities

    def with_logits(self) -> Loss:
        """Return this loss for outputs before the activation is applied; a TypeError if it is for such already."""
        return super().with_logits() if self.from_logits else replace(cast("Any", self), from_logits=True)


@LOSSES.register(function=categorical_crossentropy)
@dataclass(frozen=True)
class CategoricalCrossentropy(_Crossentropy):
    """Cross-entropy with one-hot labels: `categorical_crossentropy`.

    Args:
        from_logits: Whether the model's outputs are logits, without a softmax at the end.
        label_smoothing: The part of the labels, 0 to 1, that is moved evenly to all classes.
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import CategoricalCrossentropy
        >>> CategoricalCrossentropy()(jnp.array([[0.0, 1.0]]), jnp.array([[0.5, 0.5]])).round(4)
        Array(0.6931, dtype=float32)
    """

    from_logits: bool = False
    label_smoothing: float = 0.0
    name: str = field(default="categorical_crossentropy", kw_only=True)
    fn = staticmethod(categorical_crossentropy)
    of_probabilities = "softmax"

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", _smoothing(self.label_smoothing))

    def check(self, y_true: np.ndarray, output_shape: Shape) -> None:
        """Raise a ValueError where labels aren't one value a class of the output."""
        check_one_hot(self.name, y_true, output_shape)


@LOSSES.register(function=sparse_categorical_crossentropy)
@dataclass(frozen=True)
class SparseCategoricalCrossentropy(_Crossentropy):
    """Cross-entropy with class numbers as labels: `sparse_categorical_crossentropy`.

    Args:
        from_logits: Whether the model's outputs are logits, without a softmax at the end.
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import SparseCategoricalCrossentropy
        >>> SparseCategoricalCrossentropy()(jnp.array([1]), jnp.array([[0.5, 0.5]])).round(4)
        Array(0.6931, dtype=float32)
    """

    from_logits: bool = False
    name: str = field(default="sparse_categorical_crossentropy", kw_only=True)
    fn = staticmethod(sparse_categorical_crossentropy)
    of_probabilities = "softmax"

    def check(self, y_true: np.ndarray, output_shape: Shape) -> None:
        """Raise a ValueError where labels aren't whole numbers from 0 up to the number of classes, one a sample."""
        check_class_numbers(self.name, y_true, output_shape)


@LOSSES.register("bce", function=binary_crossentropy)
@dataclass(frozen=True)
class BinaryCrossentropy(_Crossentropy):
    """Cross-entropy of labels 0 and 1, each output for itself: `binary_crossentropy`.

    Args:
        from_logits: Whether the model's outputs are logits, without a sigmoid at the end.
        label_smoothing: The part, 0 to 1, by which labels are moved towards one half.
        name: The name in errors.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.losses import BinaryCrossentropy
        >>> BinaryCrossentropy(from_logits=True)(jnp.array([[1.0]]), jnp.array([[0.0]])).round(4)
        Array(0.6931, dtype=float32)
    """

    from_logits: bool = False
    label_smoothing: float = 0.0
    name: str = field(default="binary_crossentropy", kw_only=True)
    fn = staticmethod(binary_crossentropy)
    of_probabilities = "sigmoid"

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", _smoothing(self.label_smoothing))

    def check(self, y_true: np.ndarray, output_shape: Shape) -> None:
        """Raise a ValueError where shapes differ or a label isn't between 0 and 1."""
        super().check(y_true, output_shape)
        check_probabilities(self.name, y_true)
