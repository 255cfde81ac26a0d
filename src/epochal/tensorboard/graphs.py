"""The layers of a model as TensorBoard's two graphs: a GraphDef, and Keras's own description."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from ..core.layer_node import LayerNode
from .protos import AttrValue, GraphDef, Message, TensorShapeProto


def graph_def(nodes: Iterable[LayerNode]) -> bytes:
    """Return a serialized GraphDef with a node a layer.

    The Graphs tab writes `_output_shapes` on the edges. The other attributes of a node are the layer's settings,
    the shape of each weight, and the number of its parameters.
    """
    graph = GraphDef()
    for node in nodes:
        added = graph.node.add(name=node.name, op=node.class_name, input=node.inputs)
        for name, value in _attributes(node).items():
            added.attr[name].CopyFrom(value)
    return graph.SerializeToString()


def _attributes(node: LayerNode) -> dict[str, Message]:
    sizes = [TensorShapeProto.Dim(size=-1 if n is None else n) for n in node.output_shape]
    shapes = AttrValue.ListValue(shape=[TensorShapeProto(dim=sizes)])
    settings = {name: value for name, value in node.config.items() if name != "name" and value is not None}
    attributes = {name: _attribute(value) for name, value in settings.items()}
    attributes |= {f"weight {name}": _attribute(list(shape)) for name, shape in node.weights.items()}
    attributes["class"] = _attribute(node.class_name)
    attributes["parameters"] = _attribute(sum(math.prod(shape) for shape in node.weights.values()))
    return attributes | {"dtype": _attribute(node.dtype), "_output_shapes": AttrValue(list=shapes)}


def _attribute(value: object) -> Message:
    if isinstance(value, bool):
        return AttrValue(b=value)
    if isinstance(value, int):
        return AttrValue(i=value)
    if isinstance(value, float):
        return AttrValue(f=value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        numbers = cast(Sequence[object], value)
        if all(type(n) is bool for n in numbers):
            return AttrValue(list=AttrValue.ListValue(b=numbers))
        if all(type(n) is int for n in numbers):
            return AttrValue(list=AttrValue.ListValue(i=numbers))
    if isinstance(value, Mapping):  # an object within the settings, such as an initializer
        settings = cast(Mapping[str, object], value)
        return AttrValue(s=str(settings.get("class_name", settings)).encode())
    return AttrValue(s=str(cast(object, value)).encode())


def keras_config(model_name: str, nodes: Iterable[LayerNode]) -> Mapping[str, object]:
    """Return the model as the JSON that Keras 3's `to_json` makes of it, as far as TensorBoard reads it.

    What it reads is in tensorboard/plugins/graph/keras_util.py: names, classes, dtypes and inbound nodes.
    """
    layers = [
        {
            "class_name": node.class_name.encode("ascii", "replace").decode(),  # the reader fails at anything else
            "name": node.name,
            "config": {**node.config, "name": node.name, "dtype": node.dtype, "batch_shape": node.output_shape},
            "inbound_nodes": [{"args": [_keras_tensor(name) for name in node.inputs]}] if node.inputs else [],
        }
        for node in nodes
    ]
    return {"class_name": "Functional", "config": {"name": model_name, "layers": layers}}


def _keras_tensor(layer: str) -> dict[str, object]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}}
