"""Weights: variables that `add_weight` or flax made, and single arrays of a variable that holds a nest."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer
from jax.typing import ArrayLike

from .. import initializers
from ..core.absent import outline
from ..core.dirty import DIRTY_STORES
from ..core.logs import fetch
from .call_context import current_context
from .restraints import Restraints
from .streams import current_rngs
from .types import AnyWeight, Array, DTypeLike, InitializerLike, NumpyArray, Path, Variable
from .untyped import asarray, leaves_with_paths, structure, unflatten


class _KerasVariable:
    """The methods of Keras's weights beside the arithmetic of arrays; current at any time, also in hooks of a fit."""

    get_value: Callable[[], Array]
    set_value: Callable[[Array], None]
    get_metadata: Callable[..., Any]
    set_metadata: Callable[..., None]

    @property
    def trainable(self) -> bool:
        """Whether the optimizer changes it, if its layer is trainable; a change holds from the next `compile` on."""
        return isinstance(self, nnx.Param) and self.get_metadata("trainable", True)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if value and not isinstance(self, nnx.Param):
            raise ValueError(
                "a weight made by add_weight(trainable=False) can't be trained: make it with trainable=True."
            )
        self.set_metadata("trainable", bool(value))

    @property
    def value(self) -> Array:
        """The array, after the last finished batch of any model that trains it."""
        DIRTY_STORES.write_back([id(self)])
        return self.get_value()

    @value.setter
    def value(self, value: object) -> None:
        self.assign(value)

    def assign(self, value: object) -> None:
        """Replace the value by another one of the same shape; in a hook, from the next batch on."""
        old = self.value
        new = asarray(value, old.dtype)
        if new.shape != old.shape:
            raise ValueError(f"the weight has shape {old.shape}; got a value of shape {new.shape}.")
        self.set_value(new)
        if not isinstance(old, Tracer):
            DIRTY_STORES.note_write()

    def assign_add(self, value: ArrayLike) -> None:
        """Add to the value."""
        self.assign(self.value + value)

    def assign_sub(self, value: ArrayLike) -> None:
        """Subtract from the value."""
        self.assign(self.value - value)

    def numpy(self) -> NumpyArray:
        """Return the value as a NumPy array."""
        return np.array(fetch(self.value))


class Weight(_KerasVariable, nnx.Param[Any]):
    """A weight that training changes."""


class NonTrainableWeight(_KerasVariable, nnx.Variable[Any]):
    """A weight that only the layer's own `call` changes."""


class NestedWeight:
    """One array of a variable that holds a nest of them; a weight by itself.

    Args:
        variable: Holds a nest of arrays.
        keys: Where in the nest the array is, as JAX's paths say it.
    """

    def __init__(self, variable: Variable, keys: Path) -> None:
        self.variable, self.keys = variable, keys

    def get_value(self) -> Array:
        """Return the array."""
        return dict(leaves_with_paths(self.variable.get_value()))[self.keys]

    def set_value(self, value: Array) -> None:
        """Replace the array, in a copy of the nest."""
        nest = self.variable.get_value()
        leaves = [value if keys == self.keys else leaf for keys, leaf in leaves_with_paths(nest)]
        self.variable.set_value(unflatten(structure(nest), leaves))

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return np.shape(self.get_value())

    @property
    def dtype(self) -> Any:
        """The array's dtype."""
        return jnp.result_type(self.get_value())

    @property
    def size(self) -> int:
        """How many numbers the array has."""
        return np.size(self.get_value())


def nested_weights(variable: Variable) -> list[NestedWeight]:
    """Return the arrays of a variable that holds a nest, in its order."""
    return [NestedWeight(variable, keys) for keys, _ in leaves_with_paths(outline(variable))]


def is_parameter(weight: AnyWeight) -> bool:
    """Return whether a weight is a parameter, which the optimizer changes unless its layer isn't `trainable`."""
    return isinstance(variable_of(weight), nnx.Param)


def variable_of(weight: AnyWeight) -> Variable:
    """Return the variable that a weight is, or is in."""
    return weight.variable if isinstance(weight, NestedWeight) else weight


# add_weight

NEUTRAL: dict[str, tuple[object, ...]] = {
    "autocast": (True,),
    "aggregation": (None, "none"),
    "overwrite_with_gradient": (False,),
}
"""Keras's other arguments of `add_weight`, with the values that change nothing."""


def new_weight(
    owner: object,
    shape: int | Sequence[int] | None,
    initializer: InitializerLike | None,
    dtype: DTypeLike | None,
    trainable: bool,
    name: str | None,
    restraints: Restraints,
    others: dict[str, object],
) -> Weight | NonTrainableWeight:
    """Return a new weight of a layer; see `Layer.add_weight` for the arguments."""
    kind = type(owner).__name__
    _check_others(kind, others)
    _check_is_kept(owner)
    sizes = _sizes(kind, shape)
    wanted = jnp.dtype(dtype or "float32")
    if initializer is None:
        initializer = "glorot_uniform" if jnp.issubdtype(wanted, jnp.floating) else "zeros"
    value = _initial_value(initializers.get(initializer), sizes, wanted)
    return (Weight if trainable else NonTrainableWeight)(value, name=name, **restraints)


def _sizes(kind: str, shape: int | Sequence[int] | None) -> tuple[int, ...]:
    if isinstance(shape, str):
        raise TypeError(f"{kind}.add_weight begins with the shape: add_weight(shape=…, name={shape!r}).")
    sizes: tuple[Any, ...] = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    if any(not isinstance(n, (int, np.integer)) or n < 0 for n in sizes):
        raise ValueError(f"{kind}.add_weight needs a shape without open axes; got {sizes}.")
    return tuple(map(int, sizes))


def _check_is_kept(owner: object) -> None:
    context = current_context()
    if context is not None and any(owner is layer for layer in context.running):
        raise ValueError(
            f"{type(owner).__name__}.call makes a weight, which would be a new one at each call: make it in __init__ "
            "or in build."
        )


def _check_others(kind: str, others: dict[str, object]) -> None:
    for name, value in others.items():
        if name not in NEUTRAL:
            raise TypeError(f"{kind}.add_weight takes no argument {name!r}.")
        if value not in NEUTRAL[name]:
            raise ValueError(f"{kind}.add_weight: {name}={value!r} isn't supported.")


def _initial_value(initializer: Callable[..., object], shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return the array of an initializer, one of ours, `(key, shape, dtype)`, or one like Keras's, `(shape, dtype)`."""
    try:
        is_as_in_keras = next(iter(inspect.signature(initializer).parameters)) == "shape"
    except (TypeError, ValueError, StopIteration):
        is_as_in_keras = False
    made = initializer(shape, dtype) if is_as_in_keras else initializer(current_rngs().params(), shape, dtype)
    value = asarray(made, dtype)
    if value.shape != shape:
        raise ValueError(f"the initializer of a weight of shape {shape} made an array of shape {value.shape}.")
    return value
