"""The graph of a model's layers, as callbacks and pages show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import jax
from flax import nnx

from ..core.layer_node import LayerNode
from ..engines.jax.trees import PyTree
from ..layers import Layer
from ..layers.graph import Graph
from ..layers.listing import weights_of
from ..layers.names import snake_case
from .modules import outputs_like


def graph_nodes(graph: Graph) -> Iterator[LayerNode]:
    """Yield the inputs of a graph, and the calls of its layers."""
    for name, shape, dtype in zip(graph.input_names, graph.input_shapes, graph.input_dtypes, strict=True):
        yield _input_node(name, shape, dtype)
    counted: set[int] = set()
    for step, (name, shape, taken) in zip(graph.steps, graph.outline(), strict=True):
        layer = graph.layers[step.layer]
        weights = {} if step.layer in counted else _shapes(layer)
        counted.add(step.layer)
        yield LayerNode(name, type(layer).__name__, _shown_settings(layer), taken, shape, step.dtypes[0], weights)


def module_nodes(module: nnx.Module, inputs_like: PyTree) -> Iterator[LayerNode]:
    """Yield the inputs of a plain module, given their shapes and dtypes in a nest, and the module."""
    given = jax.tree.leaves(inputs_like)
    names = [f"input_{number + 1}" if len(given) > 1 else "input" for number in range(len(given))]
    for own, array in zip(names, given, strict=True):
        yield _input_node(own, (None, *array.shape[1:]), str(array.dtype))
    output = jax.tree.leaves(outputs_like(module, inputs_like))[0]
    shape, dtype = (None, *output.shape[1:]), str(output.dtype)
    kind = type(module).__name__
    yield LayerNode(snake_case(module), kind, _shown_settings(module), tuple(names), shape, dtype, _shapes(module))


def _input_node(name: str, shape: tuple[int | None, ...], dtype: str) -> LayerNode:
    return LayerNode(name, "InputLayer", {"name": name}, (), shape, dtype, {})


def _shapes(layer: nnx.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(variable.shape) for name, variable in weights_of(layer)}


def _shown_settings(layer: nnx.Module) -> dict[str, object]:
    """Return a layer's settings: its own `get_config`, or those attributes of any module that are plain values."""
    if isinstance(layer, Layer) and not isinstance(layer, Graph):
        return layer.get_config()
    return {name: value for name, value in vars(layer).items() if not name.startswith("_") and _is_shown(value)}


def _is_shown(value: object) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(isinstance(item, (bool, int, float, str)) for item in cast("Sequence[object]", value))
    return isinstance(value, (bool, int, float, str))
