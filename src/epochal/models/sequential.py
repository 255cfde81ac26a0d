"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp

from ..layers import Embedding, Input, Lambda, Layer, Tensor
from ..layers.base import as_layer, truth_of
from ..layers.calls import Ends
from ..layers.graph import Graph, has_name, name_of
from ..layers.names import Names
from ..layers.tensors import connect
from .model import Model

DRAWN = ("_module", "_inputs", "_outputs", "symbols")
"""What follows from all layers together; after one is added, it is missing until somebody asks for it."""


class Sequential(Model):
    """Layers one after the other.

    Args:
        layers: Layers, `flax.nnx` modules or functions of an array; an `Input` may come first.
        name: Of the model.
        trainable: Whether training changes the weights; False doesn't change what the layers themselves say.

    The layers get their variables when the shape of the input is known: from an `Input`, from the first
    layer's `input_shape` or `input_dim`, from `build`, or else from the first data.
    """

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None, trainable: bool = True) -> None:
        super().__init__(None, name=name)
        self._given_name = name
        self._trainable = truth_of(trainable)
        self._own_names: set[str] = set()
        self._numbered = Names()
        self._input: Input | None = None
        self._output: Tensor | None = None  # of the layers so far, when the shape of the input is known
        for layer in layers or ():
            self.add(layer)

    @classmethod
    def of_graph(cls, graph: Graph) -> Sequential:
        """Return the model of a graph of layers that come one after the other."""
        model = cls(name=graph.name, trainable=graph.trainable)
        model._listed = list(graph.layers)
        model._own_names = {layer.name for layer in model._listed if has_name(layer)}
        model._input = Input(graph.input_shapes[0][1:], graph.input_dtypes[0], graph.input_names[0])
        model._module = graph
        model._read_signature()
        return model

    def add(self, layer: Any) -> None:
        """Put a layer, or a model, at the end.

        Raises:
            TypeError: If it is no layer.
            ValueError: If its name is taken, or it can't take what comes before it.
        """
        if isinstance(layer, Input):
            if self._listed or self._input:
                raise ValueError("an Input must be the first of a model's layers.")
            self._input = layer
            return
        layer = layer if isinstance(layer, Model) else as_layer(layer)
        if self._input is None and not self._listed:
            self._input = _input_of(layer)
        part: Any = layer._graph if isinstance(layer, Model) else layer
        if has_name(part) and part.name in self._own_names:
            raise ValueError(f"two layers are named {part.name!r}; names in a model must differ.")
        if self._input is not None:
            self._connect([layer] if self._output is not None else [*self._listed, layer])
        if has_name(part):
            self._own_names.add(part.name)
        elif isinstance(part, Layer):
            name_of(part, self._numbered)  # until the graph is drawn
        self._listed.append(layer)

    def _connect(self, more: Sequence[Any]) -> None:
        """Let layers take what those before them make; the graph of all of them is drawn when somebody needs it."""
        output = self._input if self._output is None else self._output
        for layer in more:
            made = layer(output) if isinstance(layer, (Layer, Model)) else connect(layer, (output,), {})
            if not isinstance(made, Tensor):
                raise ValueError(f"{type(layer).__name__} returns several arrays, so it can't be a part of Sequential.")
            output = made
        if vars(self).get("_module") is not None:
            self._trainable = self.trainable
        self._forget_engine()
        self._output = output
        for name in DRAWN:
            vars(self).pop(name, None)

    def __getattr__(self, name: str) -> Any:
        if name not in DRAWN or vars(self).get("_output") is None:
            return object.__getattribute__(self, name)  # which raises again what it raised, or what a property did
        assert self._input is not None
        assert self._output is not None
        self._module = Graph(self._input, self._output, self._given_name, sequential=True, trainable=self._trainable)
        self._read_signature()
        self.symbols = {self._module: Ends(self._input, self._output)}
        self._refresh()
        return vars(self)[name]

    @property
    def layers(self) -> list[Any]:
        """The layers, in order, holding the weights after the last finished batch."""
        return list(self._listed) if self._module is None else super().layers

    def _parts(self) -> list[Any]:
        return list(self._listed) if self._module is None else super()._parts()

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Make the variables for inputs of a shape.

        Args:
            input_shape: With the batch axis in front, as in Keras: `(None, 64)`. None if the first layer says it.

        Raises:
            ValueError: If nobody says it, or the layers are built already, for another shape.
        """
        if self._module is not None:
            super().build(input_shape)
        elif input_shape is None:
            raise ValueError(f"{self.name} doesn't know the shape of its input: give build an input_shape.")
        else:
            self._build_with(Input(tuple(input_shape)[1:], self._input.dtype if self._input else "float32"))

    def _build_for(self, x: Any) -> None:
        if self._module is None:
            if not hasattr(x, "shape"):
                raise ValueError(f"{self.name} takes one array; got {len(x)} of them.")
            self._build_with(Input(tuple(x.shape)[1:], self._dtype_taken(x.dtype)))

    def _dtype_taken(self, dtype: Any) -> str:
        """Return the dtype of an input that nobody has declared, given that of the first data."""
        first = self._listed[0] if self._listed else None
        if isinstance(first, Embedding):
            return "int32"
        takes_any = not isinstance(first, Layer) or isinstance(first, Lambda)
        return str(dtype) if takes_any and not jnp.issubdtype(dtype, jnp.floating) else "float32"

    def _build_with(self, given: Input) -> None:
        if not self._listed:
            raise ValueError(f"{self.name} has no layers: add one.")
        before, self._input = self._input, given
        try:
            self._connect(self._listed)
        except Exception:
            self._input = before
            raise


def _input_of(layer: Any) -> Input | None:
    """Return the input that a model's first layer says it takes, None if it doesn't."""
    if isinstance(layer, Model):
        graph = layer._graph
        return None if graph is None else Input(graph.input_shapes[0][1:], graph.input_dtypes[0])
    if not isinstance(layer, Layer) or layer.input_shape is None:
        return None
    return Input(layer.input_shape, "int32" if isinstance(layer, Embedding) else "float32")
