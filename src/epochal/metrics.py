"""Keras's metrics: pure functions of a state that stays on the device for an epoch.

``state = metric.init()``, then ``state = metric.update(state, y_true, y_pred)`` for each batch, then
``metric.result(state)``. All of it can be compiled, and the state keeps its structure, shapes and dtypes, so a loop can
carry it. A result is exact over all batches, however the samples were cut into them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from epochal import losses
from epochal.data.targets import Shape, takes_class_numbers
from epochal.losses.loss import LOSSES, Loss
from epochal.losses.loss import LossFunction as SampleLoss
from epochal.losses.values import align, align_sparse, by_sample, sample_means, weighted_shape
from epochal.messages.arguments import NamesArguments
from epochal.messages.extras import needed_by
from epochal.messages.names import snake_case, unknown
from epochal.messages.numeric import is_real, real, whole

with needed_by(__name__):
    import jax
    import jax.numpy as jnp

State = dict[str, jax.Array]
Direction = Literal["min", "max"] | None


class Metric(NamesArguments):
    """A metric with a state; for one of your own, write `init`, `update` and `result`.

    `name` is the name in the logs, the class's in snake case if there is none; `direction`, "min" or "max", says which
    way is better, None leaves it to the name. `update` gets targets in the dtype of the outputs, but class numbers
    as integers.
    """

    name: str
    direction: Direction = None
    steps_are_samples = True
    """Whether steps that are weighed, by a mask or by weights of their own, come as samples of their own."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not hasattr(cls, "name"):
            cls.name = snake_case(cls.__name__)

    def __init__(self, name: str | None = None) -> None:
        self.name = name or getattr(type(self), "name", "metric")

    def bind(self, output_shape: Shape) -> Metric:
        """Return the metric for a model's output of that shape, `(batch, ...)`; most don't need to know it."""
        return self

    def init(self) -> State:
        """Return the state before the first batch: a tree of arrays."""
        raise NotImplementedError

    def update(
        self, state: State, y_true: jax.Array, y_pred: jax.Array, sample_weight: jax.Array | None = None
    ) -> State:
        """Return the state after one more batch; `sample_weight` is `(batch,)`, None means 1 for all."""
        raise NotImplementedError

    def result(self, state: State) -> jax.Array:
        """Return the value over all batches so far, a scalar; 0 before the first."""
        raise NotImplementedError


class MeanMetric(Metric):
    """The mean over all samples of ``fn(y_true, y_pred)``.

    `fn` gives one value a sample, or more of them, `(batch, …)`, or one number that stands for all. An engine may add
    up what `per_sample` returns itself.
    """

    steps_are_samples = False
    adds_up = True
    """Whether an engine sums a batch's values, which is exact for counts; else it takes their mean, as of a loss."""

    def __init__(self, fn: SampleLoss, name: str | None = None, direction: Direction = None):
        self.fn, self.name = fn, name or getattr(fn, "__name__", type(fn).__name__)
        self.direction = direction or getattr(fn, "direction", None)

    def per_sample(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        """Return a batch's values, `(batch, …)`, whose mean is the metric's, or one number that is their mean."""
        found = self.fn(y_true, y_pred)
        by_sample(self.name, found, y_pred.shape[:1])
        values = jnp.asarray(found)
        if values.dtype == bool:
            return values
        return values.astype(jnp.promote_types(values.dtype, jnp.float32))  # narrower ones, or integers, may overflow

    def init(self) -> State:
        """Return zero sums of values and weights."""
        return _zeros("total", "weight")

    def update(
        self, state: State, y_true: jax.Array, y_pred: jax.Array, sample_weight: jax.Array | None = None
    ) -> State:
        """Add a batch's values and weights; those are `(batch,)`, or `(batch, steps)` for one value a step."""
        found = self.per_sample(y_true, y_pred)
        values = by_sample(self.name, found, weighted_shape(sample_weight, y_pred.shape[0]))
        weights = _weights(sample_weight, values)
        return _plus(state, total=(values * weights).sum(), weight=weights.sum())

    def result(self, state: State) -> jax.Array:
        """Return the weighted mean."""
        return _divide(state["total"], state["weight"])


class LossMetric(MeanMetric):
    """A loss as a metric: averaged as the loss is, so that both are equal to the last bit."""

    adds_up = False

    def __init__(self, loss: Loss, name: str | None = None):
        super().__init__(loss.call, name or loss.name, "min")
        self.loss, self.steps_are_samples = loss, loss.steps_are_samples


def _zeros(*names: str, shape: tuple[int, ...] = ()) -> State:
    return {name: jnp.zeros(shape, jnp.float32) for name in names}


def _plus(state: State, **more: jax.Array) -> State:
    return {name: state[name] + more[name].astype(jnp.float32) for name in state}


def _divide(a: jax.Array, b: jax.Array) -> jax.Array:
    """Return a / b, and 0 where b is 0."""
    return jnp.where(b == 0, 0.0, a / jnp.where(b == 0, 1.0, b))


def _weights(sample_weight: jax.Array | None, values: jax.Array) -> jax.Array:
    """Return the weight of each of `values`, `(batch, ...)`."""
    if sample_weight is None:
        return jnp.ones(values.shape, jnp.float32)
    if sample_weight.shape != values.shape[: sample_weight.ndim]:
        raise ValueError(f"sample_weight has shape {sample_weight.shape}; one weight a sample is {values.shape[:1]}")
    weights = sample_weight.astype(jnp.float32).reshape(*sample_weight.shape, *[1] * (values.ndim - sample_weight.ndim))
    return jnp.broadcast_to(weights, values.shape)


# Accuracies: whether each output is a hit, and one value a sample


def binary_hits(y_true: jax.Array, y_pred: jax.Array, threshold: float = 0.5) -> jax.Array:
    """Return which outputs are on their label's side: 1 above `threshold`, else 0."""
    y_true, y_pred = align(y_true, y_pred)
    return (y_pred > threshold) == y_true


def categorical_hits(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return where the largest output is at the largest label; of `(batch, ..., classes)`, `(batch, ...)`."""
    y_true, y_pred = align(y_true, y_pred)
    return y_true.argmax(-1) == y_pred.argmax(-1)


def sparse_categorical_hits(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return where the largest output is at the label, a class number, of shape `(batch, ...)`."""
    y_true, y_pred = align_sparse(y_true, y_pred)
    return y_true == y_pred.argmax(-1)


def top_k_hits(y_true: jax.Array, y_pred: jax.Array, k: int = 5) -> jax.Array:
    """Return where the output at the largest label is among the `k` largest."""
    y_true, y_pred = align(y_true, y_pred)
    return sparse_top_k_hits(y_true.argmax(-1), y_pred, k)


def sparse_top_k_hits(y_true: jax.Array, y_pred: jax.Array, k: int = 5) -> jax.Array:
    """Return where the output at the label, a class number, is among the `k` largest; equal outputs share a place.

    NaN is never among them, and takes no other's place.
    """
    y_true, y_pred = align_sparse(y_true, y_pred)
    of_label = jnp.take_along_axis(y_pred, y_true[..., None], axis=-1)
    return ((y_pred > of_label).sum(-1) < k) & ~jnp.isnan(of_label.squeeze(-1))


def binary_accuracy(y_true: jax.Array, y_pred: jax.Array, threshold: float = 0.5) -> jax.Array:
    """Return the part of a sample's outputs that are on their label's side: 1 above `threshold`, else 0."""
    return sample_means(binary_hits(y_true, y_pred, threshold).astype(jnp.float32))


def categorical_accuracy(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return 1 where the largest output is at the largest label; both `(batch, ..., classes)`."""
    return sample_means(categorical_hits(y_true, y_pred).astype(jnp.float32))


def sparse_categorical_accuracy(y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
    """Return 1 where the largest output is at the label, a class number, of shape `(batch, ...)`."""
    return sample_means(sparse_categorical_hits(y_true, y_pred).astype(jnp.float32))


def top_k_categorical_accuracy(y_true: jax.Array, y_pred: jax.Array, k: int = 5) -> jax.Array:
    """Return 1 where the output at the largest label is among the `k` largest."""
    return sample_means(top_k_hits(y_true, y_pred, k).astype(jnp.float32))


def sparse_top_k_categorical_accuracy(y_true: jax.Array, y_pred: jax.Array, k: int = 5) -> jax.Array:
    """Return 1 where the output at the label, a class number, is among the `k` largest; equal outputs share a place."""
    return sample_means(sparse_top_k_hits(y_true, y_pred, k).astype(jnp.float32))


class BinaryAccuracy(MeanMetric):
    """The part of outputs on the right side of `threshold`, for labels 0 and 1; see `binary_accuracy`."""

    def __init__(self, threshold: float = 0.5, name: str = "binary_accuracy"):
        self.threshold = real("threshold", threshold)
        super().__init__(partial(binary_hits, threshold=self.threshold), name, "max")


class CategoricalAccuracy(MeanMetric):
    """The part of samples whose largest output is the right one, for one-hot labels."""

    def __init__(self, name: str = "categorical_accuracy"):
        super().__init__(categorical_hits, name, "max")


class SparseCategoricalAccuracy(MeanMetric):
    """The part of samples whose largest output is the right one, for class numbers as labels."""

    def __init__(self, name: str = "sparse_categorical_accuracy"):
        super().__init__(sparse_categorical_hits, name, "max")


class TopKCategoricalAccuracy(MeanMetric):
    """The part of samples with the right class among the `k` largest outputs, for one-hot labels."""

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy"):
        self.k = whole("k", k, 1)
        super().__init__(partial(top_k_hits, k=self.k), name, "max")


class SparseTopKCategoricalAccuracy(MeanMetric):
    """The part of samples with the right class among the `k` largest outputs, for class numbers as labels."""

    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy"):
        self.k = whole("k", k, 1)
        super().__init__(partial(sparse_top_k_hits, k=self.k), name, "max")


# Errors


class MeanSquaredError(LossMetric):
    """The mean of squared errors."""

    def __init__(self, name: str = "mean_squared_error"):
        super().__init__(losses.MeanSquaredError(), name)


class MeanAbsoluteError(LossMetric):
    """The mean of absolute errors."""

    def __init__(self, name: str = "mean_absolute_error"):
        super().__init__(losses.MeanAbsoluteError(), name)


class MeanAbsolutePercentageError(LossMetric):
    """The mean of absolute errors in percent of the labels."""

    def __init__(self, name: str = "mean_absolute_percentage_error"):
        super().__init__(losses.MeanAbsolutePercentageError(), name)


class CosineSimilarity(LossMetric):
    """The mean cosine of the angle between label and output, 1 the best; the loss of this name is minus that."""

    def __init__(self, name: str = "cosine_similarity"):
        super().__init__(losses.CosineSimilarity(), name)
        self.fn, self.direction = lambda y_true, y_pred: -losses.cosine_similarity(y_true, y_pred), "max"


class RootMeanSquaredError(Metric):
    """The square root of the mean of squared errors over all samples, not a mean of roots."""

    direction = "min"

    def __init__(self, name: str = "root_mean_squared_error"):
        self.name, self._squares = name, MeanSquaredError()

    def init(self) -> State:
        """Return zero sums of squared errors and weights."""
        return self._squares.init()

    def update(
        self, state: State, y_true: jax.Array, y_pred: jax.Array, sample_weight: jax.Array | None = None
    ) -> State:
        """Add a batch's squared errors and weights."""
        return self._squares.update(state, y_true, y_pred, sample_weight)

    def result(self, state: State) -> jax.Array:
        """Return the root of the mean."""
        return jnp.sqrt(self._squares.result(state))


class R2Score(Metric):
    """The coefficient of determination, 1 - residual / total sum of squares, averaged evenly over the outputs.

    For outputs of shape `(batch, outputs)`. An output whose labels are all equal counts 1 if predicted exactly, else 0
    (scikit-learn's `r2_score`; Keras gives NaN and 0). Squares are taken about the running mean (Chan et al. 1979): the
    difference of two large sums, Keras's formula, loses all digits in float32 for labels far from zero.
    """

    direction = "max"
    outputs: int | None = None

    def __init__(self, name: str = "r2_score"):
        self.name = name

    def bind(self, output_shape: Shape) -> Metric:
        """Return the metric for that number of outputs; a ValueError unless the shape is `(batch, outputs)`."""
        return _with(self, outputs=_width(self, output_shape))

    def init(self) -> State:
        """Return zero sums, one for each output; a ValueError before `bind`."""
        return _zeros("weight", "mean", "total", "residual", shape=_bound(self, self.outputs))

    def update(
        self, state: State, y_true: jax.Array, y_pred: jax.Array, sample_weight: jax.Array | None = None
    ) -> State:
        """Merge the sums of a batch with those so far."""
        y_true, y_pred = align(y_true, y_pred)
        weights = _weights(sample_weight, y_true)
        batch = weights.sum(0)
        mean = _divide((weights * y_true).sum(0), batch)
        squares = (weights * (y_true - mean) ** 2).sum(0)
        weight, shift = state["weight"] + batch, mean - state["mean"]
        merged = {
            "weight": weight,
            "mean": state["mean"] + shift * _divide(batch, weight),
            "total": state["total"] + squares + shift**2 * _divide(state["weight"] * batch, weight),
            "residual": state["residual"] + (weights * (y_true - y_pred) ** 2).sum(0),
        }
        return {name: value.astype(jnp.float32) for name, value in merged.items()}

    def result(self, state: State) -> jax.Array:
        """Return the mean score of the outputs."""
        constant = jnp.where(state["residual"] == 0, 1.0, 0.0)
        scores = jnp.where(state["total"] > 0, 1.0 - _divide(state["residual"], state["total"]), constant)
        return jnp.where(state["weight"].sum() > 0, scores.mean(), 0.0)


# Counts


class _Counts(Metric):
    """What is made of the numbers of true and false positives and false negatives above one threshold."""

    direction = "max"

    def __init__(self, thresholds: float, name: str):
        if not is_real(thresholds) or not 0 <= thresholds <= 1:
            raise ValueError(
                f"thresholds is one number from 0 to 1, since a logged value is one number: {thresholds!r}"
            )
        self.thresholds, self.name = real("thresholds", thresholds), name

    def init(self) -> State:
        """Return zero counts."""
        return _zeros("true_positives", "false_positives", "false_negatives")

    def update(
        self, state: State, y_true: jax.Array, y_pred: jax.Array, sample_weight: jax.Array | None = None
    ) -> State:
        """Add the counts of a batch."""
        y_true, y_pred = align(y_true, y_pred)
        return _plus(state, **_counts(y_true != 0, y_pred > self.thresholds, _weights(sample_weight, y_true), None))


class Precision(_Counts):
    """True positives / all predicted positives; all outputs of all samples count alike.

    An output is positive above `thresholds` (one number from 0 to 1), a label where it isn't 0. 0 where nothing was
    predicted positive.
    """

    def __init__(self, thresholds: float = 0.5, name: str = "precision"):
        super().__init__(thresholds, name)

    def result(self, state: State) -> jax.Array:
        """Return the precision over all batches."""
        return _divide(state["true_positives"], state["true_positives"] + state["false_positives"])


class Recall(_Counts):
    """True positives / all positive labels; all outputs of all samples count alike.

    An output is positive above `thresholds` (one number from 0 to 1), a label where it isn't 0. 0 where no label is
    positive.
    """

    def __init__(self, thresholds: float = 0.5, name: str = "recall"):
        super().__init__(thresholds, name)

    def result(self, state: State) -> jax.Array:
        """Return the recall over all batches."""
        return _divide(state["true_positives"], state["true_positives"] + state["false_negatives"])


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
    """

    direction = "max"
    classes: int | None = None

    def __init__(
        self,
        average: Literal["micro", "macro", "weighted"] | None = "macro",
        threshold: float | None = None,
        name: str = "f1_score",
    ):
        if average not in (None, "micro", "macro", "weighted"):
            raise unknown("average", average, ["micro", "macro", "weighted"])
        threshold = None if threshold is None else real("threshold", threshold)
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"threshold is a number above 0 and up to 1, or None, not {threshold!r}")
        self.average, self.threshold, self.name = average, threshold, name

    def bind(self, output_shape: Shape) -> Metric:
        """Return the metric for that number of classes; a ValueError unless the shape is `(batch, classes)`."""
        classes = _width(self, output_shape)
        if classes == 1 and self.threshold is None:
            raise ValueError(f"{self.name} of a single output needs a threshold: F1Score(threshold=0.5)")
        return _with(self, classes=classes)

    def init(self) -> State:
        """Return zero counts for each class; a ValueError before `bind`."""
        return _zeros("true_positives", "false_positives", "false_negatives", shape=_bound(self, self.classes))

    def update(
        self, state: State, y_true: jax.Array, y_pred: jax.Array, sample_weight: jax.Array | None = None
    ) -> State:
        """Add the counts of a batch."""
        y_true, y_pred = align(y_true, y_pred)
        if self.threshold is None:
            largest = y_pred.max(-1, keepdims=True)
            positive = (y_pred >= largest) & (jnp.abs(y_pred) > 1e-9)  # a row of zeros is of no class
        else:
            positive = y_pred > self.threshold
        return _plus(state, **_counts(y_true != 0, positive, _weights(sample_weight, y_true), 0))

    def result(self, state: State) -> jax.Array:
        """Return the average over the classes, or `(classes,)` for the average None."""
        if self.average == "micro":
            state = {name: counts.sum() for name, counts in state.items()}
        hits, labels = state["true_positives"], state["true_positives"] + state["false_negatives"]
        scores = _divide(2 * hits, hits + state["false_positives"] + labels)
        if self.average == "weighted":
            return _divide((scores * labels).sum(), labels.sum())
        return scores if self.average is None else scores.mean()


class AUC(Metric):
    """The area under the ROC curve (true against false positive rate) or the PR curve (precision against recall).

    Keras's method: outputs, from 0 to 1, are counted in buckets between `num_thresholds` evenly spaced thresholds, and
    the curve is drawn through the counts, for ROC in straight lines, for PR after Davis and Goadrich 2006. So the area
    is exact up to what lies within a bucket. All outputs of all samples count alike; labels other than 0 are positive.

    Args:
        num_thresholds: How many, at least 2.
        curve: "ROC" or "PR".
        name: The name in the logs.
    """

    direction = "max"

    def __init__(self, num_thresholds: int = 200, curve: str = "ROC", name: str = "auc"):
        num_thresholds = whole("num_thresholds", num_thresholds)
        if num_thresholds < 2:
            raise ValueError(f"num_thresholds must be at least 2, not {num_thresholds!r}")
        if curve not in ("ROC", "PR"):
            raise unknown("curve", curve, ["ROC", "PR"])
        self.num_thresholds, self.curve, self.name = num_thresholds, curve, name

    def init(self) -> State:
        """Return empty buckets."""
        return _zeros("positives", "negatives", shape=(self.num_thresholds,))

    def update(
        self, state: State, y_true: jax.Array, y_pred: jax.Array, sample_weight: jax.Array | None = None
    ) -> State:
        """Count a batch into the buckets."""
        y_true, y_pred = align(y_true, y_pred)
        weights = _weights(sample_weight, y_true)
        # Bucket i holds what is above threshold i and no higher than i + 1; the lowest also what is exactly 0.
        bucket = jnp.maximum(jnp.ceil(jnp.clip(y_pred, 0.0, 1.0) * (self.num_thresholds - 1)) - 1, 0).astype(jnp.int32)
        count = lambda weights: jax.ops.segment_sum(weights.ravel(), bucket.ravel(), self.num_thresholds)
        positive = y_true != 0
        return _plus(state, positives=count(weights * positive), negatives=count(weights * ~positive))

    def result(self, state: State) -> jax.Array:
        """Return the area."""
        above = lambda buckets: jnp.cumsum(buckets[::-1])[::-1]
        hits, false = above(state["positives"]), above(state["negatives"])
        if self.curve == "ROC":
            height, width = _divide(hits, hits[0]), _divide(false, false[0])
            return ((width[:-1] - width[1:]) * (height[:-1] + height[1:]) / 2).sum()
        return _interpolated_pr_area(hits, hits + false)


def _interpolated_pr_area(hits: jax.Array, found: jax.Array) -> jax.Array:
    """Return the area under precision against recall, hits growing in line with what is found between two thresholds.

    Davis and Goadrich 2006, as in Keras's `AUC.interpolate_pr_auc`: with hits = slope × found + intercept, the integral
    of hits / found by hits is slope × (Δhits + intercept × log(found ratio)).
    """
    d_hits, d_found = hits[:-1] - hits[1:], found[:-1] - found[1:]
    slope = _divide(d_hits, d_found)
    intercept = hits[1:] - slope * found[1:]
    ratio = jnp.where((found[:-1] > 0) & (found[1:] > 0), _divide(found[:-1], found[1:]), 1.0)
    return _divide((slope * (d_hits + intercept * jnp.log(ratio))).sum(), hits[0])


def _counts(labels: jax.Array, positive: jax.Array, weights: jax.Array, axis: int | None) -> State:
    return {
        "true_positives": (weights * (labels & positive)).sum(axis),
        "false_positives": (weights * (~labels & positive)).sum(axis),
        "false_negatives": (weights * (labels & ~positive)).sum(axis),
    }


def _with(metric: Metric, **known: Any) -> Metric:
    bound = copy.copy(metric)
    vars(bound).update(known)
    return bound


def _width(metric: Metric, output_shape: Shape) -> int | None:
    if len(output_shape) > 2:
        raise ValueError(f"{metric.name} needs an output of two axes, the batch and the values, not {output_shape}")
    return output_shape[-1] if len(output_shape) == 2 else 1


def _bound(metric: Metric, width: int | None) -> tuple[int]:
    if width is None:
        raise ValueError(f"{metric.name} must know the output's width first: metric.bind((None, width))")
    return (width,)


# By name

_METRICS: dict[str, Callable[..., Metric]] = {
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "cosine_similarity": CosineSimilarity,
    "root_mean_squared_error": RootMeanSquaredError,
    "rmse": RootMeanSquaredError,
    "r2_score": R2Score,
    "precision": Precision,
    "recall": Recall,
    "f1_score": F1Score,
    "auc": AUC,
}
_BY_NAME = {name.replace("_", ""): metric for name, metric in _METRICS.items()}
_ACCURACIES = {"sparse": SparseCategoricalAccuracy, "categorical": CategoricalAccuracy}
_CROSSENTROPIES = {
    "binary": losses.BinaryCrossentropy,
    "sparse": losses.SparseCategoricalCrossentropy,
    "categorical": losses.CategoricalCrossentropy,
}
_KERAS_ONLY = {
    "dtype": "float32",
    "summation_method": "interpolation",
    "multi_label": False,
    "from_logits": False,
    "axis": -1,
}
"""What Keras also saves, with the one value that means what is done here; any other value is an error."""


def known_names() -> list[str]:
    """Return the names of all metrics but those that are losses."""
    return ["accuracy", "acc", "crossentropy", "ce", *_METRICS]


def get(
    identifier: str | dict[str, Any] | SampleLoss | Metric | Loss | type[Metric],
    loss: Loss | None = None,
    output_shape: Shape = (None, None),
    target_shape: Shape = (None, None),
) -> Metric:
    """Return the metric that an identifier stands for.

    A name is a metric's or a loss's, in any of Keras's spellings, and is the name in the logs just as it was written.
    "accuracy" and "acc" choose the accuracy, "crossentropy" and "ce" the cross-entropy, that fits: binary for a single
    output or a binary loss, else by class number or one-hot, as the loss or the labels have it. If the loss is
    from logits, binary accuracy asks which side of 0 an output is on. (Keras: of one half, whatever the loss says.)

    Args:
        identifier: A name, what Keras saves (``{"class_name": …, "config": {…}}``), a `Metric`, a `Loss`, or a function
            ``fn(y_true, y_pred)``.
        loss: What the model is trained with.
        output_shape: The shape of the output, `(batch, ...)`.
        target_shape: The shape of the labels, `(batch, ...)`.

    Raises:
        ValueError: For a name nobody knows, or a metric that doesn't fit the output.
        TypeError: For anything else.
    """
    if isinstance(identifier, str):
        metric = _with(_named(identifier, loss, output_shape, target_shape), name=identifier)
    else:
        metric = _given(identifier)
    _check(metric, loss)
    return metric.bind(output_shape)


def _named(name: str, loss: Loss | None, output_shape: Shape, target_shape: Shape) -> Metric:
    """Return the metric of a name; some choose by what the model is trained with."""
    from_logits = getattr(loss, "from_logits", False)
    if output_shape[-1] == 1 or isinstance(loss, losses.BinaryCrossentropy):
        kind = "binary"
    elif isinstance(loss, losses.SparseCategoricalCrossentropy) or takes_class_numbers(target_shape, output_shape):
        kind = "sparse"
    else:
        kind = "categorical"
    match name.lower():
        case "accuracy" | "acc" if kind != "binary":
            return _ACCURACIES[kind]()
        case "accuracy" | "acc" | "binary_accuracy" | "binaryaccuracy":
            return BinaryAccuracy(threshold=0.0 if from_logits else 0.5)  # 0 is the logit of one half
        case "crossentropy" | "ce":
            return _of_loss(_CROSSENTROPIES[kind](from_logits=from_logits))
    return _lookup(name)()


def _given(identifier: Any) -> Metric:
    """Return the metric of anything but a name."""
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, Loss):
        return _of_loss(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Metric | Loss):
        return _given(identifier())
    if callable(identifier):
        name = name_of_function(identifier)
        return MeanMetric(identifier) if name is None else _with(_lookup(name)(), name=name)  # type: ignore[arg-type]
    if not isinstance(identifier, dict) or not isinstance(identifier.get("class_name"), str):
        raise TypeError(f"a metric is a name, a function, a Metric or a Loss, not {identifier!r}")
    config = (identifier.get("config") or {}).items()
    given = {key: value for key, value in config if value is not None and _KERAS_ONLY.get(key) != value}
    return _lookup(identifier["class_name"])(**given)


def name_of_function(function: Any) -> str | None:
    """Return the name by which a function of this package is a metric; None for any other function."""
    name = getattr(function, "__name__", None)
    ours = globals() if name in _METRICS else vars(losses)
    return name if name is not None and ours.get(name) is function and not isinstance(function, type) else None


def _lookup(name: str) -> Callable[..., Metric]:
    plain = name.replace("_", "").lower()
    if plain in _BY_NAME:
        return _BY_NAME[plain]
    if name in LOSSES:
        return lambda **options: _of_loss(LOSSES.make(name, options))
    raise unknown("metric", name, [*known_names(), *losses.known_names()])


def _of_loss(loss: Loss) -> Metric:
    return LossMetric(loss)


def _check(metric: Metric, loss: Loss | None) -> None:
    lacking = [name for name in ("init", "update", "result") if getattr(type(metric), name) is getattr(Metric, name)]
    if lacking:
        raise TypeError(
            f"{type(metric).__name__} is a Metric without {', '.join(lacking)}: the state of a metric is what `init()` "
            "returns and `update(state, y_true, y_pred, sample_weight)` makes anew, not attributes or weights that "
            "`update_state` changes; `result(state)` is its value."
        )
    if metric.direction not in ("min", "max", None):
        raise ValueError(f"the direction of {metric.name} is 'min', 'max' or None; got {metric.direction!r}.")
    if isinstance(metric, F1Score) and metric.average is None:
        raise ValueError("F1Score(average=None) gives one value a class, a logged value is one number: use 'macro'")
    by_threshold = isinstance(metric, AUC | _Counts) or (isinstance(metric, F1Score) and metric.threshold is not None)
    if by_threshold and getattr(loss, "from_logits", False):
        raise ValueError(
            f"{metric.name} needs outputs from 0 to 1, but the loss says that they are logits (from_logits=True): "
            "end the model with a sigmoid or softmax and leave from_logits out"
        )
