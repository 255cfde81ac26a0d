"""What a model's steps log, found out before the first batch."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax
import keras
from jax.core import Tracer

from ..data.nests import Batch
from ..engines.jax.trees import PyTree
from .log_columns import LogColumns
from .state import ModelVariables
from .steps import KerasSteps, flattened, test_step, train_step
from .types import KerasModel


def logged_by(
    model: KerasModel, variables: ModelVariables, batch: Batch, phase: Literal["train", "test"], compiled: bool
) -> LogColumns:
    """Return what a model's step logs: what its metrics return, or what a step of the user's own does.

    That one is traced for it; or run, and what comes of it forgotten, if it can't be traced and isn't to be compiled.

    Args:
        model: A built model.
        variables: The model's.
        batch: One of its data.
        phase: Which step.
        compiled: Whether the steps are compiled.
    """
    state = variables.state(0, 0)
    step = train_step if phase == "train" else test_step

    def logs_of(state: Any, batch: Any) -> PyTree:
        return flattened(step(model, state, batch)[0])

    if not any(is_own(model, name) for name in (f"{phase}_step", "compute_metrics")):
        steps = KerasSteps(model, variables, LogColumns({}), LogColumns({}))
        logs = jax.eval_shape(steps.metric_results, state.metrics)
    else:
        logs = _checked(variables, lambda: _shapes(logs_of, state, batch, compiled))
    order = model._flatten_metrics_in_order({name: name for name in logs})
    names = [order] if isinstance(order, str) else order
    return LogColumns({name: tuple(jax.numpy.shape(logs[name])) for name in names})


def is_own(model: KerasModel, method: str) -> bool:
    """Return whether a model has a method of its user's."""
    return method in vars(model) or getattr(type(model), method) is not getattr(keras.Model, method)


def _shapes(logs_of: Callable[[Any, Any], PyTree], state: Any, batch: Any, compiled: bool) -> PyTree:
    try:
        return jax.eval_shape(logs_of, state, batch)
    except jax.errors.JAXTypeError:
        if compiled:
            raise
        return logs_of(state, batch)


def _checked(variables: ModelVariables, rehearse: Callable[[], PyTree]) -> PyTree:
    """Return what a rehearsal returns, unless a variable has been assigned to in it.

    Raises:
        RuntimeError: If so; the variable is as it was.
    """
    before = [(variable, variable.value) for part in variables.parts for variable in part.values()]
    try:
        return rehearse()
    finally:
        leaked = [variable for variable, _ in before if isinstance(variable.value, Tracer)]
        for variable, value in before:
            variable._value = value
        if leaked:
            raise RuntimeError(
                f"a step assigns a value to the variable {leaked[0].path}, outside of the state that it is given: "
                "assign it within the model's call, or return it as a part of the new state."
            )
