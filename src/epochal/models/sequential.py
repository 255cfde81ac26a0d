"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .. import activations
from ..core.seeds import fresh_seed
from ..layers import Embedding, Input, Layer, as_layer, snake_case
from ..saving import config as saved_config
from .compiled import output_shape
from .model import Model


class Stack(nnx.Module):
    """Layers one after the other."""

    def __init__(self, layers: Iterable[nnx.Module] = ()) -> None:
        self.layers = nnx.List(layers)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the last layer's output."""
        for layer in self.layers:
            x = layer(x)
        return x

    @property
    def final_activation(self) -> Any:
        """The last layer's activation function, if it has one."""
        return getattr(self.layers[-1], "activation", None)

    def logits(self, x: jax.Array) -> jax.Array:
        """Return what the last layer's activation is applied to."""
        for layer in list(self.layers)[:-1]:
            x = layer(x)
        last: Any = self.layers[-1]
        return last.linear(x)


class Sequential(Model):
    """Layers one after the other.

    Args:
        layers: Layers, `flax.nnx` modules or functions of an array; an `Input` may come first.
        name: Of the model.

    The layers get their variables when the shape of the input is known: from an `Input`, from the first
    layer's `input_shape` or `input_dim`, from `build`, or else from the first data.
    """

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None) -> None:
        super().__init__(name=name)
        self._layers: list[tuple[str, nnx.Module]] = []
        self._input: Input | None = None
        self._rngs: nnx.Rngs | None = None
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Put a layer at the end.

        Raises:
            TypeError: If it is no layer.
        """
        if isinstance(layer, Input):
            if self._layers or self._input:
                raise ValueError("an Input must be the first of a model's layers.")
            self._input = layer
            return
        layer = as_layer(layer)
        if isinstance(layer, Layer) and layer.input_shape is not None and not self._layers and self._input is None:
            self._input = Input(layer.input_shape, "int32" if isinstance(layer, Embedding) else "float32")
        self._layers.append((self._name(layer), layer))
        if self._module is not None or self._input is not None:
            self._forget_engine()
            try:
                self._build_layers(from_layer=len(self._layers) - 1)
            except Exception:
                self._layers.pop()
                raise

    def _name(self, layer: nnx.Module) -> str:
        taken = {name for name, _ in self._layers}
        given = getattr(layer, "name", None) if isinstance(layer, Layer) else None
        if given in taken:
            raise ValueError(f"two layers are named {given!r}; names in a model must differ.")
        name, number = given or snake_case(layer), 0
        while name in taken:
            number += 1
            name = f"{snake_case(layer)}_{number}"
        if isinstance(layer, Layer):
            layer.name = name
        return name

    @property
    def layers(self) -> list[Any]:
        """The layers, in order, holding the weights after the last finished batch."""
        if self._engine is not None:
            self._engine.sync()
        return [layer for _, layer in self._layers]

    def _named_layers(self) -> list[tuple[str, nnx.Module]]:
        return self._layers

    def _description(self) -> dict[str, Any]:
        assert self._input is not None
        return saved_config.model_config(self.name, self._input, self._layers)

    def _layers_of(self, module: Any) -> list[tuple[str, nnx.Module]]:
        return list(zip((name for name, _ in self._layers), module.layers, strict=True))

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the variables for inputs of a shape.

        Args:
            input_shape: With the batch axis in front, as in Keras: `(None, 64)`.
        """
        if self._module is None:
            self._input = Input(tuple(input_shape)[1:], self._input.dtype if self._input else "float32")
            self._build_layers()

    def _build_for(self, x: Any) -> None:
        if self._module is None:
            self._input = Input(x.shape[1:], str(x.dtype))
            self._build_layers()

    def _build_layers(self, from_layer: int = 0) -> None:
        assert self._input is not None
        self._input_like = (None, *self._input.shape), self._input.dtype
        self._rngs = self._rngs or nnx.Rngs(fresh_seed())
        if not self._layers:
            raise ValueError(f"{self.name} has no layers: add one.")
        stack: Any = Stack([layer for _, layer in self._layers[:from_layer]])
        for name, layer in self._layers[from_layer:]:
            shape = self._output_of(stack)[1:]
            try:
                if isinstance(layer, Layer):
                    layer.build(shape, self._rngs)
                stack.layers.append(layer)
                self._output_of(stack)
            except Exception as error:
                error.add_note(f"This is the layer {name!r}, whose inputs have shape {(None, *shape)}.")
                raise
        self._module = stack

    def _output_of(self, stack: Stack) -> tuple[int | None, ...]:
        """Return the output shape; axes the input leaves open are found by trying two sizes."""
        assert self._input is not None
        shapes = []
        for size in (64, 96):
            sizes = tuple(size if n is None else n for n in self._input.shape)
            shapes.append(output_shape(stack, jax.ShapeDtypeStruct((1, *sizes), jnp.dtype(self._input.dtype))))
            if None not in self._input.shape:
                return shapes[0]
        return tuple(a if a == b else None for a, b in zip(*shapes, strict=True))

    def _check(self, x: Any, y: Any) -> None:
        if self._module is None:
            return  # it will be built for these inputs
        assert self._input is not None
        wanted = self._input.shape
        if len(x.shape) != 1 + len(wanted) or any(b not in (None, a) for a, b in zip(x.shape[1:], wanted, strict=True)):
            raise ValueError(f"{self.name} takes inputs of shape {(None, *wanted)}; got x of shape {x.shape}.")
        super()._check(x, y)

    def _objective(self, loss: Any) -> Any:
        """Return what a step computes; a cross-entropy after its own activation comes from the logits."""
        stack: Any = self._module
        activation = stack.final_activation
        if loss.activation is None or activations.name_of(activation) != loss.activation:
            return super()._objective(loss)
        of_logits = loss.with_logits()

        def objective(module: Any, x: Any, y: Any, weight: Any) -> tuple[Any, Any]:
            logits = module.logits(x)
            return of_logits(y, logits, weight), activation(logits)

        return objective
