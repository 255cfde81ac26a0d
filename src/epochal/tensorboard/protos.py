"""The messages of the `tensorboard` package that are written here; its generated modules have no types.

None of the modules imported here or by its neighbours looks for TensorFlow; `tensorboard`'s `EventFileWriter` would.
"""

from __future__ import annotations

from typing import Any

from tensorboard.compat.proto import (
    attr_value_pb2,
    event_pb2,
    graph_pb2,
    summary_pb2,
    tensor_pb2,
    tensor_shape_pb2,
    types_pb2,
)
from tensorboard.plugins.projector import projector_config_pb2

_generated: dict[str, Any] = {}
for _module in (
    attr_value_pb2,
    event_pb2,
    graph_pb2,
    summary_pb2,
    tensor_pb2,
    tensor_shape_pb2,
    types_pb2,
    projector_config_pb2,
):
    _generated |= vars(_module)

AttrValue: Any = _generated["AttrValue"]
DataType: Any = _generated["DataType"]
Event: Any = _generated["Event"]
GraphDef: Any = _generated["GraphDef"]
ProjectorConfig: Any = _generated["ProjectorConfig"]
SessionLog: Any = _generated["SessionLog"]
Summary: Any = _generated["Summary"]
SummaryMetadata: Any = _generated["SummaryMetadata"]
TensorProto: Any = _generated["TensorProto"]
TensorShapeProto: Any = _generated["TensorShapeProto"]
