"""What a layer is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import jax
import numpy as np
from flax import nnx

from .. import activations
from ..messages.arguments import constructor_arguments, unknown_argument
from ..messages.numeric import whole
from . import building, calling, current, final, parts, tensors, weights
from .calls import OfFirstCall
from .frozen import frozen_variables
from .weights import is_parameter, variable_of

Shape = tuple[int | None, ...]


class Layer(nnx.Module, pytree=False):
    """The base of the layers here.

    One of your own is written as for Keras: make its layers in the constructor, its weights in `build`, and compute in
    `call`. Layers, models and other modules may lie in attributes, and in lists, tuples and dicts there.

        >>> class Residual(Layer):
        ...     def __init__(self, units, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.units = units
        ...         self.denses = [Dense(units, activation="relu"), Dense(units)]
        ...
        ...     def build(self, input_shape):
        ...         self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        ...
        ...     def call(self, x, training=None):
        ...         y = x * self.scale
        ...         for dense in self.denses:
        ...             y = dense(y)
        ...         return x + y
        ...
        ...     def get_config(self):
        ...         return {**super().get_config(), "units": self.units}

    Args:
        name: In the model; the class's name in snake case, numbered, if None.
        input_shape: Of one sample, for a model's first layer, which is then built at once.
        input_dim: The same for a vector: `input_dim=64` is `input_shape=(64,)`.
        trainable: Whether training changes the weights; see the attribute.

    Attributes:
        uses_mask: Whether `call` takes `mask`, that of its first argument or None. One that takes `<argument>_mask`
            gets the mask of that argument.
        input: The symbolic tensor that it takes in a model, or the list of them; of its first call, if it has several.
        output: What it makes of that, so that `Model(model.input, layer.output)` gives what is in between.
        keeps_mask: Whether the mask of the first argument is also that of the output; a number if of so many outputs.
            A layer with another mask overrides `output_mask`.

    Raises:
        TypeError: If there is no such argument; the nearest is named.
        ValueError: If both `input_shape` and `input_dim` are given.
    """

    uses_mask = False
    keeps_mask: int = False
    supports_masking = False
    input = OfFirstCall("input")
    output = OfFirstCall("output")
    attribute_order: tuple[str, ...] = ()  # when attributes were first set: the order of weights in files
    made_weights: Sequence[nnx.Variable] = ()  # by add_weight
    deterministic: bool | None = None  # set by train() and eval(), as in flax; None: nobody said

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**{"pytree": False} | kwargs)  # so that attributes may be plain lists of layers
        if "__call__" in vars(cls):
            raise TypeError(f"{cls.__name__}: write what the layer computes in `call`; `__call__` also draws graphs.")
        if "build" in vars(cls):
            cls.build = building.either_way(vars(cls)["build"])
        if "call" in vars(cls) and "uses_mask" not in vars(cls):
            cls.uses_mask = any(name == "mask" or name.endswith("_mask") for name in calling.accepted(cls.call))

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        trainable: bool = True,
        **unknown: Any,
    ) -> None:
        for argument in unknown:
            raise unknown_argument(type(self).__name__, argument, constructor_arguments(type(self)))
        if input_shape is not None and input_dim is not None:
            raise ValueError(f"give input_shape or input_dim, not both; got {input_shape} and {input_dim}.")
        self.name = name
        self.numbered = False  # whether a model chose the name
        self.built = False
        self._trainable = truth_of(trainable)
        self.input_shape = (whole("input_dim", input_dim, 1),) if input_dim is not None else _sample_shape(input_shape)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the output for arrays; for tensors, those that will hold it in a model.

        Args:
            *args: What `call` takes.
            **kwargs: The same, and `training`, which every layer may be given: it is for all layers inside, too.
        """
        calling.check_made(self)
        if tensors.tensors_in((args, kwargs)):
            return tensors.connect(self, args, kwargs)
        return calling.called(self, args, kwargs)[0]

    def _setattr(self, name: str, value: Any) -> None:
        if name in _TAKEN:
            raise AttributeError(
                f"{type(self).__name__} can't have an attribute {name!r}: every layer has a method or a property of "
                "this name. Choose another one."
            )
        calling.check_attribute(self, name, value)
        final.check(self, name, value)
        super()._setattr(name, parts.kept(value))
        if name in vars(self) and name not in self.attribute_order:
            object.__setattr__(self, "attribute_order", (*self.attribute_order, name))

    def build_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Make the variables for these arguments of `call`, arrays or tensors, if there are none yet."""
        if not self.built:
            building.build(self, args, kwargs)
            self.built = True

    @building.either_way
    def build(self, input_shape: Any) -> None:
        """Make the variables for inputs of a shape; a layer of one's own overrides it in one of two forms.

        As in Keras: `build(self, input_shape)` gets the shape with the batch axis in front, `(None, 64)`, a list or a
        dict of shapes if `call` takes one of inputs, or as `x_shape` that of the argument `x` of `call`. Or
        `build(self, shape, rngs)`, where `shape` is without the batch axis, and `rngs` the streams to draw from.
        Whoever calls it may use either form.
        """
        if building.is_default(self):
            building.build_by_calling(self, input_shape)

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **others: Any,
    ) -> Any:
        """Make a weight, in `__init__` or in `build`; keep it in an attribute.

        In `call` it is used like an array, `x @ self.w`; `assign`, `assign_add` and `assign_sub` change it, and what
        they write is kept from step to step in training. (In evaluation and prediction it isn't.)

        Args:
            shape: Its shape; `()` if None.
            initializer: A name, an initializer of `epochal.initializers`, `function(shape, dtype)` or
                `function(key, shape, dtype)`; if None, "glorot_uniform" for floats and "zeros" for others.
            dtype: "float32" if None.
            trainable: Whether the optimizer changes it.
            name: What files and `summary` call it if no attribute has it.
            **others: Keras's other arguments, with the values that change nothing.

        Raises:
            ValueError: If it isn't one that can be had here, such as a regularizer; or in `call`.
        """
        weight = weights.new_weight(self, shape, initializer, dtype, trainable, name, others)
        object.__setattr__(self, "made_weights", [*self.made_weights, weight])
        return weight

    def add_loss(self, loss: Any) -> None:
        """Add to the loss that is minimised and logged, in training and in evaluation; to be called in `call`.

        Args:
            loss: One number, such as a mean over the batch, or a list of them.
        """
        calling.add_loss(self, loss)

    def call(self, x: jax.Array) -> Any:
        """Return the output for a batch.

        An argument `training` gets whether this is a training step, one called `mask` the mask of the first argument,
        one called `<argument>_mask` that of another one.
        """
        return x

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the mask of the output, as Keras's layers do; `output_mask` by another name."""
        return previous_mask

    def output_mask(self, x: Any, mask: Any) -> Any:
        """Return which steps of the output count, `(batch, steps)`, or None if all do.

        Args:
            x: The first argument of `call`.
            mask: Which steps of it count, None if all do; a nest of masks, if `x` is a nest.
        """
        if type(self).compute_mask is not Layer.compute_mask:
            return self.compute_mask(x, mask)
        return mask if (self.keeps_mask or self.supports_masking) and hasattr(mask, "shape") else None

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights of this layer; setting it sets it for the layers within too.

        A model takes it up when it is compiled. Weights that aren't trained have no gradient and no optimizer state,
        and batch normalization among them uses its moving averages, also in training, and leaves them as they are.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = truth_of(value)
        for layer in self.sublayers():
            layer.trainable = self._trainable

    @property
    def trainable_weights(self) -> list[nnx.Variable]:
        """The variables that training changes: none if the layer isn't `trainable`."""
        current.write_back(weights_of(self))
        return [variable for variable, trained in trained_of(self) if trained]

    @property
    def non_trainable_weights(self) -> list[nnx.Variable]:
        """The variables that training leaves alone, or that are no parameters, such as moving averages."""
        current.write_back(weights_of(self))
        return [variable for variable, trained in trained_of(self) if not trained]

    @property
    def weights(self) -> list[nnx.Variable]:
        """The variables, those of the layers inside included, in Keras's order: trainable ones first.

        They hold the values after the last finished batch when they are asked for here.
        """
        return [variable for _, variable in current.write_back(weights_of(self))]

    def sublayers(self) -> Iterator[Any]:
        """Yield the layers and models directly inside: in attributes, and in lists, tuples and dicts there."""
        seen: set[int] = set()
        for part in parts.parts(self):
            for value in _layers_in(part.value):
                if id(value) not in seen:
                    seen.add(id(value))
                    yield value

    def placed_weights(self) -> list[tuple[str, Any, str]]:
        """Return the name, the variable and the place of each weight, those of the layers inside included."""
        return [(item.name, item.weight, item.place) for item in weights.of_layer(self, placed_weights_of)]

    def named_weights(self) -> list[tuple[str, Any]]:
        """Return the variables by Keras's names and in Keras's order: trainable ones first."""
        return [(name, weight) for name, weight, _ in self.placed_weights()]

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of the weights after the last finished batch, trainable ones first; none before it is built."""
        return current.read(weights_of(self))

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the weights by arrays of the same shapes, in the order of `get_weights`.

        Models that have the layer go on from them with the next batch, also when this is called in a hook.

        Raises:
            ValueError: If the number or a shape differs; then nothing is changed.
        """
        current.write(weights_of(self), weights, f"the layer {self.name or type(self).__name__!r}")

    def count_params(self) -> int:
        """Return how many numbers the weights are.

        Raises:
            ValueError: If the layer isn't built yet, so that nobody knows.
        """
        if not self.built:
            raise ValueError(f"the layer {self.name or type(self).__name__!r} isn't built yet: give it an input first.")
        return sum(variable.size for _, variable in self.named_weights())

    def places(self) -> list[str]:
        """Return for each of `named_weights` the group, below the layer's own, that has it in Keras's `.weights.h5`."""
        if not _lists_own(type(self)):
            return [place for _, _, place in self.placed_weights()]
        return ["" for _ in self.named_weights()]

    def get_config(self) -> dict[str, Any]:
        """Return the settings as Keras's own JSON values."""
        return {"name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return a new layer with the settings that `get_config` returned."""
        return cls(**config)


_TAKEN = {
    name
    for name, value in ((name, getattr(Layer, name)) for name in dir(Layer) if not name.startswith("_"))
    if callable(value) or (isinstance(value, property) and value.fset is None)
}
"""Names that a layer's attributes can't have, since they are those of methods and properties."""


def _sample_shape(given: Sequence[int | None] | None) -> Shape | None:
    """Return the shape of a sample, its sizes as Python's numbers."""
    return None if given is None else tuple(None if size is None else whole("input_shape", size) for size in given)


class Activated(Layer):
    """A layer that ends in an activation; `linear` is what comes before it, its logits."""

    keeps_mask = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def linear(self, x: jax.Array) -> jax.Array:
        """Return what the activation is applied to."""
        return x

    def call(self, x: jax.Array) -> jax.Array:
        return self.activation(self.linear(x))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"activation": activations.name_of(self.activation)}


class Lambda(Layer):
    """A plain function, or any `flax.nnx` module, as a layer.

    Args:
        function: Takes one or more arrays, the batch axis first, and returns one or more.
    """

    def __init__(self, function: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def _layers_in(value: Any) -> Iterator[Any]:
    """Yield a value if it is a layer or a model, else the layers and models in it if it is another module."""
    if isinstance(value, Layer) or parts.is_model(value):
        yield value
    elif isinstance(value, nnx.Pytree):
        for part in parts.parts(value):
            yield from _layers_in(part.value)


def as_layer(layer: Any) -> nnx.Module:
    """Return a layer for what a user put into a model.

    Raises:
        TypeError: If it is neither a layer, nor an `nnx.Module`, nor a function.
    """
    if isinstance(layer, Layer):
        calling.check_made(layer)
    if isinstance(layer, nnx.Module):
        return layer
    if isinstance(layer, type):
        raise TypeError(f"layers must be instances; got the class {layer.__name__}. Write {layer.__name__}(…).")
    if callable(layer):
        return Lambda(cast("Callable[[jax.Array], jax.Array]", layer))
    raise TypeError(f"a layer is a Layer, a flax.nnx.Module or a function; got {layer!r}.")


def weights_of(layer: nnx.Module) -> list[tuple[str, Any]]:
    """Return a layer's variables with names: a Keras layer's own order, else parameters first, then other state.

    A variable that holds a nest of arrays is as many weights, each a `weights.Item`.
    """
    return [(name, weight) for name, weight, _ in placed_weights_of(layer)]


def places_of(layer: nnx.Module) -> list[str]:
    """Return for each of a layer's weights where a `.weights.h5` file of Keras has it, below the layer's group."""
    return [place for _, _, place in placed_weights_of(layer)]


def placed_weights_of(layer: Any) -> list[tuple[str, Any, str]]:
    """Return the names, the weights and the places of a layer or of any other module."""
    if not isinstance(layer, Layer):
        return [(name, weight, "") for name, weight in weights.of_module(layer)]
    if not _lists_own(type(layer)):
        return layer.placed_weights()
    if not layer.built:
        return []
    named = layer.named_weights()
    placed = [(name, weight, place) for (name, weight), place in zip(named, layer.places(), strict=True)]
    return placed if _lists_all(type(layer)) else placed + _unlisted(layer, {id(weight) for _, weight in named})


def _unlisted(layer: Layer, listed: set[int]) -> list[tuple[str, Any, str]]:
    """Return what a subclass of a layer that lists its weights has beside them."""
    others = (item for item in weights.of_layer(layer, placed_weights_of) if id(item.weight) not in listed)
    return [(item.name, item.weight, item.place) for item in others]


@functools.cache
def _lists_own(kind: type[Layer]) -> bool:
    """Say whether a class says by itself which weights it has."""
    return kind.named_weights is not Layer.named_weights


@functools.cache
def _lists_all(kind: type[Layer]) -> bool:
    """Say whether no subclass of the one that says which weights there are could add some, when it is made or built."""
    for base in kind.__mro__:
        if "named_weights" in vars(base):
            return True
        if {"__init__", "build"} & vars(base).keys():
            return False
    return True


def trained_of(layer: nnx.Module) -> list[tuple[Any, bool]]:
    """Return a layer's variables, each with whether training changes it."""
    frozen = frozen_variables(layer)
    none = isinstance(layer, Layer) and not layer.trainable
    return [(v, not none and is_parameter(v) and id(variable_of(v)) not in frozen) for _, v in weights_of(layer)]


def truth_of(trainable: Any) -> bool:
    """Return a value for `trainable`.

    Raises:
        TypeError: If it is neither True nor False.
    """
    if not isinstance(trainable, (bool, np.bool_)):
        raise TypeError(f"trainable is True or False; got {trainable!r}.")
    return bool(trainable)
