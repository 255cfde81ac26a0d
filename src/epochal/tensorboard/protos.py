"""The messages of the `tensorboard` package that are written here.

They are made by protobuf when they are imported and have no types: this is the one place that says so.

None of the modules imported here or by its neighbours looks for TensorFlow; `tensorboard`'s `EventFileWriter` would.
"""

from __future__ import annotations

from typing import Any, Protocol

from tensorboard.compat.proto import (  # pyright: ignore[reportMissingTypeStubs]
    attr_value_pb2,
    event_pb2,
    graph_pb2,
    summary_pb2,
    tensor_pb2,
    tensor_shape_pb2,
    types_pb2,
)
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2  # pyright: ignore[reportMissingTypeStubs]
from tensorboard.plugins.projector import projector_config_pb2  # pyright: ignore[reportMissingTypeStubs]

Generated = Any
"""A class of messages: made from fields by name, and holding the classes of the messages within."""


class Message(Protocol):
    """A message, of whatever class."""

    def SerializeToString(self) -> bytes:
        """Return its bytes, as a file holds them."""
        ...


_generated: dict[str, Generated] = {}
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
_of_hparams: dict[str, Generated] = vars(plugin_data_pb2) | {"Status": vars(api_pb2)["Status"]}

AttrValue: Generated = _generated["AttrValue"]
DataType: Generated = _generated["DataType"]
Event: Generated = _generated["Event"]
HParamsData: Generated = _of_hparams["HParamsPluginData"]
GraphDef: Generated = _generated["GraphDef"]
ProjectorConfig: Generated = _generated["ProjectorConfig"]
SessionLog: Generated = _generated["SessionLog"]
Status: Generated = _of_hparams["Status"]
Summary: Generated = _generated["Summary"]
SummaryMetadata: Generated = _generated["SummaryMetadata"]
TensorProto: Generated = _generated["TensorProto"]
TensorShapeProto: Generated = _generated["TensorShapeProto"]
