"""Metrics of labels that are numbers: how far outputs are from them.

Source: keras/src/metrics/regression_metrics.py, but for `R2Score`.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from .. import losses
from ..data.targets import Shape
from ..losses.values import align
from .metric import METRICS, Direction, LossMetric, Metric, changed
from .sums import Sums, divide, weights_of, zeros
from .widths import known_width, width_of


def cosines(y_true: Array, y_pred: Array) -> Array:
    """Return the cosine of the angle between labels and outputs along the last axis, one value a sample."""
    return -losses.cosine_similarity(y_true, y_pred)


@METRICS.register("mse", function=losses.mean_squared_error)
class MeanSquaredError(LossMetric):
    """The mean of squared errors.

    Args:
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import MeanSquaredError
        >>> metric = MeanSquaredError()
        >>> state = metric.update(metric.init(), jnp.array([[1.0], [0.0]]), jnp.array([[1.0], [2.0]]))
        >>> metric.result(state)
        Array(2., dtype=float32)
    """

    def __init__(self, name: str = "mean_squared_error") -> None:
        super().__init__(losses.MeanSquaredError(), name)


@METRICS.register("mae", function=losses.mean_absolute_error)
class MeanAbsoluteError(LossMetric):
    """The mean of absolute errors.

    Args:
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import MeanAbsoluteError
        >>> metric = MeanAbsoluteError()
        >>> state = metric.update(metric.init(), jnp.array([[1.0], [0.0]]), jnp.array([[1.0], [2.0]]))
        >>> metric.result(state)
        Array(1., dtype=float32)
    """

    def __init__(self, name: str = "mean_absolute_error") -> None:
        super().__init__(losses.MeanAbsoluteError(), name)


@METRICS.register("mape", function=losses.mean_absolute_percentage_error)
class MeanAbsolutePercentageError(LossMetric):
    """The mean of absolute errors in percent of the labels.

    Args:
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import MeanAbsolutePercentageError
        >>> metric = MeanAbsolutePercentageError()
        >>> state = metric.update(metric.init(), jnp.array([[4.0], [2.0]]), jnp.array([[5.0], [2.0]]))
        >>> metric.result(state)
        Array(12.5, dtype=float32)
    """

    def __init__(self, name: str = "mean_absolute_percentage_error") -> None:
        super().__init__(losses.MeanAbsolutePercentageError(), name)


@METRICS.register()
class CosineSimilarity(LossMetric):
    """The mean cosine of the angle between label and output, 1 the best; the loss of this name is minus that.

    Args:
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import CosineSimilarity
        >>> metric = CosineSimilarity()
        >>> state = metric.update(metric.init(), jnp.array([[0.0, 1.0]]), jnp.array([[0.0, 2.0]]))
        >>> metric.result(state)
        Array(1., dtype=float32)
    """

    def __init__(self, name: str = "cosine_similarity") -> None:
        super().__init__(losses.CosineSimilarity(), name)
        self.fn = cosines
        self.direction: Direction = "max"


@METRICS.register("rmse")
class RootMeanSquaredError(Metric):
    """The square root of the mean of squared errors over all samples, not a mean of roots.

    Args:
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import RootMeanSquaredError
        >>> metric = RootMeanSquaredError()
        >>> state = metric.update(metric.init(), jnp.array([[0.0, 0.0]]), jnp.array([[1.0, 7.0]]))
        >>> metric.result(state)
        Array(5., dtype=float32)
    """

    direction: Direction = "min"

    def __init__(self, name: str = "root_mean_squared_error") -> None:
        self.name, self._squares = name, MeanSquaredError()

    def init(self) -> Sums:
        """Return zero sums of squared errors and weights."""
        return self._squares.init()

    def update(self, state: Sums, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Sums:
        """Add a batch's squared errors and weights."""
        return self._squares.update(state, y_true, y_pred, sample_weight)

    def result(self, state: Sums) -> Array:
        """Return the root of the mean."""
        return jnp.sqrt(self._squares.result(state))


@METRICS.register()
class R2Score(Metric):
    """The coefficient of determination, 1 - residual / total sum of squares, averaged evenly over the outputs.

    For outputs of shape `(batch, outputs)`. An output whose labels are all equal counts 1 if predicted exactly, else 0:
    scikit-learn's `r2_score`; Keras gives NaN and 0. Squares are taken about the running mean (Chan et al. 1979): the
    difference of two large sums, Keras's formula, loses all digits in float32 for labels far from zero.

    Args:
        name: The name in the logs.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import R2Score
        >>> metric = R2Score().bind((None, 1))
        >>> state = metric.update(metric.init(), jnp.array([[1.0], [3.0]]), jnp.array([[1.0], [2.0]]))
        >>> metric.result(state)
        Array(0.5, dtype=float32)
    """

    direction: Direction = "max"
    outputs: int | None = None

    def __init__(self, name: str = "r2_score") -> None:
        self.name = name

    def bind(self, output_shape: Shape) -> Metric:
        """Return the metric for that number of outputs; a ValueError unless the shape is `(batch, outputs)`."""
        return changed(self, outputs=width_of(self.name, output_shape))

    def init(self) -> Sums:
        """Return zero sums, one for each output; a ValueError before `bind`."""
        return zeros("weight", "mean", "total", "residual", shape=(known_width(self.name, self.outputs),))

    def update(self, state: Sums, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Sums:
        """Merge the sums of a batch with those so far."""
        y_true, y_pred = align(y_true, y_pred)
        weights = weights_of(y_true, sample_weight)
        batch = weights.sum(0)
        mean = divide((weights * y_true).sum(0), batch)
        squares = (weights * (y_true - mean) ** 2).sum(0)
        weight, shift = state["weight"] + batch, mean - state["mean"]
        merged = {
            "weight": weight,
            "mean": state["mean"] + shift * divide(batch, weight),
            "total": state["total"] + squares + shift**2 * divide(state["weight"] * batch, weight),
            "residual": state["residual"] + (weights * (y_true - y_pred) ** 2).sum(0),
        }
        return {name: value.astype(jnp.float32) for name, value in merged.items()}

    def result(self, state: Sums) -> Array:
        """Return the mean score of the outputs."""
        constant = jnp.where(state["residual"] == 0, 1.0, 0.0)
        scores = jnp.where(state["total"] > 0, 1.0 - divide(state["residual"], state["total"]), constant)
        return jnp.where(state["weight"].sum() > 0, scores.mean(), 0.0)
