"""What one batch does to a Keras model: its own steps, as pure functions of arrays."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

import jax
import jax.numpy as jnp
import keras
from keras.utils import pack_x_y_sample_weight

from ..engines.jax.devices import Devices
from ..engines.jax.logged_metrics import LoggedValues
from ..engines.jax.placement import Layout
from ..engines.jax.program_cache import Programs, Step
from ..engines.jax.span_loop import FlatStep
from ..engines.jax.state_part import Places
from ..engines.jax.trees import Array, DeviceBatch, PyTree, Structure, map_pairs
from .log_columns import LogColumns
from .purity import traced
from .state import KerasState, ModelVariables, Named
from .types import KerasModel

Logs = Mapping[str, Any]

ENFORCE = "_enforce_jax_state_sharding"
"""The method of older Keras models, up to 3.12 or so, that their steps call at the end, with the parts of the state."""


@dataclass(frozen=True)
class KerasSteps:
    """The steps of a compiled Keras model.

    Attributes:
        model: Its `train_step`, `test_step` and `predict_step` are run.
        variables: The model's.
        columns: What a batch of training logs.
        test_columns: What one of evaluation logs.
        decay: How much of the averaged weights a training step keeps; None if there is no average.
        tracing: Called for a context in which a step of training is compiled.
    """

    model: KerasModel
    variables: ModelVariables
    columns: LogColumns
    test_columns: LogColumns
    decay: float | None = None
    tracing: Callable[[], AbstractContextManager[None]] = nullcontext

    def train(self, state: KerasState, batch: DeviceBatch) -> tuple[KerasState, LoggedValues]:
        """Return the state after a batch, and what the batch logs."""
        with self.tracing():
            logs, after = train_step(self.model, state, batch)
        params, other, optimizer, metrics = map(_like, _parts(state), after)
        row = self.columns.flat(flattened(logs))
        average = state.average
        if (decay := self.decay) is not None:
            average = map_pairs(lambda a, p: decay * a + (1 - decay) * p, average, params)
        new = replace(
            state, params=params, other=other, optimizer=optimizer, average=average, metrics=metrics, logs=row
        )
        return new, LoggedValues(row, (0,) * self.columns.count)

    def test(self, state: KerasState, batch: DeviceBatch) -> tuple[KerasState, LoggedValues]:
        """Return the state after a batch of an evaluation, and what the batch logs."""
        logs, (_, other, metrics) = test_step(self.model, state, batch)
        row = self.test_columns.flat(flattened(logs))
        new = replace(
            state, other=_like(state.other, other), test_metrics=_like(state.test_metrics, metrics), test_logs=row
        )
        return new, LoggedValues(row, (0,) * self.test_columns.count)

    def predict(self, state: KerasState, x: PyTree) -> tuple[PyTree, Named]:
        """Return a batch's outputs, and the non-trainable variables after it."""
        given = _list(state.evaluated_params), _list(state.other)
        with traced(self.model, "predict_step", given), _without_shardings(self.model):
            outputs, other = self.model.predict_step(given, pack_x_y_sample_weight(x))
        return outputs, _like(state.other, other)

    # Metrics

    def reset_metrics(self, state: KerasState, metrics: Named) -> tuple[Named, Named, Named]:
        """Return what the metrics' variables hold before the first batch, and the weights: a model may reset more.

        Args:
            state: The state.
            metrics: What the metrics' variables hold.
        """
        given = (metrics, state.params, state.other)
        kinds = (self.variables.metrics, self.variables.params, self.variables.other)
        mapping = [(own[name], values[name]) for own, values in zip(kinds, given, strict=True) for name in own]
        with keras.StatelessScope(mapping) as scope:
            self.model.reset_metrics()
        after = ([scope.get_current_value(variable) for variable in own.values()] for own in kinds)
        fresh, params, other = (
            _like(before, cast("list[Array]", new)) for before, new in zip(given, after, strict=True)
        )
        return fresh, params, other

    def metric_results(self, metrics: Named) -> dict[str, Array]:
        """Return what the model's metrics make of what they have counted, by name."""
        with self._metrics_as(metrics):
            found = flattened(self.model.get_metrics_result())
        return {name: jnp.asarray(value) for name, value in found.items()}

    def _metrics_as(self, metrics: Named) -> keras.StatelessScope:
        return keras.StatelessScope([(variable, metrics[name]) for name, variable in self.variables.metrics.items()])


def train_step(model: KerasModel, state: KerasState, batch: DeviceBatch) -> tuple[Logs, Sequence[Sequence[Array]]]:
    """Call a model's own `train_step`.

    Raises:
        TypeError: If it returns anything but `(logs, state)`.
    """
    given = tuple(map(_list, _parts(state)))
    with traced(model, "train_step", given), _without_shardings(model):
        return _logs_and_state("train_step", model.train_step(given, _packed(batch)), 4)


def test_step(model: KerasModel, state: KerasState, batch: DeviceBatch) -> tuple[Logs, Sequence[Sequence[Array]]]:
    """Call a model's own `test_step`, as `train_step`; its state has no optimizer."""
    given = _list(state.evaluated_params), _list(state.other), _list(state.test_metrics)
    with traced(model, "test_step", given), _without_shardings(model):
        return _logs_and_state("test_step", model.test_step(given, _packed(batch)), 3)


@contextmanager
def _without_shardings(model: KerasModel) -> Generator[None]:
    """Let the steps of older versions of Keras keep no notes of shardings, which only its own fit has written."""
    if not hasattr(model, ENFORCE):
        yield
        return
    vars(model)[ENFORCE] = lambda *parts, **named: tuple(part or [] for part in (*parts, *named.values()))
    try:
        yield
    finally:
        del vars(model)[ENFORCE]


def flattened(logs: Logs) -> dict[str, Any]:
    """Return logged values in one dict, as Keras's callbacks get them, also where a metric logs several in one."""
    found: dict[str, Any] = {}
    for name, value in logs.items():
        found |= flattened(value) if isinstance(value, Mapping) else {name: value}
    return found


def _packed(batch: DeviceBatch) -> PyTree:
    """Return a batch as Keras gives it to a step: `x`, `(x, y)` or `(x, y, sample_weight)`."""
    return pack_x_y_sample_weight(*batch)


def _parts(state: KerasState) -> tuple[Named, Named, Named, Named]:
    return state.params, state.other, state.optimizer, state.metrics


def _list(named: Named) -> list[Array]:
    return list(named.values())


def _like(before: Named, after: Iterable[Array]) -> Named:
    """Return new values by the names of the old ones, in their dtypes, which a loop needs."""
    new: Named = {}
    for (name, old), value in zip(before.items(), after, strict=True):
        array = value if value is old else jnp.asarray(value, old.dtype)
        if array.shape != old.shape:
            raise ValueError(f"a step changes the shape of {name} from {old.shape} to {array.shape}.")
        new[name] = array
    return new


def _logs_and_state(what: str, returned: Any, parts: int) -> tuple[Logs, Sequence[Sequence[Array]]]:
    form = "(trainable_variables, non_trainable_variables, optimizer_variables, metrics_variables)"
    if parts == 3:
        form = form.replace("optimizer_variables, ", "")
    right = isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[0], Mapping)
    if not right or not isinstance(returned[1], (tuple, list)) or len(returned[1]) != parts:
        raise TypeError(
            f"{what}(state, data) must return (logs, state): a dict of what is logged, and a new state {form}, as "
            f"Keras's does on JAX; got {type(returned).__name__}."
        )
    return returned


# As programs have them: flat lists of arrays


def programs_of(
    steps: KerasSteps, state: Structure, training: Places, testing: Places, devices: Devices, compiled: bool
) -> Programs:
    """Return the programs for some steps.

    Args:
        steps: What a batch does.
        state: The structure of a `KerasState`.
        training: Which of its leaves training changes.
        testing: Which of them an evaluation changes.
        devices: Where they lie.
        compiled: Whether the steps are compiled.
    """

    def outputs(leaves: list[Array], x: PyTree) -> tuple[PyTree, list[Array]]:
        before = jax.tree.unflatten(state, leaves)
        found, other = steps.predict(before, x)
        return found, [] if _all_same(other, before.other) else _list(other)

    return Programs(
        {
            "train": Step(functools.partial(_flat, steps.train, state, training), steps.columns.count),
            "test": Step(functools.partial(_flat, steps.test, state, testing), steps.test_columns.count),
        },
        outputs,
        devices,
        compiled,
    )


def _flat(
    step: Callable[[KerasState, DeviceBatch], tuple[KerasState, LoggedValues]], state: Structure, places: Places,
    layout: Layout,
) -> FlatStep:  # fmt: skip
    """Return a step of which the leaves are those that it changes, and the other ones are fixed."""

    def flat(leaves: list[Array], fixed: list[Array], rows: list[Array]) -> tuple[list[Array], LoggedValues]:
        after, values = step(jax.tree.unflatten(state, places.merged(leaves, fixed)), layout.decode(rows))
        return places.part(jax.tree.leaves(after)), values

    return flat


def _all_same(new: Named, old: Named) -> bool:
    return all(new[name] is value for name, value in old.items())
