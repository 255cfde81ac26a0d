"""What callbacks may look at: activations, gradients, the graph of layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np
from flax import nnx

from ..core.layer_node import LayerNode
from ..data import inputs
from ..data.batches import BATCH_SIZE
from ..engines.jax.inspection import Inspection
from ..layers import Layer, calling
from ..layers.base import weights_of
from ..layers.graph import Graph
from ..layers.names import snake_case
from .compiled import Compiled
from .network import layers_of, output_like


class Inspected(Compiled):
    """A network that can be looked into."""

    @cached_property
    def _inspection(self) -> Inspection:
        return Inspection(layers_of, weights_of, record)

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
        x, _, _ = self._arranged(*inputs.arrays(x))
        self._ready(trains=False)
        return self._inspection.outputs(self.module, self._adapt(x), batch_size)

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None, batch_size: int = BATCH_SIZE
    ) -> dict[str, dict[str, np.ndarray]]:
        """Return the gradient of the mean loss, in inference mode, by layer and by trainable weight.

        Args:
            x: Samples.
            y: Their targets.
            sample_weight: The weight of each sample in the loss.
            batch_size: Samples whose gradient is computed at once; the result is that of all of them, but for
                outputs with a mask, of whose losses each batch's is a mean over its own steps.
        """
        self._check_compiled()
        x, y, weight = self._arranged_pair(*inputs.arrays(x, y, sample_weight))
        engine = self._ready(y)
        return self._inspection.gradients(
            self.module, engine.objective, self._adapt(x), y, weight, batch_size, engine.is_trained
        )

    def layer_graph(self) -> list[LayerNode]:
        """Return the inputs and the layers with their shapes, and which takes whose output.

        Raises:
            ValueError: If the model isn't built, or was never given data and doesn't know its input.
        """
        if self._graph is not None:
            return list(_graph_nodes(self._graph))
        if self._input_like is None:
            raise ValueError(f"{self.name} doesn't know the shape of its input yet: fit it or predict first.")
        return list(_module_nodes(self._built(), self._input_like))

    def last_learning_rate(self) -> float | None:
        """Return the rate of the last step, a schedule's too; None if the optimizer doesn't tell."""
        return None if self._engine is None else self._engine.last_rate()


def record(module: Any, x: Any) -> dict[str, Any]:
    """Return what each layer of a model's module makes of a batch, by name; of several arrays, the first."""
    with calling.step(module):
        if isinstance(module, Graph):
            return module.record(x)
        return {snake_case(module): jax.tree.leaves(module(x))[0]}


def _graph_nodes(graph: Graph) -> Iterator[LayerNode]:
    for name, shape, dtype in zip(graph.input_names, graph.input_shapes, graph.input_dtypes, strict=True):
        yield _input_node(name, shape, dtype)
    counted: set[int] = set()
    for step, (name, shape, taken) in zip(graph.steps, graph.outline(), strict=True):
        layer = graph.layers[step.layer]
        weights = {} if step.layer in counted else _shapes(layer)
        counted.add(step.layer)
        yield LayerNode(name, type(layer).__name__, settings(layer), taken, shape, step.dtypes[0], weights)


def _module_nodes(module: nnx.Module, like: Any) -> Iterator[LayerNode]:
    name = snake_case(module)
    given = jax.tree.leaves(like)
    names = [f"input_{number + 1}" if len(given) > 1 else "input" for number in range(len(given))]
    for own, array in zip(names, given, strict=True):
        yield _input_node(own, (None, *array.shape[1:]), str(array.dtype))
    made = jax.tree.leaves(output_like(module, like))[0]
    shape = (None, *made.shape[1:])
    yield LayerNode(
        name, type(module).__name__, settings(module), tuple(names), shape, str(made.dtype), _shapes(module)
    )


def _input_node(name: str, shape: tuple[int | None, ...], dtype: str) -> LayerNode:
    return LayerNode(name, "InputLayer", {"name": name}, (), shape, dtype, {})


def _shapes(layer: nnx.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(variable.shape) for name, variable in weights_of(layer)}


def settings(layer: nnx.Module) -> dict[str, Any]:
    """Return a layer's settings: its own `get_config`, or those attributes of any module that are plain values."""
    if isinstance(layer, Layer) and not isinstance(layer, Graph):
        return layer.get_config()
    return {name: value for name, value in vars(layer).items() if not name.startswith("_") and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(isinstance(item, (bool, int, float, str)) for item in value)
    return isinstance(value, (bool, int, float, str))
