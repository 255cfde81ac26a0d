"""The layers, models and weights in a layer's attributes, also in lists, tuples and dicts there."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from flax import nnx
from flax.nnx import graphlib

from .names import numbered_by_class, snake_case
from .types import Nest, Path

ADDED_WEIGHTS = "made_weights"
"""The attribute that lists the weights from `add_weight`; most are in other attributes, too."""


@dataclass(frozen=True)
class Member:
    """A weight, a layer or a module that a layer has in an attribute.

    Attributes:
        path: The attribute's name, and the numbers and keys that lead from there.
        place: The group, below the layer's own, where a `.weights.h5` file of Keras has it.
        value: An `nnx.Variable`, a layer or another module, or a model.
    """

    path: Path
    place: str
    value: Any


def members_of(owner: object) -> Iterator[Member]:
    """Yield the members in the attributes of a layer or a module, in the order in which these were first set."""
    attributes = vars(owner)
    first_set: tuple[str, ...] = getattr(owner, "attribute_order", ())
    names = dict.fromkeys((*first_set, *attributes))
    for name in sorted(names, key=lambda name: name == ADDED_WEIGHTS):
        if name in attributes and not name.startswith("_pytree__"):
            yield from _members_in(attributes[name], (name,), name)


def _members_in(value: Nest, path: Path, place: str) -> Iterator[Member]:
    if _is_list(value):
        yield from _members_in_items(dict(enumerate(value)), path, place)
    elif _is_dict(value):
        yield from _members_in_items(dict(value.items()), path, place)
    elif graphlib.is_graph_node(value) and not isinstance(value, nnx.Rngs):  # which has no weights, and any attribute
        yield Member(path, place, value)


def _members_in_items(items: Mapping[Hashable, Nest], path: Path, place: str) -> Iterator[Member]:
    """Yield the members in a list or a dict; Keras's files number the items by their classes."""
    kinds = ["container" if _is_container(item) else snake_case(item) for item in items.values()]
    saved = [at for at, item in enumerate(items.values()) if _is_container(item) or is_module_or_model(item)]
    groups = dict(zip(saved, numbered_by_class(kinds[at] for at in saved), strict=True))
    for at, (key, item) in enumerate(items.items()):
        yield from _members_in(item, (*path, key), f"{place}/{groups[at]}" if at in groups else place)


def _is_container(value: object) -> bool:
    return _is_list(value) or _is_dict(value)


def _is_list(value: object) -> TypeGuard[Iterable[Nest]]:
    return isinstance(value, (list, tuple, nnx.List))


def _is_dict(value: object) -> TypeGuard[Mapping[Hashable, Nest]]:
    return isinstance(value, (Mapping, nnx.Dict))


def is_model(value: object) -> bool:
    """Return whether a value is a model, which isn't a module itself but has one."""
    return graphlib.is_graph_node(value) and not isinstance(value, (nnx.Pytree, nnx.Variable))


def is_module_or_model(value: object) -> bool:
    """Return whether a value is a module or a model."""
    return isinstance(value, nnx.Module) or is_model(value)


def module_in(value: object) -> Any:
    """Return the module that a member is or, if it is a model, has; None for a model that has none yet."""
    if is_model(value):
        implementation: Any = graphlib.get_node_impl(value)
        return implementation.node_dict(value).get("module")
    return value if isinstance(value, nnx.Pytree) else None


def layers_in(value: object, is_layer: type[Any]) -> Iterator[Any]:
    """Yield a value if it is a layer or a model, else the layers and models in it if it is another module.

    Args:
        value: What a member is.
        is_layer: The class of layers.
    """
    if isinstance(value, is_layer) or is_model(value):
        yield value
    elif isinstance(value, nnx.Pytree):
        for member in members_of(value):
            yield from layers_in(member.value, is_layer)
