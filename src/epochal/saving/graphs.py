"""A graph of layers as the JSON that Keras keeps in a file, and back.

Source: keras/src/models/functional.py of Keras 3.15. A `Sequential` lists its layers; a `Functional` model has for
each layer also its calls, `inbound_nodes`, in which `[layer, call, output]` stands for a tensor.
"""

from __future__ import annotations

from collections.abc import Sequence

from flax import nnx

from ..layers import Input, TimeDistributed
from ..layers.functions import as_layer
from ..layers.graph import Graph
from ..layers.members import module_in
from ..layers.names import snake_case
from ..layers.operations import FUNCTIONS, Operation
from ..layers.tensors import Tensor
from . import calls
from .calls import Reference
from .config import LAYERS, SAVE_WEIGHTS, entry_of, input_of, layer_config, layer_of
from .custom_objects import CustomObjects, own_object
from .json_values import Json, as_list, as_object
from .wiring import Wiring, call_layer, each_reference, references

MODELS = ("Sequential", "Functional", "Model")
"""The classes of models; the last is a functional one in files of Keras 2."""

DEEPEST = 32
"""How deep models may be parts of one another."""

MOST_TENSORS = 10_000
"""How many tensors a model's layers may take; a part's count as often as the part is called."""

MASK_OPS = ("NotEqual", "Any", "All", "LogicalAnd", "LogicalOr", "OnesLike", "ZerosLike", "ExpandDims", "BroadcastTo")
"""What Keras lists beside the layers to compute masks. Here layers tell each other their masks."""

OPERATIONS = "keras.src.ops.numpy"
"""Where Keras has the operations between tensors."""


# To JSON


def model_config(name: str, module: object) -> Json:
    """Return the description of a model that Keras keeps as `model_config`.

    Args:
        name: Of the model.
        module: What it is made of, a graph.

    Raises:
        ValueError: If a file can't describe the model: it has a function, or a module that isn't an
            `epochal.layers.Layer`; or one of its layers is also in another of its parts.
    """
    if not isinstance(module, Graph):
        raise ValueError(f"{name} is made of a module, not of layers, so a file can't describe it: {SAVE_WEIGHTS}")
    _check_sharing(module, set())
    config = _model(name, module)
    _count(config)
    return config


def _model(name: str, graph: Graph) -> Json:
    make = _sequential_config if graph.keras_class == "Sequential" else _functional_config
    return {"class_name": graph.keras_class, "config": {"name": name, "trainable": graph.trainable, **make(graph)}}


def _sequential_config(graph: Graph) -> Json:
    entries = [_entry(name, layer) for name, layer in graph.named_layers()]
    return {"layers": [*_inputs(graph), *entries], "build_input_shape": list(graph.input_shapes[0])}


def _functional_config(graph: Graph) -> Json:
    makers, made = _calls_of(graph)
    given = zip(graph.input_names, _inputs(graph), strict=True)
    inputs: list[Json] = [{**entry, "name": name, "inbound_nodes": []} for name, entry in given]
    entries: list[Json] = [
        {**_entry(name, layer), "name": name, "inbound_nodes": made[name]}
        for name, layer in graph.named_layers(operations=True)
    ]
    nested = [name for name, layer in graph.named_layers() if snake_case(layer) == "functional"]
    results = [  # Keras counts the calls of nested models from 1, though only here
        [maker.layer, maker.call + (maker.layer in nested), maker.output]
        for maker in (makers[slot] for slot in graph.results)
    ]
    return {
        "layers": [*inputs, *entries],
        "input_layers": _packed(graph.input_names, [[name, 0, 0] for name in graph.input_names], graph.inputs_by_name),
        "output_layers": _packed(graph.output_names, results, graph.outputs_by_name),
    }


def _packed(names: Sequence[str], items: Sequence[object], by_name: bool) -> object:
    return dict(zip(names, items, strict=True)) if by_name else list(items) if len(items) > 1 else items[0]


def _inputs(graph: Graph) -> list[Json]:
    given = zip(graph.input_names, graph.input_shapes, graph.input_dtypes, strict=True)
    return [
        {"class_name": "InputLayer", "config": {"batch_shape": list(shape), "dtype": dtype, "name": name}}
        for name, shape, dtype in given
    ]


def _entry(name: str, layer: object) -> Json:
    if isinstance(layer, Operation):  # Keras finds them by their module; its own files don't say it
        kind = layer.keras_class
        return {"module": OPERATIONS, "class_name": kind, "registered_name": kind, "config": {"name": name}}
    return _model(name, layer) if isinstance(layer, Graph) else layer_config(name, layer, _entry)


def _calls_of(graph: Graph) -> tuple[dict[int, Reference], dict[str, list[Json]]]:
    """Return the maker of the tensor in each slot, and the calls of each layer."""
    makers = {slot: Reference(name, 0, 0) for slot, name in enumerate(graph.input_names)}
    given = zip(makers.values(), graph.input_shapes, graph.input_dtypes, strict=True)
    tensors = {slot: calls.tensor_to_json(*about) for slot, about in enumerate(given)}
    found: dict[str, list[Json]] = {name: [] for name in graph.layer_names}
    for step in graph.steps:
        name = graph.layer_names[step.layer]
        args, kwargs = step.arguments
        try:
            call: Json = {
                "args": [calls.argument_to_json(item, tensors) for item in args],
                "kwargs": {key: calls.argument_to_json(item, tensors) for key, item in kwargs.items()},
            }
        except ValueError as error:
            raise ValueError(f"layer {name!r}: {error} {SAVE_WEIGHTS}") from error
        for output, made in enumerate(zip(step.outputs, step.shapes, step.dtypes, strict=True)):
            slot, shape, dtype = made
            makers[slot] = Reference(name, len(found[name]), output)
            tensors[slot] = calls.tensor_to_json(makers[slot], shape, dtype)
        found[name].append(call)
    return makers, found


def _check_sharing(graph: Graph, seen: set[int], level: int = 0) -> None:
    """Raise if a file would make several layers of one, since it is in several of the models, or in another layer."""
    _check_level(level)
    for name, layer in graph.named_layers():
        _check_shared(name, layer, seen, level)


def _check_shared(name: str, layer: object, seen: set[int], level: int) -> None:
    _check_level(level)
    if id(layer) in seen:
        raise ValueError(
            f"layer {name!r} is in two models, of which one is part of the other or both are parts of a third; "
            f"read from a file, it would be two layers: {SAVE_WEIGHTS}"
        )
    seen.add(id(layer))
    if isinstance(layer, Graph):
        _check_sharing(layer, seen, level + 1)
    elif isinstance(layer, TimeDistributed):
        held = module_in(layer.layer)
        _check_shared(held.name or snake_case(held), held, seen, level + 1)


def _check_level(level: int) -> None:
    if level > DEEPEST:
        raise ValueError(f"it has models in models more than {DEEPEST} deep, which a file may not describe.")


# From JSON


def graph_of(config: Json, custom: CustomObjects, left_out: list[str]) -> Graph:
    """Return the model that a file describes.

    Args:
        config: The content of `model_config`.
        custom: The user's classes and functions by the names in the file.
        left_out: Gets Keras's settings without a counterpart that matter in training only.

    Raises:
        ValueError: If the description names what isn't known here, sets what has no counterpart here, or its
            calls make no graph.
    """
    if (kind := config.get("class_name")) not in MODELS:
        raise ValueError(
            f"it describes a model of class {kind!r}; epochal builds Sequential and Functional ones. "
            "Build your model and use load_weights."
        )
    _count(config)
    return _graph(str(kind), config.get("config"), custom, left_out)


def _count(entry: Json, level: int = 0) -> int:
    """Return how many tensors a described model's calls take, with a part's as often as the part is called."""
    _check_level(level)
    inner = entry.get("config")
    listed = inner if (settings := as_object(inner)) is None else settings.get("layers")
    total = 0
    for part in map(as_object, as_list(listed) or ()):
        if part is not None:
            nodes = as_list(part.get("inbound_nodes"))
            taken = 1 if nodes is None else sum(max(1, calls.tensors_taken(node)) for node in nodes)
            total += taken * _count_of_part(part, level + 1)
    if total > MOST_TENSORS:
        raise ValueError(f"its layers take more than {MOST_TENSORS:,} tensors; no model is that large.")
    return total


def _count_of_part(part: Json, level: int) -> int:
    """Return the count of a model, or of one within a layer; 1 for any other layer."""
    if part.get("class_name") in MODELS:
        return _count(part, level)
    _check_level(level)
    held = as_object((as_object(part.get("config")) or {}).get("layer"))
    return 1 if held is None else _count_of_part(held, level + 1)


def _graph(kind: str, inner: object, custom: CustomObjects, left_out: list[str]) -> Graph:
    config = as_object(inner) or {"layers": inner}  # a list before Keras 2.2.3
    if (listed := as_list(config.get("layers"))) is None:
        raise ValueError("its model_config doesn't list layers.")
    name = str(config.get("name") or kind.lower())
    make = _sequential if kind == "Sequential" else _functional
    return make(name, config, listed, custom, left_out)


def _layer(class_name: str, settings: Json, custom: CustomObjects, left_out: list[str]) -> nnx.Module:
    if class_name in MODELS and own_object(class_name, custom) is None:
        return _graph(class_name, settings, custom, left_out)
    return as_layer(layer_of(class_name, settings, custom, left_out, _layer))


def _sequential(name: str, inner: Json, listed: list[object], custom: CustomObjects, left_out: list[str]) -> Graph:
    given: Input | None = None
    layers: list[nnx.Module] = []
    for entry in listed:
        class_name, settings = entry_of(entry)
        if class_name == "InputLayer":
            given = input_of(settings)
            continue
        if given is None and not layers and "batch_input_shape" in settings:  # Keras 2
            given = input_of(settings | {"name": None})
        layers.append(_layer(class_name, settings, custom, left_out))
    if given is None and inner.get("build_input_shape"):
        given = input_of({"batch_shape": inner["build_input_shape"]})
    if given is None or not layers:
        lacks = "has no layers" if not layers else "doesn't say the shape of its input"
        raise ValueError(f"the saved model {name!r} {lacks}: build it and use load_weights.")
    tensor: Tensor = given
    for layer in layers:
        made = call_layer(str(getattr(layer, "name", None)), layer, [tensor], {})
        if len(made) != 1:
            raise ValueError(f"{type(layer).__name__} returns several arrays, so it can't be a part of Sequential.")
        tensor = made[0]
    return Graph(given, tensor, name, sequential=True, trainable=_is_trainable(inner))


def _functional(name: str, inner: Json, listed: list[object], custom: CustomObjects, left_out: list[str]) -> Graph:
    entries = _entries(listed)
    given = references(inner.get("input_layers"), "inputs")
    keys = {maker.layer: key for key, maker in given.items()} if isinstance(given, dict) else {}
    inputs: dict[str, Input] = {}
    layers: dict[str, nnx.Module] = {}
    for own, entry in entries.items():
        class_name, settings = entry_of(entry)
        if class_name == "InputLayer":
            inputs[own] = input_of(settings | {"name": keys.get(own, own)})
        elif own_object(class_name, custom) is None and _is_operation(class_name, entry):
            layers[own] = Operation(class_name, name=str(settings.get("name") or own))
        elif not _computes_masks(class_name, entry) or own_object(class_name, custom) is not None:
            layers[own] = _layer(class_name, settings, custom, left_out)
    wiring = Wiring(entries, layers, inputs, left_out)
    outputs = references(inner.get("output_layers"), "outputs")
    inputs_given, results = each_reference(wiring.input, given), each_reference(wiring.output, outputs)
    return Graph(inputs_given, results, name, trainable=_is_trainable(inner))


def _is_trainable(inner: Json) -> bool:
    return inner.get("trainable") is not False


def _computes_masks(class_name: str, entry: Json) -> bool:
    """Return whether this is one of Keras's functions that compute masks; one is called like the layer Concatenate."""
    return class_name in MASK_OPS or (
        class_name == "Concatenate" and calls.takes_truth_values(entry.get("inbound_nodes"))
    )


def _is_operation(class_name: str, entry: Json) -> bool:
    """Return whether this is an operation between tensors; some are called like layers, which take a list of them."""
    if class_name not in FUNCTIONS or class_name not in LAYERS:
        return class_name in FUNCTIONS
    nodes = as_list(entry.get("inbound_nodes"))
    first = as_object(nodes[0]) if nodes else None
    args = None if first is None else as_list(first.get("args"))
    return args is not None and len(args) == 2


def _entries(listed: list[object]) -> dict[str, Json]:
    """Return the described layers by name."""
    entries: dict[str, Json] = {}
    for described in listed:
        _, settings = entry_of(described)
        entry = as_object(described) or {}
        name = entry.get("name") or settings.get("name")
        if not isinstance(name, str):
            raise ValueError(f"its model_config has a layer without a name, of class {entry.get('class_name')!r}.")
        if name in entries:
            raise ValueError(f"two of its layers are named {name!r}.")
        entries[name] = entry
    return entries
