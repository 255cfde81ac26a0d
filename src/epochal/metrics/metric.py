"""What all metrics share, and the registry of their names."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
from typing import Literal, TypeVar

import jax.numpy as jnp
from jax import Array

from ..data.targets import Shape
from ..losses.loss import Loss, LossFunction
from ..losses.values import by_sample, weighted_shape
from ..registry import Named, Registry
from .sums import Sums, add, divide, weights_of, zeros

Direction = Literal["min", "max"] | None
"""Which way is better; None leaves it to the name."""

N = TypeVar("N", bound=Named)


class Metric(Named):
    """The base of all metrics. For one of your own, subclass it and write `init`, `update` and `result`.

    A plain function ``fn(y_true, y_pred)`` serves too: its mean over all samples is logged. Either gets labels in the
    dtype of the outputs, but class numbers as integers.

    Args:
        name: The name in the logs; the class's in snake case if None.

    Attributes:
        direction: Which way is better, "min" or "max"; None leaves it to the name.
        steps_are_samples: For outputs of steps, `(batch, steps, …)`, whose steps have weights or a mask: whether
            `update` gets them as `(batch * steps, …)`, each step a sample.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import Metric
        >>> class LargestError(Metric):
        ...     direction = "min"
        ...     def init(self):
        ...         return {"largest": jnp.zeros(())}
        ...     def update(self, state, y_true, y_pred, sample_weight=None):
        ...         return {"largest": jnp.maximum(state["largest"], abs(y_pred - y_true).max())}
        ...     def result(self, state):
        ...         return state["largest"]
        >>> metric = LargestError()
        >>> state = metric.update(metric.init(), jnp.array([[1.0], [0.0]]), jnp.array([[0.5], [3.0]]))
        >>> metric.name, metric.result(state)
        ('largest_error', Array(3., dtype=float32))
    """

    direction: Direction = None
    steps_are_samples: bool = True

    @property
    def needs_probabilities(self) -> bool:
        """Whether outputs must lie between 0 and 1, and so can't be logits."""
        return False

    def bind(self, output_shape: Shape) -> Metric:
        """Return the metric for a model's output of that shape, `(batch, …)`; most don't need to know it."""
        return self

    def init(self) -> Sums:
        """Return the state before the first batch: a tree of arrays."""
        raise NotImplementedError

    def update(self, state: Sums, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Sums:
        """Return the state after one more batch.

        Args:
            state: What `init` or the last `update` returned.
            y_true: Labels, `(batch, …)`.
            y_pred: Outputs, `(batch, …)`.
            sample_weight: `(batch,)`; None means 1 for all.
        """
        raise NotImplementedError

    def result(self, state: Sums) -> Array:
        """Return the value over all batches so far, a scalar; 0 before the first."""
        raise NotImplementedError


class MeanMetric(Metric):
    """The mean over all samples of a function.

    Args:
        fn: ``(y_true, y_pred)`` to one value a sample, or several, `(batch, …)`, or one number that stands for all.
        name: The name in the logs; the function's if None.
        direction: Which way is better, "min" or "max"; the function's attribute `direction` if None, or the name tells.

    Attributes:
        adds_up: Whether an engine sums a batch's values, which is exact for counts; else it takes their mean, as of a
            loss.

    Example:
        >>> import jax.numpy as jnp
        >>> from epochal.metrics import MeanMetric
        >>> def bias(y_true, y_pred):
        ...     return y_pred - y_true
        >>> metric = MeanMetric(bias, direction="min")
        >>> state = metric.update(metric.init(), jnp.array([[1.0], [0.0]]), jnp.array([[1.0], [3.0]]))
        >>> metric.name, metric.result(state)
        ('bias', Array(1.5, dtype=float32))
    """

    steps_are_samples = False
    adds_up: bool = True

    def __init__(self, fn: LossFunction, name: str | None = None, direction: Direction = None) -> None:
        self.fn, self.name = fn, name or getattr(fn, "__name__", type(fn).__name__)
        self.direction: Direction = direction or getattr(fn, "direction", None)

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """Return a batch's values, `(batch, …)`, whose mean is the metric's, or one number that is their mean."""
        found = self.fn(y_true, y_pred)
        by_sample(self.name, found, y_pred.shape[:1])
        values = jnp.asarray(found)
        if values.dtype == bool:
            return values
        return values.astype(jnp.promote_types(values.dtype, jnp.float32))  # narrower ones, or integers, may overflow

    def init(self) -> Sums:
        """Return zero sums of values and weights."""
        return zeros("total", "weight")

    def update(self, state: Sums, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Sums:
        """Add a batch's values and weights; these are `(batch,)`, or `(batch, steps)` for one value a step."""
        found = self.per_sample(y_true, y_pred)
        values = by_sample(self.name, found, weighted_shape(sample_weight, y_pred.shape[0]))
        weights = weights_of(values, sample_weight)
        return add(state, {"total": (values * weights).sum(), "weight": weights.sum()})

    def result(self, state: Sums) -> Array:
        """Return the weighted mean."""
        return divide(state["total"], state["weight"])


class LossMetric(MeanMetric):
    """A loss as a metric: averaged as the loss is, so that both are equal to the last bit.

    Args:
        loss: The loss.
        name: The name in the logs; the loss's if None.
    """

    adds_up = False

    def __init__(self, loss: Loss, name: str | None = None) -> None:
        super().__init__(loss.formula, name or loss.name, "min")
        self.loss, self.steps_are_samples = loss, loss.steps_are_samples


def changed(named: N, **attributes: object) -> N:
    """Return a copy of a metric or loss with some attributes changed."""
    made = copy.copy(named)
    vars(made).update(attributes)
    return made


METRICS: Registry[Metric] = Registry(
    "metric",
    "a metric is a name, a function, a Metric or a Loss",
    Metric,
    of_function=MeanMetric,
    ignored={
        "dtype": "float32",
        "summation_method": "interpolation",
        "multi_label": False,
        "from_logits": False,
        "axis": -1,
    },
    none_is_default=True,
)
