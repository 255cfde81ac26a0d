"""The dtypes that a model brings its inputs into."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx

from .embedding import Embedding
from .tensors import LayerCall, Tensor

Taker = tuple[nnx.Module, int]
"""A layer that takes a tensor, and the number of its input that it is."""


def taken_dtypes(inputs: Sequence[Tensor], calls: Sequence[LayerCall]) -> tuple[str | None, ...]:
    """Return the dtype that each input is cast to: its own if that is of floats, int32 if it leads to embeddings only.

    It is None for others: numbers that stand for something else, as in a function of one's own, are left alone.

    Args:
        inputs: Of a model.
        calls: Of its layers.
    """
    takers: dict[int, list[Taker]] = {}
    for call in calls:
        for at, tensor in enumerate(call.inputs):
            takers.setdefault(id(tensor), []).append((call.layer, at))
    return tuple(_taken_dtype(tensor, takers.get(id(tensor), ())) for tensor in inputs)


def _taken_dtype(tensor: Tensor, takers: Sequence[Taker]) -> str | None:
    if takers and all(_looks_up(layer, at) for layer, at in takers):
        return "int32"
    return tensor.dtype if jnp.issubdtype(tensor.dtype, jnp.floating) else None


def _looks_up(layer: nnx.Module, at: int) -> bool:
    """Return whether a layer, or the layers in a nested model, look vectors up for the numbers in one of its inputs."""
    dtypes: Sequence[str | None] | None = getattr(layer, "taken_dtypes", None)
    return isinstance(layer, Embedding) or (dtypes is not None and dtypes[at] == "int32")
