"""The weights of layers: what `add_weight` makes, and the names and places that all of them have."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer

from .. import initializers
from ..core.dirty import DIRTY_STORES
from ..messages.names import path_name
from . import building, calling, parts
from .names import numbered_by_class

NO_WEIGHTS = (nnx.RngState, nnx.Intermediate)
"""Variables that are a module's random streams, or what it has sown."""

Named = list[tuple[str, Any]]


class _AsInKeras:
    """What Keras's weights have beside the arithmetic of arrays; current at any time, also in the hooks of a fit."""

    get_value: Callable[[], Any]
    set_value: Callable[[Any], None]
    get_metadata: Callable[..., Any]
    set_metadata: Callable[..., None]

    @property
    def trainable(self) -> bool:
        """Whether the optimizer changes it, if its layer is trainable; a model takes it up when it is compiled."""
        return isinstance(self, nnx.Param) and self.get_metadata("trainable", True)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if value and not isinstance(self, nnx.Param):
            raise ValueError(
                "a weight made by add_weight(trainable=False) can't be trained: make it with trainable=True."
            )
        self.set_metadata("trainable", bool(value))

    @property
    def value(self) -> Any:
        """The array, after the last finished batch of any model that trains it."""
        DIRTY_STORES.write_back([id(self)])
        return self.get_value()

    @value.setter
    def value(self, value: Any) -> None:
        self.assign(value)

    def assign(self, value: Any) -> None:
        """Replace the value by another one of the same shape; in a hook, from the next batch on."""
        old = self.value
        new = jnp.asarray(value, old.dtype)
        if new.shape != old.shape:
            raise ValueError(f"the weight has shape {old.shape}; got a value of shape {new.shape}.")
        self.set_value(new)
        if not isinstance(old, Tracer):
            DIRTY_STORES.note_write()

    def assign_add(self, value: Any) -> None:
        """Add to the value."""
        self.assign(self.value + value)

    def assign_sub(self, value: Any) -> None:
        """Subtract from the value."""
        self.assign(self.value - value)

    def numpy(self) -> np.ndarray:
        """Return the value as a NumPy array."""
        return np.array(self.value)


class Weight(_AsInKeras, nnx.Param):
    """A weight that training changes."""


class State(_AsInKeras, nnx.Variable):
    """A weight that only the layer's own `call` changes."""


REFUSED = {"regularizer": "add_loss(…) in call adds to what is minimised", "constraint": "change the weight in call"}
NEUTRAL = {"autocast": (True,), "aggregation": (None, "none"), "overwrite_with_gradient": (False,)}


def new_weight(
    layer: Any, shape: Any, initializer: Any, dtype: Any, trainable: bool, name: str | None, others: dict[str, Any]
) -> Any:
    """Return a new weight of a layer; the arguments are those of `Layer.add_weight`."""
    kind = type(layer).__name__
    _check_others(kind, others)
    if isinstance(shape, str):
        raise TypeError(f"{kind}.add_weight begins with the shape: add_weight(shape=…, name={shape!r}).")
    if (calls := calling.under_way()) is not None and any(layer is called for called in calls.layers):
        raise ValueError(
            f"{kind}.call makes a weight, which would be a new one at each call: make it in __init__ or in build."
        )
    sizes = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    if any(not isinstance(n, (int, np.integer)) or n < 0 for n in sizes):
        raise ValueError(f"{kind}.add_weight needs a shape without open axes; got {sizes}.")
    dtype = jnp.dtype(dtype or "float32")
    if initializer is None:
        initializer = "glorot_uniform" if jnp.issubdtype(dtype, jnp.floating) else "zeros"
    value = _initial(initializers.get(initializer), tuple(map(int, sizes)), dtype)
    return (Weight if trainable else State)(value, name=name)


def _check_others(kind: str, others: dict[str, Any]) -> None:
    for name, value in others.items():
        if name in REFUSED:
            if value is not None:
                raise ValueError(f"{kind}.add_weight: {name}={value!r} isn't supported; {REFUSED[name]}.")
        elif name not in NEUTRAL:
            raise TypeError(f"{kind}.add_weight takes no argument {name!r}.")
        elif value not in NEUTRAL[name]:
            raise ValueError(f"{kind}.add_weight: {name}={value!r} isn't supported.")


def _initial(initializer: Callable[..., Any], shape: tuple[int, ...], dtype: Any) -> Any:
    """Return what an initializer makes: one of ours, `(key, shape, dtype)`, or one like Keras's, `(shape, dtype)`."""
    try:
        as_in_keras = next(iter(inspect.signature(initializer).parameters)) == "shape"
    except (TypeError, ValueError, StopIteration):
        as_in_keras = False
    value = initializer(shape, dtype) if as_in_keras else initializer(building.rngs().params(), shape, dtype)
    value = jnp.asarray(value, dtype)
    if value.shape != shape:
        raise ValueError(f"the initializer of a weight of shape {shape} made an array of shape {value.shape}.")
    return value


class Item:
    """One array of a variable that holds a nest of them; a weight by itself.

    Args:
        variable: Holds a nest of arrays.
        keys: Where in the nest the array is.
    """

    def __init__(self, variable: nnx.Variable, keys: tuple[Any, ...]) -> None:
        self.variable, self.keys = variable, keys

    def get_value(self) -> Any:
        """Return the array."""
        return dict(_leaves(self.variable.get_value()))[self.keys]

    def set_value(self, value: Any) -> None:
        """Replace the array, in a copy of the nest."""
        nest = self.variable.get_value()
        keyed = [value if keys == self.keys else leaf for keys, leaf in _leaves(nest)]
        self.variable.set_value(jax.tree.unflatten(jax.tree.structure(nest), keyed))

    shape = property(lambda self: np.shape(self.get_value()))
    dtype = property(lambda self: jnp.result_type(self.get_value()))
    size = property(lambda self: np.size(self.get_value()))


def _leaves(nest: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    return iter(jax.tree_util.tree_flatten_with_path(nest)[0])


def of_module(module: nnx.Module) -> Named:
    """Return a module's weights by their paths: trainable ones first."""
    found = [item for path, v in nnx.iter_graph(module) if isinstance(v, nnx.Variable) for item in of_variable(path, v)]
    return trainable_first(found)


def of_variable(path: tuple[Any, ...], variable: nnx.Variable) -> Named:
    """Return a variable by its name, if it is a weight; its arrays, if it holds a nest of them."""
    if isinstance(variable, NO_WEIGHTS) or is_key(variable):
        return []
    value = variable.get_value()
    if hasattr(value, "shape"):
        return [(path_name(path), variable)]
    return [(path_name((*path, *keys)), Item(variable, keys)) for keys, _ in _leaves(value)]


@dataclass(frozen=True)
class Placed:
    """A weight of a layer.

    Attributes:
        name: In the layer.
        weight: An `nnx.Variable`, or an `Item` of one.
        place: The group, below the layer's own, that has it in a `.weights.h5` file.
        is_own: Whether it isn't one of a layer inside.
    """

    name: str
    weight: Any
    place: str
    is_own: bool

    @property
    def identity(self) -> Any:
        """Tells two weights apart."""
        return (id(self.weight.variable), self.weight.keys) if isinstance(self.weight, Item) else id(self.weight)


def of_layer(layer: Any, within: Callable[[Any], list[tuple[str, Any, str]]]) -> list[Placed]:
    """Return the weights in a layer's attributes.

    The layer's own come first, parameters before others, in the order in which they were made; then those of the
    layers inside, in the order of the attributes.

    Args:
        layer: The layer.
        within: Returns the names, the weights and the places in a layer or a module inside.
    """
    found = [item for part in parts.parts(layer) for item in _in_part(part, within)]
    first: dict[Any, Placed] = {}
    for item in found:
        first.setdefault(item.identity, item)
    by_attribute = sorted(found, key=lambda item: item.name.split("/")[0])  # the first place is the one in the file
    places = {item.identity: item.place for item in reversed(by_attribute)}
    made = {id(variable): at for at, variable in enumerate(layer.made_weights)}
    once = sorted(first.values(), key=lambda item: _rank(item, made))
    names = numbered_by_class(item.name for item in once)  # which differ, but where add_weight was given one twice
    return [replace(item, place=places[item.identity], name=name) for item, name in zip(once, names, strict=True)]


def _rank(item: Placed, made: dict[int, int]) -> tuple[Any, ...]:
    if not item.is_own:
        return (1,)
    return 0, not is_parameter(item.weight), made.get(id(item.weight), len(made))


def _in_part(part: parts.Part, within: Callable[[Any], list[tuple[str, Any, str]]]) -> Iterator[Placed]:
    if isinstance(part.value, nnx.Variable):
        path = (part.value.name,) if part.path[0] == "made_weights" and part.value.name else part.path
        yield from (Placed(name, weight, "", True) for name, weight in of_variable(path, part.value))
    elif (module := parts.module_in(part.value)) is not None:
        is_layer = hasattr(module, "places") or parts.is_model(part.value)
        for name, weight, place in within(module):
            inner = f"{part.place}/{place}".rstrip("/") if is_layer else ""
            yield Placed(f"{path_name(part.path)}/{name}", weight, inner, not is_layer)


def trainable_first(named: Named) -> Named:
    """Return named weights with those first that training changes."""
    return sorted(named, key=lambda item: not is_parameter(item[1]))


def is_key(variable: nnx.Variable) -> bool:
    """Say whether a variable holds keys of random numbers, which are a stream and no weights, whatever its type."""
    return jnp.issubdtype(getattr(variable.get_value(), "dtype", jnp.float32), jax.dtypes.prng_key)


def is_parameter(weight: Any) -> bool:
    """Return whether a weight is a parameter, which the optimizer changes unless its layer isn't `trainable`."""
    return isinstance(variable_of(weight), nnx.Param)


def variable_of(weight: Any) -> nnx.Variable:
    """Return the variable that a weight is, or is in."""
    return weight.variable if isinstance(weight, Item) else weight
