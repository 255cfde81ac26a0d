"""What callbacks may look at: activations, gradients, the graph of layers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from ..core import inputs
from ..core.protocols import LayerNode
from ..engines.jax.inspection import Inspection
from ..layers import weights_of
from .compiled import Compiled

BATCH_SIZE = 32


class Inspected(Compiled):
    """A network that can be looked into."""

    @cached_property
    def _inspection(self) -> Inspection:
        return Inspection(self._layers_of, weights_of)

    def weights_by_layer(self) -> dict[str, dict[str, np.ndarray]]:
        """Return copies of all weights by layer and by weight, in the layers' order."""
        weights, layers = iter(self.get_weights()), self._named_layers()
        return {name: {weight: next(weights) for weight, _ in weights_of(layer)} for name, layer in layers}

    def activations(self, x: Any, batch_size: int = BATCH_SIZE) -> Iterator[dict[str, np.ndarray]]:
        """Yield the output of each layer on `x`, in inference mode, batch after batch.

        Args:
            x: Samples.
            batch_size: Samples a batch; the last one may be smaller.
        """
        x, _, _ = inputs.arrays(x)
        self._ready(x)
        return self._inspection.outputs(self.module, x, batch_size)

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None, batch_size: int = BATCH_SIZE
    ) -> dict[str, dict[str, np.ndarray]]:
        """Return the gradient of the mean loss, in inference mode, by layer and by trainable weight.

        Args:
            x: Samples.
            y: Their targets.
            sample_weight: The weight of each sample in the loss.
            batch_size: Samples whose gradient is computed at once; the result is that of all of them.
        """
        x, y, weight = inputs.arrays(x, y, sample_weight)
        engine = self._ready(x, y)
        self._check_pair(x, y)
        return self._inspection.gradients(self.module, engine.objective, x, y, weight, batch_size)

    def layer_graph(self) -> list[LayerNode]:
        """Return the input and the layers with their shapes, and which takes whose output.

        Raises:
            ValueError: If the model isn't built, or was never given data and doesn't know its input.
        """
        module = self.module
        if self._input_like is None:
            raise ValueError(f"{self.name} doesn't know the shape of its input yet: fit it or predict first.")
        shape, dtype = self._input_like
        names = {name for name, _ in self._named_layers()}
        name = "input" if "input" not in names else "model_input"
        source = LayerNode(name, "InputLayer", {"name": name}, (), shape, dtype, {})
        return self._inspection.nodes(module, source)

    def last_learning_rate(self) -> float | None:
        """Return the rate of the last step, a schedule's too; None if the optimizer doesn't tell."""
        return None if self._engine is None else self._engine.last_rate()
