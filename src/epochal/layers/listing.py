"""Which weights a layer or another module has: their names, their order, and their places in files."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import jax
import jax.numpy as jnp
from flax import nnx

from ..core.absent import outline
from ..messages.names import path_name
from .frozen import frozen_variables
from .members import ADDED_WEIGHTS, Member, is_model, members_of, module_in
from .names import numbered_by_class
from .types import AnyWeight, NamedWeights, Path, PlacedWeight, Variable
from .untyped import is_variable
from .weights import NestedWeight, is_parameter, nested_weights, variable_of

NO_WEIGHTS = (nnx.RngState, nnx.Intermediate)
"""Variables that are no weights: a module's random streams, and values that it has sown."""


class HasWeights(Protocol):
    """The side of a layer that tells its weights; `epochal.layers.Layer` documents the methods."""

    made_weights: Sequence[Variable]

    @property
    def built(self) -> bool:
        """Whether it has its weights."""
        ...

    @property
    def trainable(self) -> bool:
        """Whether training changes them."""
        ...

    @classmethod
    def lists_own_weights(cls) -> bool:
        """Return whether `named_weights` is its class's own."""
        ...

    def placed_weights(self) -> list[PlacedWeight]:
        """Return the weights in its attributes, with names and places."""
        ...

    def named_weights(self) -> NamedWeights:
        """Return the weights with their names."""
        ...

    def places(self) -> list[str]:
        """Return the place of each of `named_weights`."""
        ...


def weights_of(layer: object) -> NamedWeights:
    """Return a layer's variables with names: a Keras layer's own order, else parameters first, then other state.

    A variable that holds a nest of arrays is as many weights, each a `NestedWeight`.
    """
    return [(name, weight) for name, weight, _ in placed_weights_of(layer)]


def places_of(layer: object) -> list[str]:
    """Return for each of a layer's weights where a `.weights.h5` file of Keras has it, below the layer's group."""
    return [place for _, _, place in placed_weights_of(layer)]


def placed_weights_of(layer: object) -> list[PlacedWeight]:
    """Return the weights of a layer or of any other module, with their names and places."""
    if not _is_layer(layer):
        return [PlacedWeight(name, weight, "") for name, weight in _of_module(layer)]
    if not layer.lists_own_weights():
        return layer.placed_weights()
    if not layer.built:
        return []
    named = layer.named_weights()
    placed = [PlacedWeight(name, weight, place) for (name, weight), place in zip(named, layer.places(), strict=True)]
    if _lists_all(type(layer)):
        return placed
    listed = {_identity(item.weight) for item in placed}
    return placed + [item for item in weights_in_attributes(layer) if _identity(item.weight) not in listed]


def _is_layer(module: object) -> TypeGuard[HasWeights]:
    return hasattr(module, "placed_weights")


@functools.cache
def _lists_all(kind: type[Any]) -> bool:
    """Return whether no subclass of the one that lists the weights could add some, when it is made or built."""
    for base in kind.__mro__:
        if "named_weights" in vars(base):
            return True
        if {"__init__", "build"} & vars(base).keys():
            return False
    return True


def trained_of(layer: nnx.Module) -> list[tuple[Any, bool]]:
    """Return a layer's variables, each with whether training changes it."""
    frozen = frozen_variables(layer)
    is_trained = not _is_layer(layer) or layer.trainable
    return [
        (weight, is_trained and is_parameter(weight) and id(variable_of(weight)) not in frozen)
        for _, weight in weights_of(layer)
    ]


def _of_module(module: object) -> NamedWeights:
    """Return a module's weights by their paths: parameters first."""
    variables = [(path, node) for path, node in nnx.iter_graph(module) if is_variable(node)]
    named = [item for path, variable in variables for item in _of_variable(path, variable)]
    return sorted(named, key=lambda item: not is_parameter(item[1]))


def _of_variable(path: Path, variable: Variable) -> NamedWeights:
    """Return a variable by its name, if it is a weight; its arrays, if it holds a nest of them."""
    if isinstance(variable, NO_WEIGHTS) or _holds_keys(variable):
        return []
    if hasattr(outline(variable), "shape"):
        return [(path_name(path), variable)]
    return [(path_name((*path, *weight.keys)), weight) for weight in nested_weights(variable)]


def _holds_keys(variable: Variable) -> bool:
    """Return whether a variable holds keys of random numbers, which are a stream and no weights, whatever its type."""
    return jnp.issubdtype(getattr(outline(variable), "dtype", jnp.float32), jax.dtypes.prng_key)


@dataclass(frozen=True)
class _Found:
    """A weight that was found in an attribute of a layer.

    Attributes:
        name: In the layer.
        weight: An `nnx.Variable`, or a `NestedWeight`.
        place: The group, below the layer's own, that has it in a `.weights.h5` file.
        is_own: Whether it isn't one of a layer inside.
    """

    name: str
    weight: Any
    place: str
    is_own: bool


def _identity(weight: AnyWeight) -> object:
    """Return a value that differs between two weights, also between two in one variable."""
    return (id(weight.variable), weight.keys) if isinstance(weight, NestedWeight) else id(weight)


def weights_in_attributes(layer: HasWeights) -> list[PlacedWeight]:
    """Return the weights in a layer's attributes, with their names and places.

    The layer's own come first, parameters before others, in the order in which they were made; then those of the
    layers inside, in the order of the attributes.
    """
    found = [item for member in members_of(layer) for item in _in_member(member)]
    first: dict[object, _Found] = {}
    for item in found:
        first.setdefault(_identity(item.weight), item)
    by_attribute = sorted(found, key=lambda item: item.name.split("/")[0])  # the first place is the one in the file
    places = {_identity(item.weight): item.place for item in reversed(by_attribute)}
    added = {id(variable): at for at, variable in enumerate(layer.made_weights)}
    once = sorted(first.values(), key=lambda item: _rank(item, added))
    names = numbered_by_class(item.name for item in once)  # which differ, but where add_weight was given one twice
    return [
        PlacedWeight(name, item.weight, places[_identity(item.weight)]) for item, name in zip(once, names, strict=True)
    ]


def _rank(item: _Found, added: dict[int, int]) -> tuple[int, ...]:
    if not item.is_own:
        return (1,)
    return 0, not is_parameter(item.weight), added.get(id(item.weight), len(added))


def _in_member(member: Member) -> Iterator[_Found]:
    value = member.value
    if is_variable(value):
        name = getattr(value, "name", None) if member.path[0] == ADDED_WEIGHTS else None
        path = (name,) if name else member.path
        yield from (_Found(name, weight, "", True) for name, weight in _of_variable(path, value))
    elif (module := module_in(value)) is not None:
        is_layer = _is_layer(module) or is_model(value)
        for name, weight, place in placed_weights_of(module):
            inner = f"{member.place}/{place}".rstrip("/") if is_layer else ""
            yield _Found(f"{path_name(member.path)}/{name}", weight, inner, not is_layer)
