"""The JAX engine: spans of training steps of a flax NNX module."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

from flax import nnx
from jax.typing import DTypeLike

from ...core.logs import fetch
from ...core.wakes import Phase
from ...data.batches import Span
from .compatible import restore_compatible
from .device_state import DeviceState
from .devices import ONE_DEVICE, Devices
from .logged_metrics import LoggedMetric
from .lookout import StateLookout
from .module_split import AtPaths, node_ids, split_module
from .objective import Objective
from .on_devices import OnDevices
from .optimizer_like import OptimizerLike
from .program_cache import DataPhase, Programs
from .rates import OptimizerRates
from .results import PredictionResult, SpanResult
from .state_parts import host_arrays, restore, snapshot
from .step_programs import programs_of
from .steps import Steps
from .train_state import TrainState
from .trees import Path, PyTree, copied, map_leaves
from .updates import prepared
from .weight_store import JaxWeightStore


class JaxEngine(OnDevices):
    """Runs spans of steps on a module's state, which it holds.

    Args:
        module: The module to train; whoever looks at its variables finds the current values, see `JaxWeightStore`.
        objective: What is minimised; None for a module that only predicts.
        predict: `(module, x) -> y_pred`.
        metrics: In log order.
        optimizer: Changes the weights; None for a module that only predicts.
        dtype: What floats are computed in, if not in the dtypes they have; weights keep theirs.
        accumulate: In how many parts a training batch goes through the module.
        adapt: Brings inputs into the dtypes that the module takes.
        trained: The paths of the variables that are trained; None for all parameters.
        at_rest: The paths of the modules that stay in inference mode, also in training.
        devices: Where the state and the data lie.

    Attributes:
        is_trained: An nnx filter for the variables that are trained.
        weights: The current weights.
    """

    logs_so_far = False

    def __init__(
        self,
        module: nnx.Module,
        objective: Objective | None,
        predict: Callable[[nnx.Module, PyTree], PyTree],
        metrics: Sequence[LoggedMetric] = (),
        optimizer: OptimizerLike | None = None,
        dtype: DTypeLike | None = None,
        accumulate: int = 1,
        adapt: Callable[[PyTree], PyTree] = lambda x: x,
        trained: Collection[Path] | None = None,
        at_rest: Collection[Path] = (),
        devices: Devices = ONE_DEVICE,
    ) -> None:
        self.module, self.optimizer, self.metrics = module, optimizer, list(metrics)
        self._names = [*(objective.names if objective else ()), *(metric.name for metric in metrics)]
        self.is_trained: nnx.filterlib.Filter = nnx.Param if trained is None else AtPaths(frozenset(trained))
        split = split_module(module, self.is_trained, at_rest)
        update, optimizer_state = (None, ()) if optimizer is None else prepared(optimizer, split.params)
        self._steps = Steps(
            objective, predict, self.metrics, split.training, split.inference, update, dtype=dtype,
            accumulate=accumulate, adapt=adapt, is_trained=self.is_trained,
        )  # fmt: skip
        average = split.params if self._steps.averages else None
        fresh = self._steps.initial_metrics
        state = TrainState(split.params, split.other, optimizer_state, average, fresh())
        self._state, self._test_metrics = DeviceState(state, devices), DeviceState(fresh(), devices)
        self._test_metrics.own()
        self._nodes = node_ids(module)
        self._programs = self._new_programs()
        self._rates = None if optimizer is None else OptimizerRates(optimizer, self._state)
        self.weights = JaxWeightStore(module, self._state, self._rates, self._steps.has_own_average)
        if optimizer is not None:
            optimizer.count_by(self.iterations)

    def _new_programs(self) -> Programs:
        state, metrics = self._state, self._test_metrics
        return programs_of(self._steps, state.structure, metrics.structure, len(self._names), state.devices)

    @property
    def objective(self) -> Objective:
        """What a step minimises.

        Raises:
            ValueError: If the engine only predicts.
        """
        if self._steps.objective is None:
            raise ValueError("the engine was made without an objective: it only predicts.")
        return self._steps.objective

    def names(self, phase: Phase) -> list[str]:
        """Return the names of what a batch logs: what the objective returns, then the metrics; in tests the same."""
        return self._names

    def check_structure(self) -> None:
        """Raise a ValueError if the module has other layers or variables than when the engine was made."""
        if self._nodes != node_ids(self.module):
            raise ValueError(
                "layers or variables were added to the module, or taken out of it, since it was compiled: a layer's "
                "parts are made in its constructor or in build. Compile it again."
            )

    # Spans

    def train(self, span: Span, stop_when_not_finite: bool, behind: SpanResult | None = None) -> SpanResult:
        """Start a span of training steps and store the new state."""
        self._prepare_training()
        return self._run("train", span, stop_when_not_finite, behind)

    def _prepare_training(self) -> None:
        """Bring the state up to what was written into the module, and to the learning rates that were set."""
        if self._rates is None:
            raise ValueError("the engine was made without an optimizer, so it can't train.")
        self.weights.begin_training()
        self._rates.push()

    def test(self, span: Span, stop_when_not_finite: bool, behind: SpanResult | None = None) -> SpanResult:
        """Start a span of evaluation steps."""
        self.weights.pull_announced_writes()
        return self._run("test", span, stop_when_not_finite, behind)

    def _run(
        self, phase: DataPhase, span: Span, stop_when_not_finite: bool, behind: SpanResult | None = None
    ) -> SpanResult:
        if phase == "test":
            leaves = self._state.leaves
            return self._programs.run(phase, span, stop_when_not_finite, behind, self._test_metrics, leaves)
        with self.weights.consuming():
            return self._programs.run(phase, span, stop_when_not_finite, behind, self._state, [])

    def predict(
        self, span: Span, stop_when_not_finite: bool, behind: PredictionResult | None = None
    ) -> PredictionResult:
        """Start the prediction of a span of batches."""
        leaves, outputs_of = self._state.leaves, self._programs.predict
        return self._programs.run_predictions(span, lambda x: outputs_of(leaves, x))

    def lookout(self, phase: Phase, uninterrupted: Callable[[], AbstractContextManager[None]]) -> StateLookout:
        """Return what lets the loop run ahead of the hooks of each batch in a phase."""
        states = {"train": [self._state], "test": [self._test_metrics, self._state], "predict": [self._state]}[phase]

        def rerun(span: Span, stop_when_not_finite: bool) -> None:
            self._run(cast("DataPhase", phase), span, stop_when_not_finite)

        return StateLookout(
            watched=states,
            changing=None if phase == "predict" else states[0],
            rates=self._rates if phase == "train" else None,
            prepare=self._prepare_training if phase == "train" else self.weights.pull_announced_writes,
            hide=self.weights.hide if phase == "train" else lambda: None,
            rerun=rerun,
            is_repeatable=lambda: self._programs.are_pure,
            uninterrupted=uninterrupted,
        )

    # Metrics that are no plain means

    def _metrics_of(self, phase: str) -> list[PyTree]:
        return self._state.tree().metrics if phase == "train" else self._test_metrics.tree()

    def _replace_metrics(self, phase: str, metrics: list[PyTree]) -> None:
        if phase == "train":
            self._state.replace(dataclasses.replace(self._state.tree(), metrics=metrics))
        else:
            self._test_metrics.replace(metrics)

    def reset_metrics(self, phase: str) -> None:
        """Begin an epoch ("train") or an evaluation ("test") for the metrics that are no plain means."""
        if fresh := self._steps.initial_metrics():
            self._replace_metrics(phase, map_leaves(copied, fresh))

    def metric_results(self, phase: str) -> dict[str, float]:
        """Return the results of the metrics that are no plain means, since `reset_metrics`."""
        if not self._steps.carried_metrics:
            return {}
        return {name: fetch(v).item() for name, v in self._steps.metric_results(self._metrics_of(phase)).items()}

    def metric_states(self) -> dict[str, list[PyTree]]:
        """Return copies of what the metrics that are no plain means have counted, by phase."""
        return {phase: map_leaves(copied, self._metrics_of(phase)) for phase in ("train", "test")}

    def restore_metric_states(self, states: Mapping[str, list[PyTree]]) -> None:
        """Restore what `metric_states` returned; nobody else may use it afterwards."""
        for phase, metrics in states.items():
            self._replace_metrics(phase, metrics)

    # Learning rates and steps

    def last_rate(self) -> float | None:
        """Return the learning rate of the last step; None if the optimizer's state has none, or several."""
        return None if self._rates is None else self._rates.last()

    def iterations(self) -> int:
        """Return how many steps the optimizer has done."""
        return int(self._state.read("optimizer/count")) if "optimizer/count" in self._state else 0

    # Averaged weights

    def track_average(self, decay: float | None) -> None:
        """Keep an exponential average of the weights in the step from now on; None stops.

        While it is kept, testing, predicting, reading and saving weights use the average.

        Args:
            decay: How much of the average a step keeps, between 0 and 1.

        Raises:
            ValueError: If the weights are averaged already.
        """
        if decay is None and self._steps.decay is None:
            return
        if self._steps.averages and decay is not None:
            raise ValueError(
                "the weights are averaged already, by the optimizer or by another callback: average them once."
            )
        state = self._state.tree()
        self._steps = dataclasses.replace(self._steps, decay=decay)
        self._state.reset(dataclasses.replace(state, average=None if decay is None else state.params))
        self._programs = self._new_programs()
        self.weights.mark_dirty()

    def use_average(self) -> None:
        """Go on with the averaged weights as the weights."""
        state = self._state.tree()
        self._state.reset(dataclasses.replace(state, params=state.evaluated_params))
        self.weights.mark_dirty()

    # The whole state

    def state_dict(self, in_parts: bool = False) -> dict[str, Any]:
        """Return a snapshot of everything a step changes, by path, and the learning rates in full precision."""
        rates = {} if self._rates is None else self._rates.as_dict()
        return {**snapshot(self._state, in_parts), "learning_rates": rates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`, bit for bit.

        Raises:
            ValueError: If it is the state of another model or optimizer.
        """
        restore(self._state, state)
        if self._rates is not None:
            self._rates.restore(state["learning_rates"])
        self.weights.mark_dirty()

    def load_compatible(self, state: Mapping[str, Any], keeps_rate: bool) -> list[str]:
        """Restore what fits of another engine's state, by names and shapes; return sentences about what is left out.

        Args:
            state: What `state_dict` returned.
            keeps_rate: Whether the learning rate stays as it is here.
        """
        optimizer_fits, left_out = restore_compatible(self._state, host_arrays(state))
        if optimizer_fits and self._rates is not None:
            self._rates.restore({} if keeps_rate else state["learning_rates"])
        self.weights.mark_dirty()
        return left_out

    def identity(self) -> dict[str, Any]:
        """Describe what a saved state must fit."""
        optimizer = None if self.optimizer is None else {"name": self.optimizer.name} | _settings(self.optimizer)
        computed = {"dtype": str(self._steps.dtype or "own"), "accumulate": self._steps.accumulate}
        return {"state": self._state.describe(), "optimizer": optimizer, "logs": self._names, **computed}


def _settings(optimizer: OptimizerLike) -> dict[str, Any]:
    """Return an optimizer's settings less its learning rate, which is part of the state."""
    return {name: value for name, value in optimizer.get_config().items() if name != "learning_rate"}
