"""The types that signatures of layers have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypedDict

import jax
import numpy as np
from flax import nnx

if TYPE_CHECKING:
    from .weights import NestedWeight

Array: TypeAlias = jax.Array

Mask: TypeAlias = jax.Array | None
"""Which steps of a sequence count, `(batch, steps)`, as truth values; None if all do."""

Shape: TypeAlias = tuple[int | None, ...]
"""The sizes of an array's axes, None for one that is open."""

Nest: TypeAlias = Any
"""Arrays, tensors or plain values: a single one, or lists, tuples and dicts of them in one another."""

Arguments: TypeAlias = tuple[tuple[Nest, ...], dict[str, Nest]]
"""`(args, kwargs)` of a call; or the masks of the arrays in it, in the same nest, None where all steps count."""

Path: TypeAlias = tuple[Any, ...]
"""The attributes, numbers and keys that lead from a module to something in it."""

NumpyArray: TypeAlias = np.ndarray[Any, Any]

Variable: TypeAlias = nnx.Variable[Any]

Config: TypeAlias = dict[str, Any]
"""A layer's settings as JSON values, by the names of its constructor's arguments."""

ActivationLike: TypeAlias = str | Callable[..., Array] | None
"""The name of one of `epochal.activations`, a function of one array, or None for the identity."""

InitializerLike: TypeAlias = str | Config | Callable[..., Array]
"""One of `epochal.initializers`, its name, its entry in a configuration, or `function(key, shape, dtype)`."""

RegularizerLike: TypeAlias = str | Config | Callable[[Array], Array] | None
"""One of `epochal.regularizers`, its name, its entry in a configuration, a function of one array, or None."""

ConstraintLike: TypeAlias = str | Config | Callable[[Array], Array] | None
"""One of `epochal.constraints`, its name, its entry in a configuration, a function of one array, or None."""

DTypeLike: TypeAlias = str | np.dtype[Any] | type[Any]


class Buildable(Protocol):
    """A layer or a model, which gets its weights when it is first called."""

    @property
    def built(self) -> bool:
        """Whether it has its weights."""
        ...

    def build_for(self, args: tuple[Nest, ...], kwargs: dict[str, Nest]) -> None:
        """Make the weights for these arguments of a call, arrays or tensors."""
        ...


class CallableLayer(Buildable, Protocol):
    """A layer, as the functions see it that call it; `epochal.layers.Layer` is one.

    Attributes:
        name: In the model, None if it has none yet.
        deterministic: Whether it is in inference mode; None if nobody said.
        call: Computes the output.
    """

    name: str | None
    deterministic: bool | None
    call: Callable[..., Nest]


AnyWeight: TypeAlias = "Variable | NestedWeight"
"""A variable, or one array of a variable that holds a nest."""

NamedWeights: TypeAlias = list[tuple[str, Any]]
"""Weights, each an `AnyWeight`, with their names, which differ."""


class PlacedWeight(NamedTuple):
    """A weight of a layer.

    Attributes:
        name: In the layer: `kernel`, or `dense/kernel` for one of a layer inside.
        weight: An `nnx.Variable`, or a `NestedWeight`.
        place: The group, below the layer's own, that has it in a `.weights.h5` file of Keras.
    """

    name: str
    weight: Any
    place: str


class CommonOptions(TypedDict, total=False):
    """The arguments that every layer's constructor takes, by name.

    Attributes:
        name: In the model; the class's name in snake case, numbered, if None.
        input_shape: Of one sample, for a model's first layer, which is then built at once.
        trainable: Whether training changes the weights; True unless given.
        activity_regularizer: Of the output: its value, divided by the batch's size, is added to the loss.
        dtype: "float32" or None, which change nothing.
    """

    name: str | None
    input_shape: Sequence[int | None] | None
    trainable: bool
    activity_regularizer: RegularizerLike
    dtype: DTypeLike | None


class LayerOptions(CommonOptions, total=False):
    """The arguments that every layer's constructor takes that has no `input_dim` of its own.

    Attributes:
        input_dim: The size of a vector: `input_dim=64` is `input_shape=(64,)`.
    """

    input_dim: int | None


class SpatialOptions(LayerOptions, total=False):
    """The arguments that constructors of layers for steps or images take beside their own.

    Attributes:
        data_format: "channels_last" or None, which change nothing.
    """

    data_format: str | None
