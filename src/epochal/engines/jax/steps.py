"""What one batch does: a training step, a test step, a prediction, as functions of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import optax
from flax import nnx


class Metric(Protocol):
    """What the engine asks of a metric whose state it carries over an epoch."""

    def init(self) -> Any:
        """Return the state before the first batch."""
        ...

    def update(self, state: Any, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the state after a batch."""
        ...

    def result(self, state: Any) -> Any:
        """Return the value, a scalar."""
        ...


@dataclass(frozen=True)
class Measure:
    """A metric as a fit logs it.

    Attributes:
        name: Its key in the logs.
        metric: Computes it.
        weighted: Whether the sample weights count.
    """

    name: str
    metric: Any
    weighted: bool = False

    @property
    def is_mean(self) -> bool:
        """Whether its value for an epoch is the size-weighted mean of the batches' values."""
        return hasattr(self.metric, "per_sample") and not self.weighted

    def of_batch(self, y: Any, y_pred: Any, weight: Any) -> Any:
        """Return the value of one batch alone."""
        if self.is_mean:
            return self.metric.per_sample(y, y_pred).mean()
        return self.metric.result(self.updated(self.metric.init(), y, y_pred, weight))

    def updated(self, state: Any, y: Any, y_pred: Any, weight: Any) -> Any:
        """Return the state after one more batch."""
        return self.metric.update(state, y, y_pred, weight if self.weighted else None)


@dataclass(frozen=True)
class Steps:
    """The steps of one module, objective and optimizer.

    Attributes:
        objective: `(module, x, y, sample_weight) -> (loss, y_pred)`.
        predict: `(module, x) -> y_pred`.
        measures: The metrics, in log order.
        training: The module's graph in training mode.
        testing: The module's graph in inference mode.
        optimizer: The transform; None for a model that only predicts.
        decay: How much of the averaged weights a step keeps; None if there is no average.
    """

    objective: Callable[..., tuple[Any, Any]]
    predict: Callable[[Any, Any], Any]
    measures: Sequence[Measure]
    training: Any
    testing: Any
    optimizer: optax.GradientTransformation | None = None
    decay: float | None = None

    def train(self, parts: Mapping[str, Any], batch: Any) -> tuple[dict[str, Any], Any]:
        """Return the parts after one optimizer step, and the batch's loss and metrics."""
        x, y, weight = batch

        def loss_of(params: Any) -> Any:
            module = nnx.merge(self.training, params, parts["other"], copy=True)
            loss, y_pred = self.objective(module, x, y, weight)
            nnx.pop(module, nnx.Intermediate)  # what a module sows would change the carry's structure
            return loss, (y_pred, nnx.split(module, nnx.Param, ...)[2])

        assert self.optimizer is not None
        (loss, (y_pred, other)), gradients = jax.value_and_grad(loss_of, has_aux=True)(parts["params"])
        updates, optimizer = self.optimizer.update(gradients, parts["optimizer"], parts["params"])
        params = optax.apply_updates(parts["params"], updates)
        metrics = self._updated(parts["metrics"], y, y_pred, weight)
        after = {
            **parts,
            "average": self._averaged(parts["average"], params),
            "params": params,
            "other": other,
            "optimizer": optimizer,
            "metrics": metrics,
        }
        return after, self._values(loss, y, y_pred, weight)

    def _averaged(self, average: Any, params: Any) -> Any:
        """Move the averaged weights a little: Keras's rule, `decay * average + (1 - decay) * weights`."""
        if (decay := self.decay) is None:
            return average
        return jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, average, params)

    def shown(self, parts: Mapping[str, Any]) -> Any:
        """Return the weights that everybody but the training step sees."""
        return parts["params"] if self.decay is None else parts["average"]

    def test(self, metrics: Any, parts: Mapping[str, Any], batch: Any) -> tuple[Any, Any]:
        """Return the metrics' states after one batch, and the batch's loss and metrics."""
        x, y, weight = batch
        module = nnx.merge(self.testing, self.shown(parts), parts["other"], copy=True)
        loss, y_pred = self.objective(module, x, y, weight)
        return self._updated(metrics, y, y_pred, weight), self._values(loss, y, y_pred, weight)

    def outputs(self, parts: Mapping[str, Any], x: Any) -> Any:
        """Return a batch's outputs in inference mode."""
        return self.predict(nnx.merge(self.testing, self.shown(parts), parts["other"], copy=True), x)

    def initial_metrics(self) -> list[Any]:
        """Return the states of the metrics that are no plain means."""
        return [measure.metric.init() for measure in self.measures if not measure.is_mean]

    def metric_results(self, states: Sequence[Any]) -> dict[str, Any]:
        """Return the results of the metrics that are no plain means, by name."""
        carried = [measure for measure in self.measures if not measure.is_mean]
        return {m.name: m.metric.result(state) for m, state in zip(carried, states, strict=True)}

    def _updated(self, states: Sequence[Any], y: Any, y_pred: Any, weight: Any) -> list[Any]:
        carried = [measure for measure in self.measures if not measure.is_mean]
        return [m.updated(state, y, y_pred, weight) for m, state in zip(carried, states, strict=True)]

    def _values(self, loss: Any, y: Any, y_pred: Any, weight: Any) -> Any:
        values = [loss, *(measure.of_batch(y, y_pred, weight) for measure in self.measures)]
        return jnp.stack([jnp.asarray(value, jnp.float32) for value in values])
