"""The graph of a model's layers, as callbacks see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LayerNode:
    """A layer in the graph of a model, or the model's input.

    Attributes:
        name: In the model.
        class_name: Such as `Dense`; `InputLayer` for the input.
        config: The settings, as JSON values.
        inputs: The names of the nodes whose outputs it takes.
        output_shape: With the batch axis in front; None where the size is open.
        dtype: Of the output.
        weights: The shape of each weight by its name.
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    output_shape: tuple[int | None, ...]
    dtype: str
    weights: Mapping[str, tuple[int, ...]]
