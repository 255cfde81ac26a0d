"""Everything that a training step changes."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from .module_state import ModuleState
from .trees import PyTree


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """What a training step takes and returns. The fields' names begin the paths of arrays in saved files.

    Attributes:
        params: The weights that are trained.
        other: The module's other variables: frozen weights, batch statistics, random streams.
        optimizer: The optimizer's state; `()` without one.
        average: An average of `params`, which everybody but the training step uses; None if none is kept.
        metrics: The states of the metrics that are no plain means.
    """

    params: ModuleState
    other: ModuleState
    optimizer: PyTree
    average: ModuleState | None
    metrics: list[PyTree]

    @property
    def evaluated_params(self) -> ModuleState:
        """The weights to test, to predict with and to save: the average if one is kept."""
        return self.params if self.average is None else self.average
