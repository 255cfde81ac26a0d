"""Everything that training and evaluating a Keras model changes."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from ..engines.jax.trees import Array
from .types import KerasModel, Variable

Named: TypeAlias = dict[str, Array]
"""Values of variables by number and name, such as `0003_kernel`: a path of Keras has numbers that change."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class KerasState:
    """What steps take and return. The fields' names begin the paths of arrays in saved files.

    Attributes:
        params: The trainable variables.
        other: The non-trainable variables, batch statistics and seeds among them.
        optimizer: The optimizer's variables, the learning rate among them.
        average: An average of `params`, which everybody but the training step uses; None if none is kept.
        metrics: What the metrics have counted in training since the epoch began.
        logs: What the last batch of training logged.
        test_metrics: What they have counted in evaluation.
        test_logs: What its last batch logged.
    """

    params: Named
    other: Named
    optimizer: Named
    average: Named | None
    metrics: Named
    logs: Array
    test_metrics: Named
    test_logs: Array

    @property
    def evaluated_params(self) -> Named:
        """The weights to test, to predict with and to save: the average if one is kept."""
        return self.params if self.average is None else self.average


@dataclass(frozen=True)
class ModelVariables:
    """The variables of a Keras model, as its steps take them.

    Attributes:
        params: The trainable ones.
        other: The non-trainable ones.
        optimizer: The optimizer's; none without one.
        metrics: The metrics'.
    """

    params: dict[str, Variable]
    other: dict[str, Variable]
    optimizer: dict[str, Variable]
    metrics: dict[str, Variable]

    @classmethod
    def of(cls, model: KerasModel) -> ModelVariables:
        """Return the variables that a model has now."""
        optimizer = getattr(getattr(model, "optimizer", None), "variables", ())
        trained = model.trainable_variables
        owners = [variable.path.replace("/", "_") + "_" for variable in trained]
        parts = (trained, model.non_trainable_variables, optimizer, model.metrics_variables)
        return cls(*(_named(part, owners) for part in parts))

    def is_of(self, model: KerasModel) -> bool:
        """Return whether a model has these very variables."""
        now = ModelVariables.of(model)
        return all(
            len(own) == len(its) and all(a is b for a, b in zip(own.values(), its.values(), strict=True))
            for own, its in zip(self.parts, now.parts, strict=True)
        )

    @property
    def parts(self) -> tuple[dict[str, Variable], ...]:
        """The four kinds, in the order in which Keras's steps take them."""
        return self.params, self.other, self.optimizer, self.metrics

    def state(self, columns: int, test_columns: int) -> KerasState:
        """Return their values, with which training begins.

        Args:
            columns: How many numbers a batch of training logs.
            test_columns: How many one of evaluation logs.
        """
        params, other, optimizer, metrics = map(_values, self.parts)
        test_metrics = {name: jnp.asarray(np.zeros(value.shape, value.dtype)) for name, value in metrics.items()}
        logs, test_logs = (jnp.asarray(np.zeros(n, np.float32)) for n in (columns, test_columns))
        return KerasState(params, other, optimizer, None, metrics, logs, test_metrics, test_logs)


def _named(variables: Iterable[Variable], owners: Sequence[str]) -> dict[str, Variable]:
    """Return variables by number and name, less the name of the weight that one of an optimizer's belongs to."""
    found: dict[str, Variable] = {}
    for at, variable in enumerate(variables):
        owner = max((own for own in owners if variable.name.startswith(own)), key=len, default="")
        found[f"{at:04d}_{variable.name.removeprefix(owner)}"] = variable
    return found


def _values(variables: Mapping[str, Variable]) -> Named:
    return {name: jnp.asarray(variable.value) for name, variable in variables.items()}
