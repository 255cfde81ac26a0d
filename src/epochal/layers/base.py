"""What a layer is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .. import activations
from ..core.arguments import constructor_arguments, unknown_argument
from . import current, parts, tensors
from .calls import OfFirstCall
from .frozen import frozen_variables

Shape = tuple[int | None, ...]


class Layer(nnx.Module, pytree=False):
    """The base of the layers here.

    For one of your own, make its variables in `build`, and compute in `call`.

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
    input = OfFirstCall("input")
    output = OfFirstCall("output")

    attribute_order: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**{"pytree": False} | kwargs)  # so that attributes may be plain lists of layers
        if "__call__" in vars(cls):
            raise TypeError(f"{cls.__name__}: write what the layer computes in `call`; `__call__` also draws graphs.")

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
        self.input_shape = (
            (input_dim,) if input_dim is not None else None if input_shape is None else tuple(input_shape)
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the output for arrays; for tensors, those that will hold it in a model."""
        if tensors.tensors_in((args, kwargs)):
            return tensors.connect(self, args, kwargs)
        self.build_for(args, kwargs)
        return self.call(*args, **kwargs)

    def _setattr(self, name: str, value: Any) -> None:
        super()._setattr(name, parts.kept(value))
        if name not in self.attribute_order:
            object.__setattr__(self, "attribute_order", (*self.attribute_order, name))

    def build_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Make the variables for these arguments of `call`, arrays or tensors, if there are none yet."""
        if not self.built:
            tensors.build(self, args, kwargs)
            self.built = True
            if not self.trainable:
                self.trainable = False  # also of the layers that `build` made

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        """Make the variables for inputs of a shape, the batch axis left out."""

    def call(self, x: jax.Array) -> Any:
        """Return the output for a batch."""
        return x

    def output_mask(self, x: Any, mask: Any) -> Any:
        """Return which steps of the output count, `(batch, steps)`, or None if all do.

        Args:
            x: The first argument of `call`.
            mask: Which steps of it count, None if all do; a nest of masks, if `x` is a nest.
        """
        return mask if self.keeps_mask and hasattr(mask, "shape") else None

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
        return [variable for variable, trained in trained_of(self) if trained]

    @property
    def non_trainable_weights(self) -> list[nnx.Variable]:
        """The variables that training leaves alone, or that are no parameters, such as moving averages."""
        return [variable for variable, trained in trained_of(self) if not trained]

    @property
    def weights(self) -> list[nnx.Variable]:
        """The variables, those of the layers inside included, in Keras's order: trainable ones first."""
        return [variable for _, variable in weights_of(self)]

    def sublayers(self) -> Iterator[Any]:
        """Yield the layers and models directly inside: in attributes, and in lists, tuples and dicts there."""
        seen: set[int] = set()
        for part in parts.parts(self):
            for value in _layers_in(part.value):
                if id(value) not in seen:
                    seen.add(id(value))
                    yield value

    def named_weights(self) -> list[tuple[str, nnx.Variable]]:
        """Return the variables by Keras's names and in Keras's order: trainable ones first."""
        return _variables(self)

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
        return ["" for _ in self.named_weights()]

    def get_config(self) -> dict[str, Any]:
        """Return the settings as Keras's own JSON values."""
        return {"name": self.name, "trainable": self.trainable}


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
    if isinstance(layer, nnx.Module):
        return layer
    if isinstance(layer, type):
        raise TypeError(f"layers must be instances; got the class {layer.__name__}. Write {layer.__name__}(…).")
    if callable(layer):
        return Lambda(cast("Callable[[jax.Array], jax.Array]", layer))
    raise TypeError(f"a layer is a Layer, a flax.nnx.Module or a function; got {layer!r}.")


def weights_of(layer: nnx.Module) -> list[tuple[str, nnx.Variable]]:
    """Return a layer's variables with names: a Keras layer's own order, else parameters first, then other state."""
    return layer.named_weights() if isinstance(layer, Layer) and layer.built else _variables(layer)


def places_of(layer: nnx.Module) -> list[str]:
    """Return for each of a layer's weights where a `.weights.h5` file of Keras has it, below the layer's group."""
    return layer.places() if isinstance(layer, Layer) else ["" for _ in weights_of(layer)]


NO_WEIGHTS = (nnx.RngState, nnx.Intermediate)
"""Variables that are a module's random streams, or what it has sown."""


def _variables(module: nnx.Module) -> list[tuple[str, nnx.Variable]]:
    variables = [("/".join(map(str, path)), v) for path, v in nnx.iter_graph(module) if isinstance(v, nnx.Variable)]
    kept = [(name, v) for name, v in variables if not isinstance(v, NO_WEIGHTS) and not _is_key(v)]
    return sorted(kept, key=lambda item: not is_parameter(item[1]))


def _is_key(variable: nnx.Variable) -> bool:
    """Say whether a variable holds keys of random numbers, which are a stream and no weights, whatever its type."""
    return jnp.issubdtype(getattr(variable.get_value(), "dtype", jnp.float32), jax.dtypes.prng_key)


def is_parameter(variable: nnx.Variable) -> bool:
    """Return whether a variable is a parameter, which the optimizer changes unless its layer isn't `trainable`."""
    return isinstance(variable, nnx.Param)


def trained_of(layer: nnx.Module) -> list[tuple[nnx.Variable, bool]]:
    """Return a layer's variables, each with whether training changes it."""
    frozen = frozen_variables(layer)
    none = isinstance(layer, Layer) and not layer.trainable
    return [(v, not none and is_parameter(v) and id(v) not in frozen) for _, v in weights_of(layer)]


def truth_of(trainable: Any) -> bool:
    """Return a value for `trainable`.

    Raises:
        TypeError: If it is neither True nor False.
    """
    if not isinstance(trainable, (bool, np.bool_)):
        raise TypeError(f"trainable is True or False; got {trainable!r}.")
    return bool(trainable)
