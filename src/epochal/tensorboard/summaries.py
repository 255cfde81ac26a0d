"""Values as `Summary.Value` messages, each in the form that TensorBoard's plugin for its kind reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np

from ..core.layer_node import LayerNode
from . import images as weight_images
from .graphs import keras_config
from .histograms import Histogram
from .protos import DataType, Message, Summary, SummaryMetadata, TensorProto, TensorShapeProto

SCALAR, TENSOR, BLOBS = 1, 2, 3
"""`DATA_CLASS_SCALAR`, `DATA_CLASS_TENSOR` and `DATA_CLASS_BLOB_SEQUENCE` of summary.proto."""


def scalar(tag: str, value: float, description: str = "") -> Message:
    """Return a scalar in the form that every reader knows.

    Args:
        tag: Its name.
        value: The number.
        description: What it is, in Markdown; TensorBoard takes the first one of each tag.
    """
    about = {"metadata": _metadata("scalars", SCALAR, description=description)} if description else {}
    return Summary.Value(tag=tag, simple_value=value, **about)


def text(tag: str, markdown: str, description: str) -> Message:
    """Return a text for the Text tab."""
    metadata = _metadata("text", TENSOR, description=description)
    return Summary.Value(tag=tag, metadata=metadata, tensor=_strings([markdown.encode()]))


def histogram(tag: str, of: Histogram, description: str = "") -> list[Message]:
    """Return a histogram; and a scalar `<tag>/not_finite`, if some values are in no bucket, with their number."""
    buckets = of.buckets()
    tensor = TensorProto(
        dtype=DataType.Value("DT_DOUBLE"), tensor_shape=_shape(buckets.shape), tensor_content=buckets.tobytes()
    )
    values = [Summary.Value(tag=tag, metadata=_metadata("histograms", TENSOR, description=description), tensor=tensor)]
    lost = "How many values were NaN or infinite, and so in no bucket."
    return values + ([scalar(f"{tag}/not_finite", of.not_finite, lost)] if of.not_finite else [])


def images(tag: str, weight: np.ndarray, description: str = "") -> list[Message]:
    """Return a weight as images, all under one tag; nothing if it has no image."""
    shown = weight_images.layout(weight)
    if not shown:
        return []
    # A series of images has one size, which stands in front of them.
    height, width = shown[0].shape
    files = [weight_images.png(weight_images.pixels(image)) for image in shown]
    strings = [str(width).encode(), str(height).encode(), *files]
    return [
        Summary.Value(tag=tag, metadata=_metadata("images", BLOBS, description=description), tensor=_strings(strings))
    ]


def keras_graph(model_name: str, nodes: Iterable[LayerNode]) -> Message:
    """Return the model as the graphs plugin's conceptual graph."""
    text = json.dumps(keras_config(model_name, nodes), default=str)
    metadata = _metadata("graph_keras_model", BLOBS, content=b"1")  # the version of what follows
    return Summary.Value(tag="keras", metadata=metadata, tensor=_strings([text.encode()]))


def _metadata(plugin: str, data_class: int, content: bytes = b"", description: str = "") -> Message:
    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return SummaryMetadata(plugin_data=data, data_class=data_class, summary_description=description)


def _strings(strings: Sequence[bytes]) -> Message:
    shape = _shape((len(strings),))
    return TensorProto(dtype=DataType.Value("DT_STRING"), tensor_shape=shape, string_val=strings)


def _shape(shape: Sequence[int]) -> Message:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
