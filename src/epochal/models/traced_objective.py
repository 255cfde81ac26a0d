"""An objective that tells when a step is compiled with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from flax import nnx

from ..engines.jax.objective import Objective
from ..engines.jax.trees import Array, DeviceBatch, PyTree


class TracedObjective:
    """An objective that tells when a step of training is compiled with it, which is when it is called.

    Args:
        objective: What it is.
        tracing: Called then, for a context in which the objective is called.
    """

    def __init__(self, objective: Objective, tracing: Callable[[], AbstractContextManager[None]]) -> None:
        self._objective, self._tracing = objective, tracing

    @property
    def names(self) -> Sequence[str]:
        """The values' names in the logs."""
        return self._objective.names

    def __call__(
        self, module: nnx.Module, batch: DeviceBatch, training: bool, weights: PyTree
    ) -> tuple[Sequence[Array], PyTree, PyTree]:
        """Return the values, the outputs and their masks."""
        with self._tracing() if training else nullcontext():
            return self._objective(module, batch, training, weights)
