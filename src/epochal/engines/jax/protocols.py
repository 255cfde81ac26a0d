"""What a step asks of an optimizer and of a metric."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import optax
from jax import Array

from ...data.targets import Shape

MetricState = Any
"""A tree of arrays; each metric knows the structure of its own."""


class LearningRatesLike(Protocol):
    """Learning rates by name, plain floats, to read and to set."""

    changes: int
    """How often one was set to another value."""

    def as_dict(self) -> dict[str, float]:
        """Return a copy."""
        ...

    def __setitem__(self, name: str, rate: float, /) -> None: ...


class OptimizerLike(Protocol):
    """Makes the transform of gradients into what is added to the weights, and holds the learning rates for it."""

    @property
    def name(self) -> str:
        """What identifies the kind of optimizer in a saved run."""
        ...

    @property
    def is_known(self) -> bool:
        """Whether the transform's `update` takes gradients and weights only, and keeps all dtypes and shapes."""
        ...

    @property
    def learning_rates(self) -> LearningRatesLike:
        """The learning rates that can be set; they are written into the state before a span of steps."""
        ...

    def transform(self) -> optax.GradientTransformation:
        """Return the transform; its learning rates are hyperparameters of `optax.inject_hyperparams` in its state."""
        ...

    def expose_rates(self, rates: Mapping[str, float], scheduled: Iterable[str] = ()) -> None:
        """Let the learning rates that were found in the state be read and set under these names.

        Args:
            rates: All of them, by name.
            scheduled: The names of those that a schedule sets, before each step.
        """
        ...

    def count_by(self, count: Callable[[], int]) -> None:
        """Let `iterations` be what a bound method returns, as long as its owner lives."""
        ...

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as values that JSON can hold."""
        ...


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
