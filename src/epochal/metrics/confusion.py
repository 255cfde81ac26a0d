"""Metrics of true and false positives and negatives: precision, recall and their harmonic mean.

Source: keras/src/metrics/confusion_metrics.py and f_score_metrics.py.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from jax import Array

from ..data.targets import Shape
from ..losses.values import align
from ..messages.names import unknown
from ..messages.numeric import is_real, real
from .metric import METRICS, Direction, Metric, changed
from .sums import Sums, add, divide, weights_of, zeros
from .widths import known_width, width_of

COUNTS = ("true_positives", "false_positives", "false_negatives")


def counts_of(labels: Array, positive: Array, weights: Array, axis: int | None) -> Sums:
    """Return the weighted numbers of true positives, false positives and false negatives, summed over an axis, or all.

    Args:
        labels: Which labels are positive.
        positive: Which outputs are.
        weights: Of the same shape.
        axis: What is summed over; None for all axes.
    """
    return {
        "true_positives": (weights * (labels & positive)).sum(axis),
        "false_positives": (weights * (~labels & positive)).sum(axis),
        "false_negatives": (weights * (labels & ~positive)).sum(axis),
    }


class ThresholdMetric(Metric):
    """The base of metrics of counts above one threshold; all outputs of all samples count alike."""

    direction: Direction = "max"

    def __init__(self, thresholds: float, name: str) -> None:
        if not is_real(thresholds) or not 0 <= thresholds <= 1:
            raise ValueError(
                f"thresholds is one number from 0 to 1, since a logged value is one number: {thresholds!r}"
            )
        self.thresholds, self.name = real("thresholds", thresholds), name

    @property
    def needs_probabilities(self) -> bool:
        """Yes: the threshold is from 0 to 1."""
        return True

    def init(self) -> Sums:
        """Return zero counts."""
        return zeros(*COUNTS)

    def update(self, state: Sums, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Sums:
        """Add the counts of a batch."""
        y_true, y_pred = align(y_true, y_pred)
        weights = weights_of(y_true, sample_weight)
        return add(state, counts_of(y_true != 0, y_pred > self.thresholds, weights, None))


@METRICS.register()
class Precision(ThresholdMetric):
    """True positives / all predicted positives; 0 where nothing was predicted positive.

    All outputs of all samples count alike. A label is positive where it isn't 0.

    Args:
        thresholds: Outputs above it are positive; one number from 0 to 1.
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import Precision
        >>> metric = Precision()
        >>> state = metric.update(metric.init(), jnp.array([[1.0], [0.0]]), jnp.array([[0.9], [0.7]]))
        >>> metric.result(state)
        Array(0.5, dtype=float32)
    """

    def __init__(self, thresholds: float = 0.5, name: str = "precision") -> None:
        super().__init__(thresholds, name)

    def result(self, state: Sums) -> Array:
        """Return the precision over all batches."""
        return divide(state["true_positives"], state["true_positives"] + state["false_positives"])


@METRICS.register()
class Recall(ThresholdMetric):
    """True positives / all positive labels; 0 where no label is positive.

    All outputs of all samples count alike. A label is positive where it isn't 0.

    Args:
        thresholds: Outputs above it are positive; one number from 0 to 1.
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import Recall
        >>> metric = Recall()
        >>> state = metric.update(metric.init(), jnp.array([[1.0], [1.0]]), jnp.array([[0.9], [0.2]]))
        >>> metric.result(state)
        Array(0.5, dtype=float32)
    """

    def __init__(self, thresholds: float = 0.5, name: str = "recall") -> None:
        super().__init__(thresholds, name)

    def result(self, state: Sums) -> Array:
        """Return the recall over all batches."""
        return divide(state["true_positives"], state["true_positives"] + state["false_negatives"])


@METRICS.register()
class F1Score(Metric):
    """2 × precision × recall / (precision + recall), for one-hot or many-label targets of shape `(batch, classes)`.

    Args:
        average: "macro" is the plain mean over the classes, "weighted" the mean weighted by each class's number of
            positive labels, "micro" the score of all classes counted together. None gives one value a class,
            `(classes,)`: Keras's default, but a logged value is one number, so the default here is "macro" and `get`
            refuses None.
        threshold: Outputs above it are positive. None takes the largest output of each sample (Keras's default), which
            is no use with a single output: that is a ValueError.
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import F1Score
        >>> metric = F1Score(average="micro").bind((None, 2))
        >>> state = metric.update(metric.init(), jnp.eye(2), jnp.array([[0.6, 0.4], [0.8, 0.2]]))
        >>> metric.result(state)
        Array(0.5, dtype=float32)
    """

    direction: Direction = "max"
    classes: int | None = None

    def __init__(
        self,
        average: Literal["micro", "macro", "weighted"] | None = "macro",
        threshold: float | None = None,
        name: str = "f1_score",
    ) -> None:
        if average not in (None, "micro", "macro", "weighted"):
            raise unknown("average", average, ["micro", "macro", "weighted"])
        threshold = None if threshold is None else real("threshold", threshold)
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"threshold is a number above 0 and up to 1, or None, not {threshold!r}")
        self.average, self.threshold, self.name = average, threshold, name

    @property
    def needs_probabilities(self) -> bool:
        """Whether there is a threshold, which is from 0 to 1."""
        return self.threshold is not None

    def bind(self, output_shape: Shape) -> Metric:
        """Return the metric for that number of classes; a ValueError unless the shape is `(batch, classes)`."""
        classes = width_of(self.name, output_shape)
        if classes == 1 and self.threshold is None:
            raise ValueError(f"{self.name} of a single output needs a threshold: F1Score(threshold=0.5)")
        return changed(self, classes=classes)

    def init(self) -> Sums:
        """Return zero counts for each class; a ValueError before `bind`."""
        return zeros(*COUNTS, shape=(known_width(self.name, self.classes),))

    def update(self, state: Sums, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Sums:
        """Add the counts of a batch."""
        y_true, y_pred = align(y_true, y_pred)
        if self.threshold is None:
            largest = y_pred.max(-1, keepdims=True)
            positive = (y_pred >= largest) & (jnp.abs(y_pred) > 1e-9)  # a row of zeros is of no class
        else:
            positive = y_pred > self.threshold
        return add(state, counts_of(y_true != 0, positive, weights_of(y_true, sample_weight), 0))

    def result(self, state: Sums) -> Array:
        """Return the average over the classes, or `(classes,)` for the average None."""
        if self.average == "micro":
            state = {name: counts.sum() for name, counts in state.items()}
        hits, labels = state["true_positives"], state["true_positives"] + state["false_negatives"]
        scores = divide(2 * hits, hits + state["false_positives"] + labels)
        if self.average == "weighted":
            return divide((scores * labels).sum(), labels.sum())
        return scores if self.average is None else scores.mean()
