"""Nests of shapes: ours leave the batch axis out, Keras's have it in front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeGuard

from ..messages.numeric import whole
from .nests import is_mapping, is_sequence
from .types import Nest, Shape


def shapes_of(nest: Nest) -> Nest:
    """Return the shapes of the arrays or tensors in a nest, without the batch axis; None for anything else."""
    if is_mapping(nest):
        return {name: shapes_of(item) for name, item in nest.items()}
    if is_sequence(nest):
        return [shapes_of(item) for item in nest]
    return tuple(nest.shape[1:]) if hasattr(nest, "shape") else None


def is_shape(nest: Nest) -> TypeGuard[Shape]:
    """Return whether a nest is one shape: a tuple of numbers and None, or a list of some, as in JSON."""
    return is_sequence(nest) and nest != [] and all(size is None or isinstance(size, int) for size in nest)


def map_shapes(change: Callable[[Shape], Nest], nest: Nest) -> Nest:
    """Return a nest of shapes with each changed."""
    if is_shape(nest):
        return change(tuple(nest))
    if is_mapping(nest):
        return {name: map_shapes(change, item) for name, item in nest.items()}
    return [map_shapes(change, item) for item in nest] if is_sequence(nest) else nest


def with_batch(nest: Nest) -> Nest:
    """Return a nest of our shapes as Keras has them."""
    return map_shapes(lambda shape: (None, *shape), nest)


def without_batch(nest: Nest) -> Nest:
    """Return a nest of Keras's shapes as ours."""
    return map_shapes(lambda shape: shape[1:], nest)


def sample_shape(shape: Sequence[int | None] | None) -> Shape | None:
    """Return the shape of a sample, its sizes as Python's numbers."""
    return None if shape is None else tuple(None if size is None else whole("input_shape", size) for size in shape)
