"""What a layer is called with, as the JSON that Keras keeps in a file, and back.

Sources: `serialize_node` and `deserialize_node` in keras/src/models/functional.py, and
keras/src/legacy/saving/json_utils.py, of Keras 3.15. Keras 2 wrote a list of `[layer, call, output, {}]` for a call.
"""

from __future__ import annotations

import operator
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ..layers.graph import Constant, Slot
from .named import Json

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
    """Stands for a tensor: an output of a call of a layer; each by number."""

    layer: str
    call: int
    output: int


# To JSON


def tensor(maker: Reference, shape: tuple[int | None, ...], dtype: str) -> Json:
    """Return what stands for a tensor."""
    config = {"shape": list(shape), "dtype": dtype, "keras_history": [maker.layer, maker.call, maker.output]}
    return {"class_name": "__keras_tensor__", "config": config}


def to_json(value: Any, tensors: Mapping[int, Json]) -> Any:
    """Return an argument: a nest of slots, which stand for `tensors`, and plain values.

    Raises:
        ValueError: If JSON can't hold it.
    """
    if isinstance(value, Slot):
        return tensors[value.at]
    if value is None or type(value) in (bool, int, float, str):
        return value
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, slice):
        ends = {"start": value.start, "stop": value.stop, "step": value.step}
        return {
            "class_name": "__slice__",
            "config": {k: v if v is None else operator.index(v) for k, v in ends.items()},
        }
    if isinstance(value, Constant) and (array := np.asarray(value.value)).dtype.name in NUMBERS:
        return _array_to_json(array)
    if type(value) is list:
        return [to_json(item, tensors) for item in value]
    if type(value) is tuple:
        return {"class_name": "__tuple__", "items": [to_json(item, tensors) for item in value]}
    if type(value) is dict and "class_name" not in value and all(isinstance(key, str) for key in value):
        return {key: to_json(item, tensors) for key, item in value.items()}
    kind = type(value.value if isinstance(value, Constant) else value).__name__
    raise ValueError(
        f"it is called with a value of type {kind}, which a file can't hold; it holds numbers, texts, "
        "arrays, slices and lists, tuples and dicts of them. Let a layer of your own make the value."
    )


def _array_to_json(array: np.ndarray) -> Any:
    if array.size > MOST_NUMBERS:
        raise ValueError(
            f"it is called with an array of {array.size:,} numbers; a file's description holds {MOST_NUMBERS:,} at "
            "most. Let a layer of your own have them as a weight."
        )
    value = array.tolist()
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": array.dtype.name}} if array.ndim else value


# From JSON


def arguments(saved: Any, layers: Container[str]) -> tuple[list[Any], Json]:
    """Return the arguments of a call, those in order and those by name, with references for tensors.

    Args:
        saved: A call as Keras 2 or 3 describes it.
        layers: The names that there are.

    Raises:
        ValueError: If it describes no call.
    """
    if is_old(saved):
        return _old_arguments(saved, layers)
    if not isinstance(saved, dict) or not isinstance(args := saved.get("args"), list):
        raise ValueError("one of its calls doesn't say what it is called with.")
    if not isinstance(kwargs := saved.get("kwargs") or {}, dict):
        raise ValueError("one of its calls has arguments by name without names.")
    return [_value(item) for item in args], {name: _value(item) for name, item in kwargs.items()}


def is_old(saved: Any) -> bool:
    """Say whether a call is described in the form of Keras 2."""
    return isinstance(saved, list)


def tensors_taken(saved: Any) -> int:
    """Return how many tensors a described call takes; nothing is checked."""
    return len(saved) if is_old(saved) else sum(1 for _ in _tensors(saved))


def takes_truth_values(saved: Any) -> bool:
    """Say whether all tensors that a described call takes are truth values; Keras 2 doesn't tell."""
    dtypes = [config.get("dtype") for item in _tensors(saved) if isinstance(config := item.get("config"), dict)]
    return bool(dtypes) and all(dtype == "bool" for dtype in dtypes)


def _tensors(saved: Any) -> Iterator[Json]:
    """Yield what stands for tensors; nothing is checked."""
    waiting = [saved]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict) and item.get("class_name") == "__keras_tensor__":
            yield item
        elif isinstance(item, (dict, list)):
            waiting += item.values() if isinstance(item, dict) else item


def references_in(nest: Any) -> list[Reference]:
    """Return the references in a nest of arguments."""
    return [leaf for leaf in jax.tree.leaves(nest) if isinstance(leaf, Reference)]


def reference(saved: Any) -> Reference:
    """Return what `[layer, call, output]` refers to.

    Raises:
        ValueError: If it isn't a name and two numbers.
    """
    if not isinstance(saved, list) or len(saved) != 3 or not isinstance(saved[0], str):
        raise ValueError(f"{_short(saved)} stands for no tensor; [layer, call, output] would.")
    if not all(type(number) is int and number >= 0 for number in saved[1:]):
        raise ValueError(f"{_short(saved)} stands for no tensor: a call and an output are numbers from 0.")
    return Reference(*saved)


def _value(saved: Any, level: int = 0) -> Any:
    if level > DEEPEST:
        raise ValueError(f"one of its calls has lists in lists more than {DEEPEST} deep.")
    if isinstance(saved, list):
        return [_value(item, level + 1) for item in saved]
    if not isinstance(saved, dict):
        return saved
    kind = saved.get("class_name")
    if kind == "__keras_tensor__":
        config = saved.get("config")
        return reference(config.get("keras_history") if isinstance(config, dict) else None)
    if kind == "__tuple__" and isinstance(items := saved.get("items"), list):
        return tuple(_value(item, level + 1) for item in items)
    if kind in ("__slice__", "__numpy__", "__tensor__") and isinstance(config := saved.get("config"), dict):
        return _slice(config) if kind == "__slice__" else _array(config)
    if kind == "__ellipsis__":
        return Ellipsis
    if kind is not None:
        raise ValueError(f"one of its calls has a value of class {_short(kind)}, which isn't read.")
    return {key: _value(item, level + 1) for key, item in saved.items()}


def _slice(config: Json) -> slice:
    ends = [config.get(end) for end in ("start", "stop", "step")]
    if not all(end is None or type(end) is int for end in ends):
        raise ValueError(f"one of its calls has the slice {_short(ends)}, which isn't made of whole numbers.")
    return slice(*ends)


def _array(config: Json) -> np.ndarray:
    if (dtype := config.get("dtype")) not in NUMBERS:
        raise ValueError(f"one of its calls has an array of {_short(dtype)}, which are no numbers.")
    try:
        return np.asarray(config.get("value"), dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"one of its calls has an array that is none: {error}") from error


def _old_arguments(saved: list[Any], layers: Container[str]) -> tuple[list[Any], Json]:
    inputs: list[Any] = []
    kwargs: Json = {}
    for item in saved:
        if not isinstance(item, list) or len(item) not in (3, 4) or not isinstance(more := (*item, {})[3], dict):
            raise ValueError(f"{_short(item)} stands for no tensor; [layer, call, output, {{}}] would.")
        inputs.append(_value(item[2]) if item[0] == CONSTANT else reference(item[:3]))
        kwargs |= {name: _old_value(value, layers) for name, value in more.items()}
    return inputs if len(inputs) == 1 else [inputs], kwargs


def _old_value(saved: Any, layers: Container[str]) -> Any:
    """Return an argument by name, in which `[layer, call, output]` is a tensor and any other list a list."""
    is_tensor = isinstance(saved, list) and len(saved) == 3 and isinstance(saved[0], str) and saved[0] in layers
    return reference(saved) if is_tensor else _value(saved)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
