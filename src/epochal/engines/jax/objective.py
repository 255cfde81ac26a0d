"""What a step minimises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flax import nnx

from .trees import Array, DeviceBatch, PyTree


class Objective(Protocol):
    """Computes the loss of a batch, and what is logged beside it."""

    @property
    def names(self) -> Sequence[str]:
        """The values' names in the logs: `loss`, and what it is made of."""
        ...

    def __call__(
        self, module: nnx.Module, batch: DeviceBatch, training: bool, weights: PyTree
    ) -> tuple[Sequence[Array], PyTree, PyTree]:
        """Return the values, scalars of which the first is minimised, the outputs and their masks; None for none.

        Args:
            module: In training or in inference mode.
            batch: `(x, y, sample_weight)`.
            training: Which of the two.
            weights: The variables that are trained, in a nest, in their own dtypes; some have penalties.
        """
        ...
