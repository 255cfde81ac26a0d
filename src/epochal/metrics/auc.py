"""Areas under curves of a classifier's quality over all thresholds."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

from ..losses.values import align
from ..messages.names import unknown
from ..messages.numeric import whole
from .metric import METRICS, Direction, Metric
from .sums import Sums, add, divide, weights_of, zeros


@METRICS.register()
class AUC(Metric):
    """The area under the ROC curve (true against false positive rate) or the PR curve (precision against recall).

    Keras's method: outputs, from 0 to 1, are counted in buckets between `num_thresholds` evenly spaced thresholds, and
    the curve is drawn through the counts, for ROC in straight lines, for PR after Davis and Goadrich 2006. So the area
    is exact up to what lies within a bucket. All outputs of all samples count alike; labels other than 0 are positive.

    Args:
        num_thresholds: How many, at least 2.
        curve: "ROC" or "PR".
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import AUC
        >>> metric = AUC()
        >>> labels, outputs = jnp.array([[0.0], [1.0], [0.0], [1.0]]), jnp.array([[0.1], [0.4], [0.6], [0.9]])
        >>> metric.result(metric.update(metric.init(), labels, outputs))
        Array(0.75, dtype=float32)
    """

    direction: Direction = "max"

    def __init__(self, num_thresholds: int = 200, curve: Literal["ROC", "PR"] = "ROC", name: str = "auc") -> None:
        num_thresholds = whole("num_thresholds", num_thresholds)
        if num_thresholds < 2:
            raise ValueError(f"num_thresholds must be at least 2, not {num_thresholds!r}")
        if curve not in ("ROC", "PR"):
            raise unknown("curve", curve, ["ROC", "PR"])
        self.num_thresholds, self.curve, self.name = num_thresholds, curve, name

    @property
    def needs_probabilities(self) -> bool:
        """Yes: the thresholds are from 0 to 1."""
        return True

    def init(self) -> Sums:
        """Return empty buckets."""
        return zeros("positives", "negatives", shape=(self.num_thresholds,))

    def update(self, state: Sums, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Sums:
        """Count a batch into the buckets."""
        y_true, y_pred = align(y_true, y_pred)
        weights = weights_of(y_true, sample_weight)
        # Bucket i holds what is above threshold i and no higher than i + 1; the lowest also what is exactly 0.
        bucket = jnp.maximum(jnp.ceil(jnp.clip(y_pred, 0.0, 1.0) * (self.num_thresholds - 1)) - 1, 0).astype(jnp.int32)

        def counted(weights: Array) -> Array:
            return jax.ops.segment_sum(weights.ravel(), bucket.ravel(), self.num_thresholds)

        positive = y_true != 0
        return add(state, {"positives": counted(weights * positive), "negatives": counted(weights * ~positive)})

    def result(self, state: Sums) -> Array:
        """Return the area."""
        return _AREAS[self.curve](state["positives"], state["negatives"])


def _above(buckets: Array) -> Array:
    """Return what is in each bucket and those above it."""
    return jnp.cumsum(buckets[::-1])[::-1]


def _roc_area(positives: Array, negatives: Array) -> Array:
    hits, false = _above(positives), _above(negatives)
    height, width = divide(hits, hits[0]), divide(false, false[0])
    return ((width[:-1] - width[1:]) * (height[:-1] + height[1:]) / 2).sum()


def _interpolated_pr_area(positives: Array, negatives: Array) -> Array:
    """Return the area under precision against recall, hits growing in line with what is found between two thresholds.

    Davis and Goadrich 2006, as in Keras's `AUC.interpolate_pr_auc`: with hits = slope × found + intercept, the integral
    of hits / found by hits is slope × (Δhits + intercept × log(found ratio)).
    """
    hits = _above(positives)
    found = hits + _above(negatives)
    d_hits, d_found = hits[:-1] - hits[1:], found[:-1] - found[1:]
    slope = divide(d_hits, d_found)
    intercept = hits[1:] - slope * found[1:]
    ratio = jnp.where((found[:-1] > 0) & (found[1:] > 0), divide(found[:-1], found[1:]), 1.0)
    return divide((slope * (d_hits + intercept * jnp.log(ratio))).sum(), hits[0])


_AREAS: Mapping[str, Callable[[Array, Array], Array]] = {
    "ROC": jax.jit(_roc_area),
    "PR": jax.jit(_interpolated_pr_area),
}
"""By curve; each one program, where it would be one for each operation."""
