"""The graph of a Keras model's layers, as callbacks show it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import jax

from ..core.identity import described
from ..core.layer_node import LayerNode
from ..data.nests import Batch, leaves
from .types import KerasModel


def layer_nodes(model: KerasModel, example: Batch | None) -> list[LayerNode]:
    """Return the inputs and the layers of a model; a model of the user's own class is one layer.

    Args:
        model: A built model.
        example: Arrays like a batch of its data, where there were some.
    """
    graph = getattr(model, "_functional", None) or model
    if not getattr(graph, "operations", None):
        return _of_own_model(model, example)
    inside = {id(operation) for operation in graph.operations}
    return [_node(layer, inside) for layer in graph.operations]


def _node(layer: Any, inside: set[int]) -> LayerNode:
    parents = [
        parent.operation.name
        for node in layer._inbound_nodes
        for parent in node.parent_nodes
        if id(parent.operation) in inside
    ]
    outputs = [tensor for node in layer._inbound_nodes for tensor in node.output_tensors]
    shape, dtype = (tuple(outputs[0].shape), str(outputs[0].dtype)) if outputs else ((), "")
    weights = {variable.name: tuple(variable.shape) for variable in getattr(layer, "weights", ())}
    names = tuple(dict.fromkeys(parents))
    return LayerNode(layer.name, type(layer).__name__, _settings(layer), names, shape, dtype, weights)


def _of_own_model(model: KerasModel, example: Batch | None) -> list[LayerNode]:
    given = leaves(None if example is None else example[0])
    names = [f"input_{at + 1}" if len(given) > 1 else "input" for at in range(len(given))]
    nodes = [
        LayerNode(name, "InputLayer", {"name": name}, (), (None, *array.shape[1:]), str(array.dtype), {})
        for name, array in zip(names, given, strict=True)
    ]
    weights = {variable.path: tuple(variable.shape) for variable in model.weights}
    outputs = jax.tree.leaves(getattr(model, "output_shape", ())) if hasattr(model, "output_shape") else []
    shape = (None, *outputs[1:]) if outputs else ()
    return [*nodes, LayerNode(model.name, type(model).__name__, {}, tuple(names), shape, "", weights)]


def _settings(layer: Any) -> dict[str, Any]:
    try:
        return described(layer.get_config())
    except Exception:  # an own layer that doesn't tell its settings
        return {}
