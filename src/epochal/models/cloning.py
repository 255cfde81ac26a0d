"""Models made anew of other models' settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jax
from flax import nnx

from ..layers import Bidirectional, Input, Lambda, Layer, Tensor, TimeDistributed, restraints
from ..layers.graph import Graph
from ..layers.members import is_model
from ..layers.operations import Operation
from ..layers.tensors import connect, tensors_in
from ..layers.types import Config
from ..messages.arguments import names_arguments
from ..saving.custom_objects import CustomObjects
from . import configs
from .model import Model
from .network import LayerLike
from .sequential import Sequential

Clone = Callable[[Any], Any]
"""A layer to one that takes its place."""


@names_arguments
def model_from_json(json_string: str, custom_objects: CustomObjects | None = None) -> Model:
    """Return a new model, with new weights, of what `to_json` returned, Keras's too.

        >>> from epochal.layers import Dense
        >>> model_from_json(Sequential([Dense(2, input_dim=3)]).to_json()).output_shape
        (None, 2)

    Args:
        json_string: The JSON.
        custom_objects: One's own layers and functions by their names in it; nothing that it names is imported.

    Raises:
        ValueError: If it describes no model, or what isn't known here.
    """
    kind, config = configs.described_in(json_string)
    graph = configs.graph_from(kind, config, custom_objects)
    return Sequential.of_graph(graph) if graph.keras_class == "Sequential" else Model(graph, name=graph.name)


@names_arguments
def clone_model(
    model: Model, input_tensors: object = None, clone_function: Callable[[Any], Any] | None = None
) -> Model:
    """Return a model of new layers with the same settings and calls, and new weights. It isn't compiled.

        >>> from epochal.layers import Dense
        >>> clone = clone_model(Sequential([Dense(2, input_dim=3)]))
        >>> [layer.units for layer in clone.layers]
        [2]

    Args:
        model: A `Sequential`, or a model of tensors. Models within it are cloned too.
        input_tensors: An `Input`, or a list of them, that the new model begins with; new ones like the model's if None.
        clone_function: Takes each layer and returns the one that takes its place: another one, or the same, whose
            weights both models then have. None makes a layer of the same class from `get_config`.

    Raises:
        ValueError: If the model is made of a module, or the inputs are others in number.
        TypeError: If `clone_function` returns no layer.
    """
    clone = _checked(clone_function) if clone_function is not None else clone_layer
    network = model.trainee.network
    if isinstance(model, Sequential) and network.graph is None:
        if input_tensors is not None:
            raise ValueError(f"{model.name} isn't built, so that it takes no input_tensors: build it first.")
        return Sequential([_clone_part(layer, clone) for layer in model.layers], name=model.name)
    if network.graph is None:
        raise ValueError(
            f"{model.name} is made of a module, whose settings nobody knows: make another module, and Model(module)."
        )
    graph = _clone_graph(network.graph, clone, None if input_tensors is None else tensors_in(input_tensors))
    return Sequential.of_graph(graph) if graph.keras_class == "Sequential" else Model(graph, name=graph.name)


def _clone_part(layer: LayerLike, clone: Clone) -> LayerLike:
    return clone_model(layer, None, clone) if is_model(layer) else clone(layer)


def _clone_graph(graph: Graph, clone: Clone, inputs: list[Tensor] | None) -> Graph:
    """Return a graph whose layers are clones, called as in another one."""
    if inputs is None:
        settings = zip(graph.input_shapes, graph.input_dtypes, graph.input_names, strict=True)
        inputs = [Input(shape[1:], dtype, name) for shape, dtype, name in settings]
    elif len(inputs) != len(graph.input_names):
        raise ValueError(f"the model has {len(graph.input_names)} inputs; got {len(inputs)} input_tensors.")
    layers = [_clone_graph(layer, clone, None) if isinstance(layer, Graph) else clone(layer) for layer in graph.layers]
    values: dict[int, Tensor] = dict(enumerate(inputs))
    for step in graph.steps:
        args, kwargs = step.arguments_with(values)
        layer = layers[step.layer]
        made = layer(*args, **kwargs) if isinstance(layer, Layer) else connect(layer, args, kwargs)
        values.update(zip(step.outputs, cast("list[Tensor]", jax.tree.leaves(made)), strict=True))
    given = dict(zip(graph.input_names, inputs, strict=True)) if graph.inputs_by_name else inputs
    is_sequential = graph.keras_class == "Sequential"
    one = given[0] if isinstance(given, list) and len(given) == 1 else given
    return Graph(one, graph.packed(values), graph.name, sequential=is_sequential, trainable=graph.trainable)


def clone_layer(layer: nnx.Module) -> nnx.Module:
    """Return a new layer of the same class with the same settings.

    Raises:
        ValueError: If it is a plain module, whose settings nobody knows.
    """
    if isinstance(layer, Operation):
        return Operation(layer.keras_class, name=layer.name)
    if not isinstance(layer, Layer):
        raise ValueError(
            f"{type(layer).__name__} is a plain module, whose settings nobody knows: a clone_function can make another."
        )
    config = layer.get_config() | _held_by(layer)
    # What JSON can't hold, such as a function of one's own, isn't in a config
    unsaid = {key: getattr(layer, key, None) for key, value in config.items() if value is None}
    config |= {key: value for key, value in unsaid.items() if callable(value)}
    return type(layer).from_config(config)


def _held_by(layer: Layer) -> Config:
    """Return the settings of a layer that are layers, cloned, and those that are functions or may be of one's own."""
    found = {name: getattr(layer, name, None) for name in restraints.names_of(type(layer))}
    held = {name: restraint for name, restraint in found.items() if restraint is not None}
    if isinstance(layer, TimeDistributed):
        held["layer"] = _clone_part(layer.layer, clone_layer)
    if isinstance(layer, Bidirectional):
        held |= {"layer": clone_layer(layer.forward_layer), "backward_layer": clone_layer(layer.backward_layer)}
    if isinstance(layer, Lambda):
        held |= {name: getattr(layer, name) for name in ("function", "output_shape", "mask", "arguments")}
    return held


def _checked(clone_function: Clone) -> Clone:
    """Return a user's function that keeps what isn't a layer of a user's, and must return layers."""

    def clone(layer: nnx.Module) -> nnx.Module:
        if isinstance(layer, Operation):
            return clone_layer(layer)
        made = clone_function(layer)
        if not isinstance(made, nnx.Module):
            raise TypeError(f"clone_function must return a layer; for {type(layer).__name__} it returned {made!r}.")
        return made

    return clone
