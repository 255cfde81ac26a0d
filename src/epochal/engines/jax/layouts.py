"""How the leaves of a training state lie on a mesh: as the weights that they belong to."""

from __future__ import annotations

from collections.abc import Mapping

from jax.sharding import PartitionSpec


class WeightLayouts:
    """Layouts of weights, and of what is kept beside them: optimizers' states, and averages.

    Args:
        weights: The shape and the layout of each weight that doesn't lie whole on every device, by its path in the
            module.
    """

    def __init__(self, weights: Mapping[str, tuple[tuple[int, ...], PartitionSpec]]) -> None:
        self._weights = weights

    def __call__(self, path: str, shape: tuple[int, ...]) -> PartitionSpec:
        """Return the layout of a leaf: that of the weight whose path ends the leaf's, if it has the same shape."""
        parts = path.split("/")
        for first in range(1, len(parts)):
            known, spec = self._weights.get("/".join(parts[first:]), ((), None))
            if spec is not None and known == shape:
                return spec
        return PartitionSpec()
