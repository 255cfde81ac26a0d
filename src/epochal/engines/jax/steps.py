"""What one batch does: a training step, a test step, a prediction, as pure functions of arrays."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from . import side_effects
from .accumulation import Evaluate, Evaluated, in_parts
from .failures import named
from .logged_metrics import LoggedMetric, LoggedValues, Predicted
from .module_split import split
from .module_state import Graph, ModuleState
from .objective import Objective
from .precision import cast_floats, wide
from .train_state import TrainState
from .trees import Array, DeviceBatch, PyTree, map_pairs
from .updates import Update, constrained, evaluated


@dataclass(frozen=True)
class Steps:
    """The steps of one module, objective and optimizer. Compiled programs hold these, and no engine.

    Attributes:
        objective: What is minimised; None for a module that only predicts.
        predict: `(module, x) -> y_pred`.
        metrics: In log order.
        training: The module's graph in training mode.
        inference: The module's graph in inference mode.
        update: How gradients change the weights; None for a module that only predicts.
        decay: How much of the averaged weights a step keeps; None if there is no average.
        dtype: What floats are computed in, if not in the dtypes they have; weights keep theirs.
        accumulate: In how many parts a batch goes through the module.
        adapt: Brings inputs into the dtypes that the module takes; what it makes integers isn't cast to `dtype`.
        is_trained: An nnx filter for the variables that are trained.
    """

    objective: Objective | None
    predict: Callable[[nnx.Module, PyTree], PyTree]
    metrics: Sequence[LoggedMetric]
    training: Graph
    inference: Graph
    update: Update | None = None
    decay: float | None = None
    dtype: DTypeLike | None = None
    accumulate: int = 1
    adapt: Callable[[PyTree], PyTree] = lambda x: x
    is_trained: nnx.filterlib.Filter = nnx.Param

    # Training

    def train(self, state: TrainState, batch: DeviceBatch) -> tuple[TrainState, LoggedValues]:
        """Return the state after one optimizer step, and what the batch logs."""
        _, y, weight = batch
        if self.update is None:
            raise ValueError("there is no optimizer to train with.")
        found = self._by_parts(self._differentiate)(state.params, state.other, batch)

        def loss_of(params: ModuleState) -> Array:
            return self._by_parts(self._evaluate)(params, state.other, batch).values[0]

        params, optimizer = self.update(found.params, state.optimizer, found.gradients, found.values[0], loss_of)
        after = TrainState(
            params=constrained(params),
            other=found.other,
            optimizer=optimizer,
            average=self._average(state.average, params, optimizer),
            metrics=self._update_metrics(state.metrics, y, found.predicted, weight),
        )
        return after, self._log(found.values, y, found.predicted, weight)

    def _by_parts(self, evaluate: Evaluate) -> Evaluate:
        return in_parts(evaluate, self.accumulate) if self.accumulate > 1 else evaluate

    def _differentiate(self, params: ModuleState, other: ModuleState, batch: DeviceBatch) -> Evaluated:
        """Evaluate the objective with its gradients.

        The weights that come with them have what the module itself has written into them: the update applies to that,
        as in a loop written by hand.
        """

        def loss_of(params: ModuleState) -> tuple[Array, Evaluated]:
            found = self._evaluate(params, other, batch)
            return found.values[0], found

        (_, found), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
        return found._replace(gradients=gradients)

    def _evaluate(self, params: ModuleState, other: ModuleState, batch: DeviceBatch) -> Evaluated:
        """Evaluate the objective without gradients."""
        given = self._cast(params), self._cast_frozen(other)
        module = nnx.merge(self.training, *given, copy=True)
        values, predicted = self._call_objective(module, batch, True, params)
        nnx.pop(module, nnx.Intermediate)  # what a module sows would change the carry's structure
        graph, *after = split(module, self.is_trained)
        side_effects.check_structure(tuple(after), (params, other))
        side_effects.warn_of_changed_attributes(graph, self.training)
        params, other = jax.tree.map(side_effects.new_or_own, tuple(after), given, (params, other))
        return Evaluated((), values, params, other, predicted)

    def _call_objective(
        self, module: nnx.Module, batch: DeviceBatch, training: bool, weights: ModuleState
    ) -> tuple[tuple[Array, ...], Predicted]:
        if self.objective is None:
            raise ValueError("there is no objective to train or to test by.")
        x, y, weight = batch
        x = self._cast(self.adapt(x))
        with named():
            values, *predicted = self.objective(module, (x, y, weight), training, weights)
        return tuple(values), Predicted(*(wide(predicted) if self.dtype else predicted))

    # Testing and predicting

    def test(
        self, metrics: Sequence[PyTree], state: TrainState, batch: DeviceBatch
    ) -> tuple[list[PyTree], LoggedValues]:
        """Return the metrics' states after one batch, and what the batch logs."""
        _, y, weight = batch
        with self._in_inference_mode(state) as module:
            values, predicted = self._call_objective(module, batch, False, state.evaluated_params)
        return self._update_metrics(metrics, y, predicted, weight), self._log(values, y, predicted, weight)

    def outputs(self, state: TrainState, x: PyTree) -> PyTree:
        """Return a batch's outputs in inference mode."""
        with self._in_inference_mode(state) as module, named():
            y_pred = self.predict(module, self._cast(self.adapt(x)))
        return wide(y_pred) if self.dtype else y_pred

    @contextmanager
    def _in_inference_mode(self, state: TrainState) -> Generator[nnx.Module]:
        """Give the module with the weights to test; what it writes into its variables is told, and dropped."""
        before = self._cast(state.evaluated_params), self._cast_frozen(state.other)
        module = nnx.merge(self.inference, *before, copy=True)
        yield module
        side_effects.warn_of_dropped_writes(split(module, self.is_trained)[1:], before)

    # Precision

    def _cast(self, tree: PyTree) -> PyTree:
        return tree if self.dtype is None else cast_floats(tree, self.dtype)

    def _cast_frozen(self, other: ModuleState) -> ModuleState:
        """Return what isn't trained, its parameters in the dtype to compute in."""

        def cast(variable: PyTree) -> PyTree:
            return self._cast(variable) if isinstance(variable, nnx.Param) else variable

        return jax.tree.map(cast, other, is_leaf=lambda node: isinstance(node, nnx.Variable))

    # Averaged weights

    @property
    def has_own_average(self) -> bool:
        """Whether the optimizer wants other weights to be tested and saved than the ones that it trains."""
        return self.update is not None and self.update.has_own_average

    @property
    def averages(self) -> bool:
        """Whether averaged weights are kept, by decay or by the optimizer."""
        return self.decay is not None or self.has_own_average

    def _average(self, average: ModuleState | None, params: ModuleState, optimizer: PyTree) -> ModuleState | None:
        """Move the averaged weights a little: Keras's rule, `decay * average + (1 - decay) * weights`.

        As in Keras, these are the weights before their constraints. An optimizer's own average obeys the constraints.
        """
        if (decay := self.decay) is not None:
            return map_pairs(lambda a, p: decay * a + (1 - decay) * p, average, params)
        return constrained(evaluated(constrained(params), optimizer)) if self.averages else average

    # Metrics

    @functools.cached_property
    def carried_metrics(self) -> list[LoggedMetric]:
        """The metrics that are no plain means: steps carry their states."""
        return [metric for metric in self.metrics if not metric.is_mean]

    def initial_metrics(self) -> list[PyTree]:
        """Return the states of the metrics that are no plain means, before the first batch."""
        return [metric.metric.init() for metric in self.carried_metrics]

    def metric_results(self, states: Sequence[PyTree]) -> dict[str, Array]:
        """Return the results of the metrics that are no plain means, by name."""
        return {m.name: m.result(state) for m, state in zip(self.carried_metrics, states, strict=True)}

    def _update_metrics(
        self, states: Sequence[PyTree], y: PyTree, predicted: Predicted, weight: PyTree
    ) -> list[PyTree]:
        carried = zip(self.carried_metrics, states, strict=True)
        return [metric.updated(state, y, predicted, weight) for metric, state in carried]

    def _log(self, values: Sequence[Array], y: PyTree, predicted: Predicted, weight: PyTree) -> LoggedValues:
        of_metrics = (metric.of_batch(y, predicted, weight) for metric in self.metrics)
        found = [*((value, 0) for value in values), *of_metrics]
        numbers = jnp.stack([jnp.asarray(value, jnp.float32) for value, _ in found])
        return LoggedValues(numbers, tuple(count for _, count in found))
