"""What the HParams tab shows: the settings of a run, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..core.run_config import RunConfig
from .protos import DataType, HParamsData, Message, Status, Summary, SummaryMetadata, TensorProto, TensorShapeProto

TAGS = "_hparams_/session_start_info", "_hparams_/session_end_info"
"""What the tab looks for in each run (tensorboard/plugins/hparams/metadata.py)."""


def session_start(config: RunConfig) -> Message:
    """Return the settings of a run; the tab makes its columns of what all runs have."""
    start = HParamsData(version=0)
    for name, value in config.items():
        field = _field(value)
        for kind, plain in field.items():
            setattr(start.session_start_info.hparams[name], kind, plain)
    start.session_start_info.start_time_secs = time.time()
    return _value(TAGS[0], start)


def session_end(succeeded: bool) -> Message:
    """Return how a run ended."""
    end = HParamsData(version=0)
    end.session_end_info.status = Status.Value("STATUS_SUCCESS" if succeeded else "STATUS_FAILURE")
    end.session_end_info.end_time_secs = time.time()
    return _value(TAGS[1], end)


def _field(value: str | int | float | bool | None) -> Mapping[str, object]:
    """Return the field of a `google.protobuf.Value` that holds a value; none for None, which the tab leaves empty."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"bool_value": value}
    return {"string_value": value} if isinstance(value, str) else {"number_value": float(value)}


def _value(tag: str, data: Message) -> Message:
    """Return a value that has nothing but what is written about it."""
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=data.SerializeToString())
    nothing = TensorProto(
        dtype=DataType.Value("DT_FLOAT"), tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)])
    )
    return Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=nothing)
