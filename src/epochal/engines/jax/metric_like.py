"""What a step asks of a metric."""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

from jax import Array

from ...data.targets import Shape

MetricState = Any
"""A tree of arrays; each metric knows the structure of its own."""


class MetricLike(Protocol):
    """Computes a value over all batches of an epoch from a state that stays on the device."""

    @property
    def name(self) -> str:
        """The name in the logs."""
        ...

    @property
    def direction(self) -> Literal["min", "max"] | None:
        """Which way is better; None leaves it to the name."""
        ...

    @property
    def steps_are_samples(self) -> bool:
        """Whether steps with weights of their own, or with a mask, come as samples: `(batch × steps, …)`."""
        ...

    def bind(self, output_shape: Shape, /) -> MetricLike:
        """Return the metric for an output of that shape, `(batch, …)`."""
        ...

    def init(self) -> MetricState:
        """Return the state before the first batch."""
        ...

    def update(
        self, state: MetricState, y_true: Array, y_pred: Array, sample_weight: Array | None = None, /
    ) -> MetricState:
        """Return the state after one more batch, in the same structure, shapes and dtypes."""
        ...

    def result(self, state: MetricState, /) -> Array:
        """Return the value over all batches so far, a scalar."""
        ...


@runtime_checkable
class MeanMetricLike(MetricLike, Protocol):
    """A metric that is the mean of values, so that an engine may add them up itself."""

    @property
    def adds_up(self) -> bool:
        """Whether a batch's values are summed, which is exact for counts; else their mean is taken, as of a loss."""
        ...

    def per_sample(self, y_true: Array, y_pred: Array, /) -> Array:
        """Return a batch's values, `(batch, …)`, or one number that is their mean."""
        ...
