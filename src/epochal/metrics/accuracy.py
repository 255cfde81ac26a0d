"""Accuracies: the part of outputs, or of samples, that are right.

Source: keras/src/metrics/accuracy_metrics.py. The classes count hits, which is exact; the functions return one value a
sample, `(batch,)`.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from jax import Array

from ..losses.values import align, align_sparse, sample_means
from ..messages.numeric import real, whole
from .metric import METRICS, MeanMetric


def binary_hits(y_true: Array, y_pred: Array, threshold: float = 0.5) -> Array:
    """Return which outputs are on their label's side: 1 above `threshold`, else 0."""
    y_true, y_pred = align(y_true, y_pred)
    return (y_pred > threshold) == y_true


def categorical_hits(y_true: Array, y_pred: Array) -> Array:
    """Return where the largest output is at the largest label; of `(batch, …, classes)`, `(batch, …)`."""
    y_true, y_pred = align(y_true, y_pred)
    return y_true.argmax(-1) == y_pred.argmax(-1)


def sparse_categorical_hits(y_true: Array, y_pred: Array) -> Array:
    """Return where the largest output is at the label, a class number, of shape `(batch, …)`."""
    y_true, y_pred = align_sparse(y_true, y_pred)
    return y_true == y_pred.argmax(-1)


def top_k_hits(y_true: Array, y_pred: Array, k: int = 5) -> Array:
    """Return where the output at the largest label is among the `k` largest."""
    y_true, y_pred = align(y_true, y_pred)
    return sparse_top_k_hits(y_true.argmax(-1), y_pred, k)


def sparse_top_k_hits(y_true: Array, y_pred: Array, k: int = 5) -> Array:
    """Return where the output at the label, a class number, is among the `k` largest; equal outputs share a place.

    NaN is never among them, and takes no other's place.
    """
    y_true, y_pred = align_sparse(y_true, y_pred)
    of_label = jnp.take_along_axis(y_pred, y_true[..., None], axis=-1)
    return ((y_pred > of_label).sum(-1) < k) & ~jnp.isnan(of_label.squeeze(-1))


def binary_accuracy(y_true: Array, y_pred: Array, threshold: float = 0.5) -> Array:
    """Return the part of a sample's outputs that are on their label's side.

    Args:
        y_true: Labels 0 and 1, `(batch, …)`.
        y_pred: Outputs of the same shape.
        threshold: Outputs above it stand for label 1.

    Returns:
        One value a sample, `(batch,)`.
    """
    return sample_means(binary_hits(y_true, y_pred, threshold).astype(jnp.float32))


def categorical_accuracy(y_true: Array, y_pred: Array) -> Array:
    """Return 1 where the largest output is at the largest label, else 0.

    Args:
        y_true: One-hot labels, `(batch, …, classes)`.
        y_pred: Outputs of the same shape.

    Returns:
        One value a sample, `(batch,)`: the mean over further axes.
    """
    return sample_means(categorical_hits(y_true, y_pred).astype(jnp.float32))


def sparse_categorical_accuracy(y_true: Array, y_pred: Array) -> Array:
    """Return 1 where the largest output is at the label, else 0.

    Args:
        y_true: Class numbers, `(batch, …)`.
        y_pred: Outputs, `(batch, …, classes)`.

    Returns:
        One value a sample, `(batch,)`: the mean over further axes.
    """
    return sample_means(sparse_categorical_hits(y_true, y_pred).astype(jnp.float32))


def top_k_categorical_accuracy(y_true: Array, y_pred: Array, k: int = 5) -> Array:
    """Return 1 where the output at the largest label is among the `k` largest, else 0.

    Args:
        y_true: One-hot labels, `(batch, …, classes)`.
        y_pred: Outputs of the same shape.
        k: How many outputs are looked at.

    Returns:
        One value a sample, `(batch,)`: the mean over further axes.
    """
    return sample_means(top_k_hits(y_true, y_pred, k).astype(jnp.float32))


def sparse_top_k_categorical_accuracy(y_true: Array, y_pred: Array, k: int = 5) -> Array:
    """Return 1 where the output at the label is among the `k` largest, else 0; equal outputs share a place.

    Args:
        y_true: Class numbers, `(batch, …)`.
        y_pred: Outputs, `(batch, …, classes)`.
        k: How many outputs are looked at.

    Returns:
        One value a sample, `(batch,)`: the mean over further axes.
    """
    return sample_means(sparse_top_k_hits(y_true, y_pred, k).astype(jnp.float32))


@METRICS.register(function=binary_accuracy)
class BinaryAccuracy(MeanMetric):
    """The part of outputs on the right side of a threshold, for labels 0 and 1.

    Args:
        threshold: Outputs above it stand for label 1; for logits, 0.
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import BinaryAccuracy
        >>> metric = BinaryAccuracy()
        >>> state = metric.update(metric.init(), jnp.array([[1.0], [0.0]]), jnp.array([[0.9], [0.7]]))
        >>> metric.result(state)
        Array(0.5, dtype=float32)
    """

    def __init__(self, threshold: float = 0.5, name: str = "binary_accuracy") -> None:
        self.threshold = real("threshold", threshold)
        super().__init__(partial(binary_hits, threshold=self.threshold), name, "max")


@METRICS.register(function=categorical_accuracy)
class CategoricalAccuracy(MeanMetric):
    """The part of samples whose largest output is the right one, for one-hot labels.

    Args:
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import CategoricalAccuracy
        >>> metric = CategoricalAccuracy()
        >>> state = metric.update(metric.init(), jnp.eye(2), jnp.array([[0.6, 0.4], [0.8, 0.2]]))
        >>> metric.result(state)
        Array(0.5, dtype=float32)
    """

    def __init__(self, name: str = "categorical_accuracy") -> None:
        super().__init__(categorical_hits, name, "max")


@METRICS.register(function=sparse_categorical_accuracy)
class SparseCategoricalAccuracy(MeanMetric):
    """The part of samples whose largest output is the right one, for class numbers as labels.

    Args:
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import SparseCategoricalAccuracy
        >>> metric = SparseCategoricalAccuracy()
        >>> state = metric.update(metric.init(), jnp.array([0, 1]), jnp.array([[0.6, 0.4], [0.8, 0.2]]))
        >>> metric.result(state)
        Array(0.5, dtype=float32)
    """

    def __init__(self, name: str = "sparse_categorical_accuracy") -> None:
        super().__init__(sparse_categorical_hits, name, "max")


@METRICS.register(function=top_k_categorical_accuracy)
class TopKCategoricalAccuracy(MeanMetric):
    """The part of samples with the right class among the `k` largest outputs, for one-hot labels.

    Args:
        k: How many outputs are looked at, at least 1.
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import TopKCategoricalAccuracy
        >>> metric = TopKCategoricalAccuracy(k=2)
        >>> state = metric.update(metric.init(), jnp.eye(3)[:2], jnp.array([[0.5, 0.3, 0.2], [0.5, 0.2, 0.3]]))
        >>> metric.result(state)
        Array(0.5, dtype=float32)
    """

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy") -> None:
        self.k = whole("k", k, 1)
        super().__init__(partial(top_k_hits, k=self.k), name, "max")


@METRICS.register(function=sparse_top_k_categorical_accuracy)
class SparseTopKCategoricalAccuracy(MeanMetric):
    """The part of samples with the right class among the `k` largest outputs, for class numbers as labels.

    Args:
        k: How many outputs are looked at, at least 1.
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import SparseTopKCategoricalAccuracy
        >>> metric = SparseTopKCategoricalAccuracy(k=2)
        >>> state = metric.update(metric.init(), jnp.array([0, 1]), jnp.array([[0.5, 0.3, 0.2], [0.5, 0.2, 0.3]]))
        >>> metric.result(state)
        Array(0.5, dtype=float32)
    """

    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy") -> None:
        self.k = whole("k", k, 1)
        super().__init__(partial(sparse_top_k_hits, k=self.k), name, "max")
