"""The names of the layers and inputs of a model, which differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeGuard

from .base import Layer
from .names import Names, snake_case
from .nests import is_mapping
from .tensors import Tensor
from .types import Nest


class NamedLayer(Protocol):
    """A layer that has a name of its own."""

    name: str


def unique_names(layers: Sequence[object]) -> list[str]:
    """Return a name for each layer: its own, or its class's with a number; told to the layers that have none.

    Raises:
        ValueError: If two layers have one name.
    """
    own = [layer.name for layer in layers if has_name(layer)]
    if twice := {name for name, times in Counter(own).items() if times > 1}:
        raise ValueError(f"two layers are named {min(twice)!r}; names in a model must differ.")
    taken = Names(own)
    return [name_of(layer, taken) for layer in layers]


def name_of(layer: object, taken: Names) -> str:
    """Return a layer's own name, else its class's with a number, which it is told."""
    if has_name(layer):
        return layer.name
    name = taken.free(snake_case(layer))
    if isinstance(layer, Layer):
        layer.name, layer.numbered = name, True
    return name


def has_name(layer: object) -> TypeGuard[NamedLayer]:
    """Return whether a layer has a name of its own."""
    return isinstance(layer, Layer) and layer.name is not None and not layer.numbered


def input_names(inputs: Nest, tensors: Sequence[Tensor], layer_names: Sequence[str]) -> tuple[str, ...]:
    """Return the inputs' names: their own, else a dict's keys, else numbered ones.

    Args:
        inputs: The nest in which the model was given them.
        tensors: The inputs in their order.
        layer_names: The names of the layers.

    Raises:
        ValueError: If two inputs, or an input and a layer, have one name.
    """
    keys: list[str | None] = list(inputs) if is_mapping(inputs) else [None] * len(tensors)
    own: list[str | None] = [getattr(tensor, "name", None) or key for tensor, key in zip(tensors, keys, strict=True)]
    times = Counter([*filter(None, own), *layer_names])
    if twice := {name for name in own if name and times[name] > 1}:
        raise ValueError(f"the name {min(twice)!r} is used twice; names in a model must differ.")
    taken = Names(times)
    return tuple(name or taken.free("input_layer") for name in own)
