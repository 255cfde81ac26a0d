"""The calls of a described model's layers, made in an order in which each has its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import jax
from flax import nnx

from ..layers import Input, Layer
from ..layers.graph import Graph
from ..layers.nests import map_nest
from ..layers.tensors import Tensor, connect, tensors_in
from ..messages.names import suggest
from . import calls
from .calls import Reference, references_in
from .json_values import Json, as_list, as_object

Place: TypeAlias = tuple[str, int]
"""A layer's name and the number of a call of it."""

Call: TypeAlias = tuple[list[object], dict[str, object]]
"""The arguments of a call, by order and by name, with references for tensors."""

T = TypeVar("T")


def references(saved: object, what: str) -> Reference | list[Reference] | dict[str, Reference]:
    """Return a model's inputs or outputs: one reference, or a list or a dict of them.

    Args:
        saved: The description in the file.
        what: "inputs" or "outputs", for the error.

    Raises:
        ValueError: If it is nothing of that kind.
    """
    if by_name := as_object(saved):
        return {str(name): calls.reference(item) for name, item in by_name.items()}
    if listed := as_list(saved):
        return calls.reference(listed) if isinstance(listed[0], str) else [calls.reference(item) for item in listed]
    raise ValueError(f"it doesn't say which are its {what}.")


def each_reference(
    change: Callable[[Reference], T], nest: Reference | list[Reference] | dict[str, Reference]
) -> T | list[T] | dict[str, T]:
    """Return a nest with every reference changed; a dict keeps its order."""
    if isinstance(nest, dict):
        return {name: change(reference) for name, reference in nest.items()}
    return [change(reference) for reference in nest] if isinstance(nest, list) else change(nest)


def call_layer(name: str, layer: nnx.Module, args: Sequence[object], kwargs: Mapping[str, object]) -> list[Tensor]:
    """Return the tensors that a call of a layer makes.

    Raises:
        ValueError: If the layer can't be called so, whatever it raises itself.
    """
    try:
        made: object = layer(*args, **kwargs) if isinstance(layer, Layer) else connect(layer, tuple(args), dict(kwargs))
    except Exception as error:
        raise ValueError(f"layer {name!r} ({type(layer).__name__}): {error}") from error
    return jax.tree.leaves(made)


class Wiring:
    """The tensors of a functional model.

    Args:
        entries: The description of each layer in the file.
        layers: The layers, without those that only compute masks.
        inputs: The inputs.
        left_out: Gets the names of settings without a counterpart that matter in training only.

    Raises:
        ValueError: If a layer can't be called as described, takes what isn't there, or the calls go round in a circle.
    """

    def __init__(
        self,
        entries: Mapping[str, Json],
        layers: Mapping[str, nnx.Module],
        inputs: Mapping[str, Input],
        left_out: list[str],
    ) -> None:
        self._entries, self._layers, self._inputs, self._left_out = entries, layers, inputs, left_out
        self._all_layers = {*layers, *inputs}
        nodes = {name: _nodes(name, entry) for name, entry in entries.items()}
        self._old = any(calls.is_old(node) for listed in nodes.values() for node in listed)
        self._computed_masks: dict[Place, set[str]] = {}  # the arguments that Keras gives masks which it computes
        self._calls = {
            (name, number): self._call((name, number), node)
            for name, listed in nodes.items()
            if name in layers
            for number, node in enumerate(listed)
        }
        self._made: dict[Place, list[Tensor]] = {(name, 0): [given] for name, given in inputs.items()}
        self._make_all()

    def input(self, wanted: Reference) -> Input:
        """Return the input that one of the model's inputs refers to."""
        if wanted.layer not in self._inputs:
            raise ValueError(f"{wanted.layer!r} should be an input, but no InputLayer of this name is there.")
        return self._inputs[wanted.layer]

    def output(self, wanted: Reference) -> Tensor:
        """Return the tensor that one of the model's outputs refers to."""
        first = self._first_call(wanted.layer, self._old or self._class(wanted.layer) != "Sequential")
        return self._tensor("the model", Reference(wanted.layer, wanted.call - first, wanted.output))

    def _class(self, name: str) -> object:
        return self._entries[name].get("class_name") if name in self._entries else None

    def _first_call(self, name: str, counted_from_one: bool) -> int:
        """Return the number of a layer's first call: 1 for some models, of which Keras has made a call by itself."""
        layer = self._layers.get(name)
        if not counted_from_one or not isinstance(layer, Graph):
            return 0
        return int(self._class(name) != "Sequential" or _says_its_input(self._entries[name]))

    def _call(self, place: Place, node: object) -> Call:
        """Return the arguments of a call without masks, which layers tell each other here."""
        name = place[0]
        try:
            args, kwargs = calls.arguments(node, self._entries)
        except ValueError as error:
            raise ValueError(f"layer {name!r}: {error}") from error
        args, kwargs = map_nest(self._renumbered, (args, kwargs))
        takes = _arguments_of(self._layers[name])
        masks = {"mask", *(f"{argument}_mask" for argument in takes)}
        left = {key for key, value in kwargs.items() if key in masks and self._is_left_to_layers(value)}
        self._computed_masks |= {place: {key for key in left if jax.tree.leaves(kwargs[key])}}
        kwargs = {key: value for key, value in kwargs.items() if key not in left}
        if "training" in kwargs and "training" not in takes:
            if (training := kwargs.pop("training")) not in (None, False):
                raise ValueError(f"layer {name!r} is called with training={training!r}, which has no counterpart here.")
            self._left_out += [f"{name} called with training=False"] if training is False else []
        return args, kwargs

    def _is_left_to_layers(self, mask: object) -> bool:
        """Return whether a mask, or each in a list of them, is none or one that Keras computes beside the layers."""
        return all(
            isinstance(leaf, Reference) and leaf.layer in self._entries and leaf.layer not in self._all_layers
            for leaf in jax.tree.leaves(mask)
        )

    def _renumbered(self, leaf: object) -> object:
        if not isinstance(leaf, Reference):
            return leaf
        return Reference(leaf.layer, leaf.call - self._first_call(leaf.layer, self._old), leaf.output)

    def _make_all(self) -> None:
        waiting: dict[Place, set[Place]] = {}
        followers: dict[Place, list[Place]] = {}
        for place, nest in self._calls.items():
            needed = {(needs.layer, needs.call) for needs in references_in(nest)}
            for reference in references_in(nest):
                self._check(f"layer {place[0]!r}", reference)
            waiting[place] = {needs for needs in needed if needs not in self._made}
            for needs in waiting[place]:
                followers.setdefault(needs, []).append(place)
        ready = [place for place in reversed(waiting) if not waiting[place]]
        while ready:
            place = ready.pop()
            self._make(place)
            for follower in reversed(followers.get(place, ())):
                waiting[follower].discard(place)
                if not waiting[follower]:
                    ready.append(follower)
        if left := sorted({name for name, number in self._calls if (name, number) not in self._made}):
            raise ValueError(f"its layers take one another's outputs in a circle: {', '.join(map(repr, left[:6]))}.")

    def _make(self, place: Place) -> None:
        name = place[0]
        args, kwargs = map_nest(
            lambda leaf: self._tensor(f"layer {name!r}", leaf) if isinstance(leaf, Reference) else leaf,
            self._calls[place],
        )
        for argument in self._computed_masks[place]:
            if not any(tensor.mask for tensor in tensors_in((args, kwargs))):
                raise ValueError(f"layer {name!r} is given a computed {argument}, which has no counterpart here.")
        self._made[place] = call_layer(name, self._layers[name], args, kwargs)

    def _check(self, who: str, wanted: Reference) -> None:
        """Raise unless there is a call that a reference may refer to."""
        if wanted.layer not in self._all_layers:
            if wanted.layer in self._entries:
                kind = self._class(wanted.layer)
                raise ValueError(f"{who} takes what {wanted.layer!r} ({kind}) makes, which has no counterpart here.")
            raise ValueError(
                f"{who} takes what {wanted.layer!r} makes, which is no layer of it. "
                f"{suggest(wanted.layer, list(self._entries))}"
            )
        place = (wanted.layer, wanted.call)
        if place not in self._calls and place not in self._made:
            raise ValueError(f"{who} takes what call {wanted.call} of {wanted.layer!r} makes, but there is none.")

    def _tensor(self, who: str, wanted: Reference) -> Tensor:
        self._check(who, wanted)
        made = self._made[wanted.layer, wanted.call]
        if wanted.output >= len(made):
            raise ValueError(
                f"{who} takes output {wanted.output} of {wanted.layer!r}, which has {len(made)}, counted from 0."
            )
        return made[wanted.output]


def _nodes(name: str, entry: Json) -> list[object]:
    nodes = as_list(entry.get("inbound_nodes") or [])
    if nodes is None:
        raise ValueError(f"layer {name!r} should list its calls.")
    return nodes


def _arguments_of(layer: nnx.Module) -> Mapping[str, object]:
    return inspect.signature(getattr(layer, "call", layer)).parameters


def _says_its_input(entry: Json) -> bool:
    """Return whether a described `Sequential` begins with its input."""
    listed = as_list((as_object(entry["config"]) or {}).get("layers"))
    first = as_object(listed[0]) if listed else None
    if first is None or (settings := as_object(first.get("config"))) is None:
        return False
    return first.get("class_name") == "InputLayer" or "batch_input_shape" in settings
