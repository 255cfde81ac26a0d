"""Models of layers as the JSON that Keras keeps in a file: which layers there are, and which takes whose output.

Source: keras/src/models/functional.py of Keras 3.15. A `Sequential` lists its layers; a `Functional` model has for
each layer also its calls, `inbound_nodes`, in which `[layer, call, output]` stands for a tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flax import nnx

from ..layers import Input
from ..layers.base import as_layer
from ..layers.graph import Graph
from ..layers.names import snake_case
from ..layers.operations import FUNCTIONS, Operation
from ..layers.tensors import Tensor
from . import calls
from .calls import Reference
from .config import LAYERS, SAVE_WEIGHTS, described, entry_of, input_of, layer_of
from .named import Json, own_object
from .wiring import Wiring, called, each_port, ports

MODELS = ("Sequential", "Functional", "Model")
"""The classes of models; the last is what Keras 2 called a functional one."""

DEEPEST = 32
"""How deep models may be parts of one another."""

MOST_TENSORS = 10_000
"""How many tensors a model's layers may take; those in a part count as often as the part is called."""

MASK_OPS = (
    *("NotEqual", "Any", "All", "LogicalAnd", "LogicalOr", "OnesLike", "ZerosLike", "ExpandDims", "BroadcastTo"),
)
"""What Keras lists beside the layers to compute masks. Here layers tell each other their masks."""

OPERATIONS = "keras.src.ops.numpy"
"""Where Keras has the operations between tensors."""


# To JSON


def model_config(name: str, module: Any) -> Json:
    """Return what Keras keeps as `model_config`.

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
    tensors, made = _calls_of(graph)
    inputs = [{**entry, "name": entry["config"]["name"], "inbound_nodes": []} for entry in _inputs(graph)]
    entries = [
        {**_entry(name, layer), "name": name, "inbound_nodes": made[name]}
        for name, layer in graph.named_layers(operations=True)
    ]
    results = [list(tensors[slot]["config"]["keras_history"]) for slot in graph.results]
    nested = [name for name, layer in graph.named_layers() if snake_case(layer) == "functional"]
    for result in results:
        result[1] += result[0] in nested  # whose calls Keras counts from 1, though only here
    return {
        "layers": [*inputs, *entries],
        "input_layers": _packed(graph.input_names, [[name, 0, 0] for name in graph.input_names], graph.inputs_by_name),
        "output_layers": _packed(graph.output_names, results, graph.outputs_by_name),
    }


def _packed(names: Sequence[str], items: list[Any], by_name: bool) -> Any:
    return dict(zip(names, items, strict=True)) if by_name else items if len(items) > 1 else items[0]


def _inputs(graph: Graph) -> list[Json]:
    given = zip(graph.input_names, graph.input_shapes, graph.input_dtypes, strict=True)
    return [
        {"class_name": "InputLayer", "config": {"batch_shape": list(shape), "dtype": dtype, "name": name}}
        for name, shape, dtype in given
    ]


def _entry(name: str, layer: Any) -> Json:
    if isinstance(layer, Operation):  # Keras finds them by their module; its own files don't say it
        kind = layer.keras_class
        return {"module": OPERATIONS, "class_name": kind, "registered_name": kind, "config": {"name": name}}
    return _model(name, layer) if isinstance(layer, Graph) else described(name, layer)


def _calls_of(graph: Graph) -> tuple[dict[int, Json], dict[str, list[Json]]]:
    """Return what stands for the tensor in each slot, and the calls of each layer."""
    given = enumerate(zip(graph.input_names, graph.input_shapes, graph.input_dtypes, strict=True))
    tensors = {slot: calls.tensor(Reference(name, 0, 0), shape, dtype) for slot, (name, shape, dtype) in given}
    found: dict[str, list[Json]] = {name: [] for name in graph.layer_names}
    for step in graph.steps:
        name = graph.layer_names[step.layer]
        args, kwargs = step.given
        try:
            call = {
                "args": [calls.to_json(item, tensors) for item in args],
                "kwargs": {key: calls.to_json(item, tensors) for key, item in kwargs.items()},
            }
        except ValueError as error:
            raise ValueError(f"layer {name!r}: {error} {SAVE_WEIGHTS}") from error
        for output, made in enumerate(zip(step.outputs, step.shapes, step.dtypes, strict=True)):
            slot, shape, dtype = made
            tensors[slot] = calls.tensor(Reference(name, len(found[name]), output), shape, dtype)
        found[name].append(call)
    return tensors, found


def _check_sharing(graph: Graph, seen: set[int], level: int = 0) -> None:
    """Raise if a file would make several layers of one, since it is in several of the models."""
    _check_level(level)
    for name, layer in graph.named_layers():
        if id(layer) in seen:
            raise ValueError(
                f"layer {name!r} is in two models, of which one is part of the other or both are parts of a third; "
                f"read from a file, it would be two layers: {SAVE_WEIGHTS}"
            )
        seen.add(id(layer))
        if isinstance(layer, Graph):
            _check_sharing(layer, seen, level + 1)


def _check_level(level: int) -> None:
    if level > DEEPEST:
        raise ValueError(f"it has models in models more than {DEEPEST} deep, which a file may not describe.")


# From JSON


def graph_of(config: Json, custom: Mapping[str, Any], left_out: list[str]) -> Graph:
    """Return the model that a file describes.

    Args:
        config: The content of `model_config`.
        custom: Classes and functions of one's own by the name in the file.
        left_out: Gets the settings of Keras's without a counterpart, which matter in training only.

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
    """Return how many tensors a described model's calls take, those in its parts as often as these are called."""
    _check_level(level)
    inner: Any = entry.get("config")
    listed = inner.get("layers") if isinstance(inner, dict) else inner
    total = 0
    for part in listed if isinstance(listed, list) else ():
        if isinstance(part, dict):
            nodes = part.get("inbound_nodes")
            taken = sum(max(1, calls.tensors_taken(node)) for node in nodes) if isinstance(nodes, list) else 1
            total += taken * (_count(part, level + 1) if part.get("class_name") in MODELS else 1)
    if total > MOST_TENSORS:
        raise ValueError(f"its layers take more than {MOST_TENSORS:,} tensors; no model is that large.")
    return total


def _graph(kind: str, inner: Any, custom: Mapping[str, Any], left_out: list[str]) -> Graph:
    if isinstance(inner, list):  # Keras before 2.2.3
        inner = {"layers": inner}
    if not isinstance(inner, dict) or not isinstance(inner.get("layers"), list):
        raise ValueError("its model_config doesn't list layers.")
    name = str(inner.get("name") or kind.lower())
    make = _sequential if kind == "Sequential" else _functional
    return make(name, inner, custom, left_out)


def _layer(class_name: str, settings: Json, custom: Mapping[str, Any], left_out: list[str]) -> nnx.Module:
    if class_name in MODELS and own_object(class_name, custom) is None:
        return _graph(class_name, settings, custom, left_out)
    return as_layer(layer_of(class_name, settings, custom, left_out))


def _sequential(name: str, inner: Json, custom: Mapping[str, Any], left_out: list[str]) -> Graph:
    given: Input | None = None
    layers: list[nnx.Module] = []
    for entry in inner["layers"]:
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
        made = called(str(getattr(layer, "name", None)), layer, [tensor], {})
        if len(made) != 1:
            raise ValueError(f"{type(layer).__name__} returns several arrays, so it can't be a part of Sequential.")
        tensor = made[0]
    return Graph(given, tensor, name, sequential=True, trainable=_is_trainable(inner))


def _functional(name: str, inner: Json, custom: Mapping[str, Any], left_out: list[str]) -> Graph:
    entries = _entries(inner["layers"])
    given = ports(inner.get("input_layers"), "inputs")
    keys = {port.layer: key for key, port in given.items()} if isinstance(given, dict) else {}
    inputs: dict[str, Input] = {}
    layers: dict[str, nnx.Module] = {}
    for own, entry in entries.items():
        class_name, settings = entry_of(entry)
        if class_name == "InputLayer":
            inputs[own] = input_of(settings | {"name": keys.get(own, own)})
        elif own_object(class_name, custom) is None and _is_operation(class_name, entry):
            layers[own] = Operation(class_name, name=settings.get("name") or own)
        elif not _computes_masks(class_name, entry) or own_object(class_name, custom) is not None:
            layers[own] = _layer(class_name, settings, custom, left_out)
    wiring = Wiring(entries, layers, inputs, left_out)
    outputs = ports(inner.get("output_layers"), "outputs")
    named = each_port(wiring.input, given), each_port(wiring.output, outputs)
    return Graph(*named, name, trainable=_is_trainable(inner))


def _is_trainable(inner: Json) -> bool:
    return inner.get("trainable") is not False


def _computes_masks(class_name: str, entry: Json) -> bool:
    """Say whether this is one of Keras's functions that compute masks; one is called like the layer Concatenate."""
    return class_name in MASK_OPS or (
        class_name == "Concatenate" and calls.takes_truth_values(entry.get("inbound_nodes"))
    )


def _is_operation(class_name: str, entry: Json) -> bool:
    """Say whether this is an operation between tensors; some are called like layers, which take a list of them."""
    if class_name not in FUNCTIONS or class_name not in LAYERS:
        return class_name in FUNCTIONS
    nodes = entry.get("inbound_nodes")
    first = nodes[0] if isinstance(nodes, list) and nodes else None
    args = first.get("args") if isinstance(first, dict) else None
    return isinstance(args, list) and len(args) == 2


def _entries(listed: list[Any]) -> dict[str, Json]:
    """Return the described layers by name."""
    entries: dict[str, Json] = {}
    for entry in listed:
        _, settings = entry_of(entry)
        name = entry.get("name") or settings.get("name")
        if not isinstance(name, str):
            raise ValueError(f"its model_config has a layer without a name, of class {entry.get('class_name')!r}.")
        if name in entries:
            raise ValueError(f"two of its layers are named {name!r}.")
        entries[name] = entry
    return entries
