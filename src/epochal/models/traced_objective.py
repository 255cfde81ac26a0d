"""An objective that notes what a step is compiled with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from weakref import ref

from flax import nnx

from ..engines.jax.objective import Objective
from ..engines.jax.trees import Array, DeviceBatch, PyTree
from ..training.compiled_settings import CompiledSettings


class TracedObjective:
    """An objective that notes what a step of training is compiled with: it is called then, and never else.

    Args:
        objective: What it is.
        settings: Where that is noted; compiled steps hold it weakly, since it knows the model's layers.
    """

    def __init__(self, objective: Objective, settings: CompiledSettings) -> None:
        self._objective, self._settings = objective, ref(settings)

    @property
    def names(self) -> Sequence[str]:
        """The values' names in the logs."""
        return self._objective.names

    def __call__(
        self, module: nnx.Module, batch: DeviceBatch, training: bool, weights: PyTree
    ) -> tuple[Sequence[Array], PyTree, PyTree]:
        """Return the values, the outputs and their masks."""
        settings = self._settings()
        with settings.tracing() if training and settings is not None else nullcontext():
            return self._objective(module, batch, training, weights)
