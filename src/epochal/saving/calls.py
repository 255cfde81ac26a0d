"""The arguments of a layer's calls as the JSON that Keras keeps in a file, and back.

Sources: `serialize_node` and `deserialize_node` in keras/src/models/functional.py, and
keras/src/legacy/saving/json_utils.py, of Keras 3.15. Keras 2 wrote a list of `[layer, call, output, {}]` for a call.
"""

from __future__ import annotations

import operator
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import jax
import numpy as np

from ..layers.graph_steps import FixedArray, TensorSlot
from .hdf5 import Array
from .json_values import Json, as_list, as_object, short

DEEPEST = 32
"""How deep lists and dicts among the arguments may lie in one another."""

MOST_NUMBERS = 100_000
"""How many numbers an array among the arguments may have."""

NUMBERS = ("bool", "bfloat16", *(f"float{bits}" for bits in (16, 32, 64)),
           *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))  # fmt: skip
"""The dtypes that an array, or an input, may have."""

CONSTANT = "_CONSTANT_VALUE"  # stands for the layer in Keras 2's form, where a plain value is between tensors


@dataclass(frozen=True)
class Reference:
    """Stands for a tensor.

    Attributes:
        layer: The name of the layer that makes it.
        call: The number of the layer's call, from 0.
        output: The number of the call's output, from 0.
    """

    layer: str
    call: int
    output: int


# To JSON


def tensor_to_json(maker: Reference, shape: tuple[int | None, ...], dtype: str) -> Json:
    """Return the JSON for a tensor."""
    config: Json = {"shape": list(shape), "dtype": dtype, "keras_history": [maker.layer, maker.call, maker.output]}
    return {"class_name": "__keras_tensor__", "config": config}


def argument_to_json(value: object, tensors: Mapping[int, Json]) -> object:
    """Return an argument of a call.

    Args:
        value: A nest of slots and plain values.
        tensors: The JSON for the tensor in each slot.

    Raises:
        ValueError: If JSON can't hold it.
    """
    if isinstance(value, TensorSlot):
        return tensors[value.at]
    if value is None or type(value) in (bool, int, float, str):
        return value
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, slice):
        return _slice_to_json(cast("slice[object, object, object]", value))
    if isinstance(value, FixedArray) and (array := np.asarray(value.value)).dtype.name in NUMBERS:
        return _array_to_json(array)
    if type(value) is list:
        return [argument_to_json(item, tensors) for item in cast("list[object]", value)]
    if type(value) is tuple:
        return {
            "class_name": "__tuple__",
            "items": [argument_to_json(item, tensors) for item in cast("tuple[object, ...]", value)],
        }
    if type(value) is dict and _has_plain_names(items := cast("dict[object, object]", value)):
        return {key: argument_to_json(item, tensors) for key, item in items.items()}
    kind = type(value.value if isinstance(value, FixedArray) else cast(object, value)).__name__
    raise ValueError(
        f"it is called with a value of type {kind}, which a file can't hold; it holds numbers, texts, "
        "arrays, slices and lists, tuples and dicts of them. Let a layer of your own make the value."
    )


def _has_plain_names(items: Mapping[object, object]) -> bool:
    return "class_name" not in items and all(isinstance(key, str) for key in items)


def _slice_to_json(value: slice[object, object, object]) -> Json:
    ends = {"start": value.start, "stop": value.stop, "step": value.step}
    numbers = {end: at if at is None else operator.index(cast(Any, at)) for end, at in ends.items()}
    return {"class_name": "__slice__", "config": numbers}


def _array_to_json(array: Array) -> object:
    if array.size > MOST_NUMBERS:
        raise ValueError(
            f"it is called with an array of {array.size:,} numbers; a file's description holds {MOST_NUMBERS:,} at "
            "most. Let a layer of your own have them as a weight."
        )
    value: object = array.tolist()
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": array.dtype.name}} if array.ndim else value


# From JSON


def arguments(saved: object, layers: Container[str]) -> tuple[list[object], Json]:
    """Return the arguments of a call, by order and by name, with references for tensors.

    Args:
        saved: A call as Keras 2 or 3 describes it.
        layers: The names that there are.

    Raises:
        ValueError: If it describes no call.
    """
    if (listed := as_list(saved)) is not None:
        return _old_arguments(listed, layers)
    call = as_object(saved)
    if call is None or (args := as_list(call.get("args"))) is None:
        raise ValueError("one of its calls doesn't say what it is called with.")
    if (kwargs := as_object(call.get("kwargs") or {})) is None:
        raise ValueError("one of its calls has arguments by name without names.")
    return [_value(item) for item in args], {name: _value(item) for name, item in kwargs.items()}


def is_old(saved: object) -> bool:
    """Return whether a call is described in the form of Keras 2."""
    return isinstance(saved, list)


def tensors_taken(saved: object) -> int:
    """Return how many tensors a described call takes; nothing is checked."""
    listed = as_list(saved)
    return sum(1 for _ in _tensors(saved)) if listed is None else len(listed)


def takes_truth_values(saved: object) -> bool:
    """Return whether all tensors that a described call takes are truth values; Keras 2 doesn't tell."""
    configs = [as_object(item.get("config")) for item in _tensors(saved)]
    dtypes = [config.get("dtype") for config in configs if config is not None]
    return bool(dtypes) and all(dtype == "bool" for dtype in dtypes)


def _tensors(saved: object) -> Iterator[Json]:
    """Yield the entries of tensors in JSON; nothing is checked."""
    waiting = [saved]
    while waiting:
        item = waiting.pop()
        entry = as_object(item)
        if entry is not None and entry.get("class_name") == "__keras_tensor__":
            yield entry
        else:
            waiting += (as_list(item) or ()) if entry is None else entry.values()


def references_in(nest: object) -> list[Reference]:
    """Return the references in a nest of arguments."""
    return [leaf for leaf in jax.tree.leaves(nest) if isinstance(leaf, Reference)]


def reference(saved: object) -> Reference:
    """Return the reference that `[layer, call, output]` is.

    Raises:
        ValueError: If it isn't a name and two numbers.
    """
    listed = as_list(saved)
    if listed is None or len(listed) != 3 or not isinstance(layer := listed[0], str):
        raise ValueError(f"{short(saved)} stands for no tensor; [layer, call, output] would.")
    call, output = listed[1:]
    if type(call) is not int or type(output) is not int or call < 0 or output < 0:
        raise ValueError(f"{short(saved)} stands for no tensor: a call and an output are numbers from 0.")
    return Reference(layer, call, output)


def array_or_plain(saved: object) -> object:
    """Return what JSON has for an array as the array, anything else as it is."""
    entry = as_object(saved) or {}
    config = as_object(entry.get("config"))
    return _array(config) if entry.get("class_name") == "__numpy__" and config is not None else saved


def _value(saved: object, level: int = 0) -> object:
    if level > DEEPEST:
        raise ValueError(f"one of its calls has lists in lists more than {DEEPEST} deep.")
    if (listed := as_list(saved)) is not None:
        return [_value(item, level + 1) for item in listed]
    if (entry := as_object(saved)) is None:
        return saved
    kind, config = entry.get("class_name"), as_object(entry.get("config"))
    if kind == "__keras_tensor__":
        return reference(None if config is None else config.get("keras_history"))
    if kind == "__tuple__" and (items := as_list(entry.get("items"))) is not None:
        return tuple(_value(item, level + 1) for item in items)
    if kind in ("__slice__", "__numpy__", "__tensor__") and config is not None:
        return _slice(config) if kind == "__slice__" else _array(config)
    if kind == "__ellipsis__":
        return Ellipsis
    if kind is not None:
        raise ValueError(f"one of its calls has a value of class {short(kind)}, which isn't read.")
    return {key: _value(item, level + 1) for key, item in entry.items()}


def _slice(config: Json) -> slice[object, object, object]:
    ends = [config.get(end) for end in ("start", "stop", "step")]
    if not all(end is None or type(end) is int for end in ends):
        raise ValueError(f"one of its calls has the slice {short(ends)}, which isn't made of whole numbers.")
    return slice(*ends)


def _array(config: Json) -> Array:
    if not isinstance(dtype := config.get("dtype"), str) or dtype not in NUMBERS:
        raise ValueError(f"one of its calls has an array of {short(dtype)}, which are no numbers.")
    try:
        return np.asarray(config.get("value"), dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"one of its calls has an array that is none: {error}") from error


def _old_arguments(saved: list[object], layers: Container[str]) -> tuple[list[object], Json]:
    inputs: list[object] = []
    kwargs: Json = {}
    for taken in saved:
        item = as_list(taken)
        if item is None or len(item) not in (3, 4) or (more := as_object(item[3] if item[3:] else {})) is None:
            raise ValueError(f"{short(taken)} stands for no tensor; [layer, call, output, {{}}] would.")
        inputs.append(_value(item[2]) if item[0] == CONSTANT else reference(item[:3]))
        kwargs |= {name: _old_value(value, layers) for name, value in more.items()}
    return inputs if len(inputs) == 1 else [inputs], kwargs


def _old_value(saved: object, layers: Container[str]) -> object:
    """Return an argument by name, in which `[layer, call, output]` is a tensor and any other list a list."""
    listed = as_list(saved) or []
    is_tensor = len(listed) == 3 and isinstance(listed[0], str) and listed[0] in layers
    return reference(saved) if is_tensor else _value(saved)
