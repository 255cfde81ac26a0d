"""A batch's logs: metrics under their names, of one output or another."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp

from .metric_like import MeanMetricLike, MetricLike
from .targets import prepared
from .trees import Array, PyTree, map_leaves


class Predicted(NamedTuple):
    """What a module made of a batch.

    Attributes:
        outputs: An array, or a nest of them.
        masks: Which steps of the outputs count, in a nest like theirs; None where all do.
    """

    outputs: PyTree
    masks: PyTree


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LoggedValues:
    """What a batch logs.

    Attributes:
        numbers: float32, `(names,)`.
        counts: For each of them 0 if it is the batch's value; else it is a sum, of so many values a sample.
    """

    numbers: Array
    counts: tuple[int, ...] = field(metadata={"static": True})


@dataclass(frozen=True)
class Output:
    """One of several outputs of a module."""

    number: int
    name: str

    def of(self, nest: PyTree) -> PyTree:
        """Return what belongs to this output: by its name in a dict, else by its number.

        Raises:
            ValueError: If the nest is a single array.
        """
        if isinstance(nest, Mapping):
            return cast("Mapping[str, PyTree]", nest).get(self.name)
        if not isinstance(nest, (list, tuple)):
            raise ValueError(f"metrics by output need a list or a dict of targets and of outputs; got {nest!r}.")
        return cast("Sequence[PyTree]", nest)[self.number]


EXACT = 1 << 24
"""Up to this, float32 has all integers."""


@dataclass(frozen=True)
class LoggedMetric:
    """A metric as a fit logs it.

    Attributes:
        name: Its key in the logs.
        metric: Computes it.
        weighted: Whether the sample weights count.
        output: The output it is about; None if there is only one.
        masked: Whether a mask says which steps of the output count.
    """

    name: str
    metric: MetricLike
    weighted: bool = False
    output: Output | None = None
    masked: bool = False

    @property
    def own_name(self) -> str:
        """The name without that of the output."""
        return self.name if self.output is None else self.name.replace(f"{self.output.name}_", "", 1)  # or `weighted_…`

    @property
    def is_mean(self) -> bool:
        """Whether its value for an epoch is the size-weighted mean of the batches' values."""
        return self._mean is not None

    @property
    def _mean(self) -> MeanMetricLike | None:
        """The metric as a mean over the samples, each of which counts as 1."""
        counts_all = not (self.weighted or self.masked)
        return self.metric if counts_all and isinstance(self.metric, MeanMetricLike) else None

    def of_batch(self, y: PyTree, predicted: Predicted, weight: PyTree) -> tuple[Array, int]:
        """Return the value of one batch alone, and 0; or the sum of its values, and how many of them a sample has."""
        if (mean := self._mean) is None:
            return self.result(self.updated(self.metric.init(), y, predicted, weight)), 0
        y, y_pred, _ = prepared(self._own(y), self._own(predicted.outputs))
        values = mean.per_sample(y, y_pred)
        if values.ndim == 0 or not mean.adds_up:
            return values.mean(), 0
        # A count in floats, which are exact up to 2**24, goes over the devices with the gradients; integers don't
        counts = None if values.dtype != bool else jnp.float32 if values.size < EXACT else jnp.int32
        return values.sum(dtype=counts), values.size // values.shape[0]

    def updated(self, state: PyTree, y: PyTree, predicted: Predicted, weight: PyTree) -> PyTree:
        """Return the state after one more batch."""
        y, y_pred, weight = prepared(
            self._own(y),
            self._own(predicted.outputs),
            self._own(weight) if self.weighted else None,
            self._own(predicted.masks),
            self.metric.steps_are_samples,
        )
        updated = self.metric.update(state, y, y_pred, weight)
        before, after = _with_shapes(state), _with_shapes(updated)
        if before != after:
            raise ValueError(
                f"update() of {self.name} must return a state like init()'s, in its shapes: {before}; got {after}."
            )
        return updated

    def result(self, state: PyTree) -> Array:
        """Return the value that a state stands for, a scalar.

        Raises:
            ValueError: If the metric returns anything else.
        """
        value = jnp.asarray(self.metric.result(state))
        if value.ndim:
            raise ValueError(f"result() of {self.name} has shape {value.shape}; a logged value is one number.")
        return value

    def _own(self, nest: PyTree) -> PyTree:
        return nest if self.output is None or nest is None else self.output.of(nest)


def _with_shapes(state: PyTree) -> PyTree:
    """Return a state with the shapes of its arrays in their places."""
    return map_leaves(lambda leaf: f"shape {jnp.shape(leaf)}", state)
