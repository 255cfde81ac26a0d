"""The engine of a Keras model: spans of its own steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

import numpy as np

from ..core.logs import fetch
from ..core.wakes import Phase
from ..data.batches import Span
from ..engines.jax.compatible import restore_compatible
from ..engines.jax.device_state import DeviceState
from ..engines.jax.devices import ONE_DEVICE, Devices
from ..engines.jax.lookout import StateLookout
from ..engines.jax.on_devices import OnDevices
from ..engines.jax.program_cache import DataPhase, Programs
from ..engines.jax.results import PredictionResult, SpanResult
from ..engines.jax.state_part import Places, StatePart
from ..engines.jax.state_parts import host_arrays, restore, snapshot
from ..engines.jax.trees import PyTree, copied, map_leaves
from .log_columns import KerasResult
from .optimizer import RATE, settings_of, uses_average
from .steps import KerasSteps, programs_of
from .variable_store import VariableStore

TESTED = ("other/", "test_metrics/", "test_logs")
"""How the paths begin of what an evaluation changes."""


class KerasEngine(OnDevices):
    """Runs spans of a Keras model's own steps; see `core.engine.Engine`.

    Args:
        steps: The model's.
        compiled: Whether they are compiled; else Python runs each of them.
        check_current: Raises an error if the model has been compiled again; called before each span.
        devices: Where the state and the data lie.

    Attributes:
        steps: The argument.
        store: The values of the model's variables.
    """

    logs_so_far = True

    def __init__(
        self, steps: KerasSteps, compiled: bool, check_current: Callable[[], None], devices: Devices = ONE_DEVICE
    ) -> None:
        self.steps, self._compiled, self._check_current = steps, compiled, check_current
        self._epoch_begins = False
        state = steps.variables.state(steps.columns.count, steps.test_columns.count)
        self._state = DeviceState(state, devices)
        self.store = VariableStore(steps.variables, self._state, warns=compiled)
        self._programs = self._new_programs()

    def _new_programs(self) -> Programs:
        paths = self._state.paths
        training = Places(tuple(not path.startswith("test_") for path in paths))
        testing = Places(tuple(path.startswith(TESTED) for path in paths))
        self._places: dict[str, Places] = {"train": training, "test": testing}
        state = self._state
        return programs_of(self.steps, state.structure, training, testing, state.devices, self._compiled)

    def names(self, phase: Phase) -> list[str]:
        """Return the names of what a batch logs in training or in evaluation."""
        return (self.steps.columns if phase == "train" else self.steps.test_columns).names

    def check_structure(self) -> None:
        """Raise a ValueError if the model has other variables than when the engine was made."""
        if not self.steps.variables.is_of(self.steps.model):
            raise ValueError(
                "the model has other variables than when the fit began: layers are added, frozen or thawed before it, "
                "and the model is compiled again then. In a hook, end the fit first: model.stop_training = True."
            )

    # Spans

    def train(self, span: Span, stop_when_not_finite: bool, behind: KerasResult | None = None) -> KerasResult:
        """Start a span of training steps and store the new state."""
        return self._run("train", span, stop_when_not_finite, behind)

    def test(self, span: Span, stop_when_not_finite: bool, behind: KerasResult | None = None) -> KerasResult:
        """Start a span of evaluation steps."""
        return self._run("test", span, stop_when_not_finite, behind)

    def _run(
        self, phase: DataPhase, span: Span, stop_when_not_finite: bool, behind: KerasResult | None = None
    ) -> KerasResult:
        self._check_current()
        if self._epoch_begins:
            self._epoch_begins = False
            self.check_structure()
        self.store.enter(phase)
        with self.store.consuming():
            changing, fixed = StatePart(self._state, self._places[phase]), self._places[phase].rest(self._state.leaves)
            result = self._programs.run(
                phase, span, stop_when_not_finite, cast("SpanResult | None", behind), changing, fixed
            )
        return KerasResult(result, self.steps.columns if phase == "train" else self.steps.test_columns)

    def predict(
        self, span: Span, stop_when_not_finite: bool, behind: PredictionResult | None = None
    ) -> PredictionResult:
        """Start the prediction of a span of batches; what a batch draws from seeds, the next one draws on."""
        self.store.pull_external_writes()
        return self._programs.run_predictions(span, self._outputs)

    def _outputs(self, x: PyTree) -> PyTree:
        outputs, other = self._programs.predict(self._state.leaves, x)
        if other:
            state = self._state.tree()
            self._state.replace(dataclasses.replace(state, other=dict(zip(state.other, other, strict=True))))
            self.store.hide()
        return outputs

    def lookout(self, phase: Phase, uninterrupted: Callable[[], AbstractContextManager[None]]) -> StateLookout:
        """Return what lets the loop run ahead of the hooks of each batch in a phase."""

        def prepare() -> None:
            if phase != "predict":
                self.store.enter(phase)

        def rerun(span: Span, stop_when_not_finite: bool) -> None:
            self._run(cast("DataPhase", phase), span, stop_when_not_finite)

        return StateLookout(
            watched=[self._state],
            changing=None if phase == "predict" else StatePart(self._state, self._places[phase]),
            rates=None,
            prepare=prepare,
            hide=self.store.hide,
            rerun=rerun,
            is_repeatable=lambda: self._compiled and self._programs.are_pure,
            uninterrupted=uninterrupted,
        )

    # Metrics

    def reset_metrics(self, phase: str) -> None:
        """Begin an epoch ("train") or an evaluation ("test") for the model's metrics."""
        self.store.enter(cast("DataPhase", phase))
        self._epoch_begins = True
        state, name = self._state.tree(), "metrics" if phase == "train" else "test_metrics"
        metrics, params, other = self.steps.reset_metrics(state, getattr(state, name))
        self._state.replace(
            dataclasses.replace(state, params=params, other=other, **{name: map_leaves(copied, metrics)})
        )
        self.store.hide()

    def metric_results(self, phase: str) -> dict[str, float | np.ndarray]:
        """Return what an epoch, or an evaluation, logs: the model's metrics, or else what its last batch logged.

        As in Keras: metrics count if a step logs them, by their names, and nothing else.
        """
        state, columns = self._state.tree(), self.steps.columns if phase == "train" else self.steps.test_columns
        metrics, logs = (state.metrics, state.logs) if phase == "train" else (state.test_metrics, state.test_logs)
        results = self.steps.metric_results(metrics)
        if results.keys() == set(columns.names):
            return {name: _number(fetch(results[name])) for name in columns.names}
        return dict(zip(columns.names, columns.values(fetch(logs).tolist()), strict=True))

    def metric_states(self) -> dict[str, PyTree]:
        """Return copies of what the metrics have counted, by phase, and of what was logged last."""
        state = self._state.tree()
        counted = {"metrics": state.metrics, "logs": state.logs}
        tested = {"test_metrics": state.test_metrics, "test_logs": state.test_logs}
        return map_leaves(copied, {"phase": (), "counted": counted | tested}) | {"phase": self.store.phase}

    def restore_metric_states(self, states: Mapping[str, Any]) -> None:
        """Restore what `metric_states` returned; nobody else may use it afterwards."""
        self.store.enter(states["phase"])
        self._state.replace(dataclasses.replace(self._state.tree(), **states["counted"]))
        self.store.hide()

    # Learning rates

    def last_rate(self) -> float | None:
        """Return the learning rate of the optimizer; None if it has none, several, or a schedule."""
        rates = [path for path in self._state.paths if path.startswith("optimizer/") and path.endswith(RATE)]
        return self._state.read(rates[0]).item() if len(rates) == 1 else None

    # Averaged weights

    def track_average(self, decay: float | None) -> None:
        """Keep an exponential average of the weights in the step from now on; None stops.

        While it is kept, testing, predicting, reading and saving weights use the average.

        Args:
            decay: How much of the average a step keeps, between 0 and 1.

        Raises:
            ValueError: If the weights are averaged already.
        """
        if decay is None and self.steps.decay is None:
            return
        if decay is not None and (self.steps.decay is not None or uses_average(self.steps.model.optimizer)):
            raise ValueError("the weights are averaged already, by the optimizer or by another callback: do it once.")
        self.store.pull_external_writes()
        state = self._state.tree()
        self.steps = dataclasses.replace(self.steps, decay=decay)
        self._state.reset(dataclasses.replace(state, average=None if decay is None else state.params))
        self._programs = self._new_programs()
        self.store.hide()

    def use_average(self) -> None:
        """Go on with the averaged weights as the weights."""
        self.store.pull_external_writes()
        state = self._state.tree()
        self._state.reset(dataclasses.replace(state, params=state.evaluated_params))
        self.store.hide()

    # The whole state

    def state_dict(self, in_parts: bool = False) -> dict[str, Any]:
        """Return a snapshot of everything a step changes, by path."""
        self.store.pull_external_writes()
        return snapshot(self._state, in_parts)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`, bit for bit.

        Raises:
            ValueError: If it is the state of another model or optimizer.
        """
        restore(self._state, state)
        self.store.hide_old()

    def load_compatible(self, state: Mapping[str, Any], keeps_rate: bool) -> list[str]:
        """Restore what fits of another engine's state, by names and shapes; return sentences about what is left out.

        Args:
            state: What `state_dict` returned.
            keeps_rate: Whether the learning rate stays as it is here.
        """
        _, left_out = restore_compatible(
            self._state, host_arrays(state), lambda path: keeps_rate and path.endswith(RATE)
        )
        self.store.hide_old()
        return left_out

    def identity(self) -> dict[str, Any]:
        """Describe what a saved state must fit."""
        return {
            "state": self._state.describe(),
            "optimizer": settings_of(self.steps.model.optimizer),
            "logs": self.names("train"),
            "dtype": str(self.steps.model.dtype_policy.name),
        }


def _number(value: np.ndarray) -> float | np.ndarray:
    return float(value) if value.ndim == 0 else value
