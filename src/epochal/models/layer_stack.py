"""The network of a `Sequential`: layers one after the other, whose graph is drawn when somebody needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import jax.numpy as jnp
import numpy as np

from ..core.layer_node import LayerNode
from ..data.nests import Nest
from ..engines.jax.trees import PyTree
from ..layers import Embedding, Input, Lambda, Layer, Tensor
from ..layers.frozen import truth_of
from ..layers.functions import as_layer
from ..layers.graph import Graph
from ..layers.graph_names import has_name, name_of
from ..layers.members import is_model, module_in
from ..layers.names import Names
from ..layers.symbolic_ends import Ends
from ..layers.tensors import connect
from .graph_network import GraphNetwork
from .module_network import as_they_are
from .network import Child, InputShape, LayerLike
from .signature import Signature, is_one_shape


class LayerStack:
    """Layers one after the other, which get their variables when the shape of the input is known.

    Args:
        given_name: The model's name, if it was given one.
        name: What errors call the model.
        trainable: Whether training changes the weights; False doesn't change what the layers themselves say.

    Attributes:
        layers: The layers and models in their order.
    """

    def __init__(self, given_name: str | None, name: str, trainable: bool = True) -> None:
        self._given_name, self._name = given_name, name
        self._trainable = truth_of(trainable)
        self.layers: list[LayerLike] = []
        self._taken_names: set[str] = set()
        self._numbered = Names()
        self._input: Input | None = None
        self._output: Tensor | None = None  # of the layers so far, when the shape of the input is known
        self._drawn: GraphNetwork | None = None

    def __getstate__(self) -> dict[str, object]:
        self._graph_network()
        return {**vars(self), "_output": None}

    @classmethod
    def of_graph(cls, graph: Graph, name: str) -> LayerStack:
        """Return the network of a graph of layers that come one after the other."""
        stack = cls(graph.name, name, graph.trainable)
        stack.layers = list(graph.layers)
        stack._taken_names = {layer.name for layer in stack.layers if has_name(layer)}
        stack._input = Input(graph.input_shapes[0][1:], graph.input_dtypes[0], graph.input_names[0])
        stack._drawn = GraphNetwork(graph, name)
        return stack

    def add(self, layer: LayerLike) -> None:
        """Put a layer, a model, or an `Input` at first, at the end.

        Raises:
            TypeError: If it is no layer.
            ValueError: If its name is taken, or it can't take what comes before it.
        """
        if isinstance(layer, Input):
            if self.layers or self._input is not None:
                raise ValueError("an Input must be the first of a model's layers.")
            self._input = layer
            return
        layer = layer if is_model(layer) else as_layer(layer)
        given = self._input if self._input is not None or self.layers else _input_of(layer)
        part = _layer_of(layer)
        if has_name(part) and part.name in self._taken_names:
            raise ValueError(f"two layers are named {part.name!r}; names in a model must differ.")
        if given is not None:
            self._connect(given, [layer] if self._output is not None else [*self.layers, layer])
        if has_name(part):
            self._taken_names.add(part.name)
        elif isinstance(part, Layer):
            name_of(part, self._numbered)  # until the graph is drawn
        self.layers.append(layer)

    def pop(self) -> LayerLike:
        """Take the last layer away, and return it.

        Raises:
            ValueError: If there is none.
        """
        self._check_has_layers()
        layer, given = self.layers.pop(), self._input
        if has_name(part := _layer_of(layer)):
            self._taken_names.discard(part.name)
        if self._drawn is not None:
            self._trainable = self._drawn.trainable
        self._output = self._drawn = None
        if given is not None and self.layers:
            self._connect(given, self.layers)
        elif _input_of(layer) is not None:
            self._input = None
        return layer

    def _connect(self, given: Input, layers: Sequence[LayerLike]) -> None:
        """Let layers take what those before them return; the graph of all is drawn when somebody needs it.

        Where a layer can't take it, all stays as it is.

        Args:
            given: The input of all.
            layers: Those that come next.
        """
        output: PyTree = given if self._output is None else self._output
        for layer in layers:
            output = layer(output) if isinstance(layer, Layer) or is_model(layer) else connect(layer, (output,), {})
            if not isinstance(output, Tensor):
                raise ValueError(f"{type(layer).__name__} returns several arrays, so it can't be a part of Sequential.")
        if self._drawn is not None:
            self._trainable = self._drawn.trainable
        self._input, self._output, self._drawn = given, output, None

    def _graph_network(self) -> GraphNetwork | None:
        """Return the network of the graph of all layers, drawn if it isn't; None before the input's shape is known."""
        if self._drawn is None and self._input is not None and self._output is not None:
            graph = Graph(self._input, self._output, self._given_name, sequential=True, trainable=self._trainable)
            self._drawn = GraphNetwork(graph, self.name, Ends(self._input, self._output))
        return self._drawn

    @property
    def name(self) -> str:
        """What errors call the model."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name
        if self._drawn is not None:
            self._drawn.name = name

    @property
    def module(self) -> Graph | None:
        """The graph of all layers; None before the input's shape is known."""
        return self.graph

    @property
    def graph(self) -> Graph | None:
        """The graph of all layers; None before the input's shape is known."""
        drawn = self._graph_network()
        return None if drawn is None else drawn.graph

    @property
    def layer(self) -> Graph:
        """The graph, which is a layer of the graphs that it is called in."""
        return self._built().graph

    @property
    def parts(self) -> list[LayerLike]:
        """The graph, or the layers."""
        drawn = self._graph_network()
        return list(self.layers) if drawn is None else drawn.parts

    @property
    def inputs(self) -> Signature | None:
        """The name and shape of the input, once it is known."""
        drawn = self._graph_network()
        return None if drawn is None else drawn.inputs

    @property
    def outputs(self) -> Signature | None:
        """The name and shape of the output, once it is known."""
        drawn = self._graph_network()
        return None if drawn is None else drawn.outputs

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for all layers."""
        drawn = self._graph_network()
        return self._trainable if drawn is None else drawn.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = truth_of(value)
        for part in self.parts:
            if isinstance(part, Layer) or is_model(part):
                part.trainable = self._trainable

    @property
    def is_shared(self) -> bool:
        """Whether others have some of the layers too."""
        drawn = self._graph_network()
        return drawn is None or drawn.is_shared

    @property
    def cast(self) -> Callable[[PyTree], PyTree]:
        """`cast(x)` returns arranged inputs in the dtypes that the layers take."""
        drawn = self._graph_network()
        return as_they_are if drawn is None else drawn.cast

    def build(self, input_shape: InputShape) -> None:
        """Make the variables for inputs of a shape, the batch axis in front; if they are there, check the shape."""
        if (drawn := self._graph_network()) is not None:
            drawn.build(input_shape)
            return
        self._check_has_layers()
        if input_shape is None:
            raise ValueError(f"{self.name} doesn't know the shape of its input: give build an input_shape.")
        if not is_one_shape(input_shape):
            raise ValueError(f"{self.name} takes one input, of a shape such as (None, 64); got {input_shape!r}.")
        self._connect(Input(tuple(input_shape)[1:]), self.layers)

    def build_for(self, x: PyTree) -> None:
        """Make the variables for an input like this one, if they aren't there."""
        if self._graph_network() is None:
            self._check_has_layers()
            if not hasattr(x, "shape"):
                raise ValueError(f"{self.name} takes one array; got {len(x)} of them.")
            self._connect(Input(tuple(x.shape)[1:], self._dtype_taken(x.dtype)), self.layers)

    def _dtype_taken(self, dtype: np.dtype) -> str:
        """Return the dtype of an input that nobody has declared, given that of the first data."""
        first = self.layers[0]
        if isinstance(first, Embedding):
            return "int32"
        takes_any = not isinstance(first, Layer) or isinstance(first, Lambda)
        return str(dtype) if takes_any and not jnp.issubdtype(dtype, jnp.floating) else "float32"

    def _check_has_layers(self) -> None:
        if not self.layers:
            raise ValueError(f"{self.name} has no layers: add one.")

    def learn(self, x: PyTree) -> None:
        """Make the variables for an input like this one, if they aren't there: then all is known."""
        self.build_for(x)

    def arrange(self, x: Nest) -> Nest:
        """Return inputs in the dtypes that keep them, with the axis of 1 that single numbers lack."""
        return self._built().arrange(x)

    def ends(self) -> Ends:
        """Return the symbolic input and output, once the input's shape is known."""
        drawn = self._graph_network()
        if drawn is None:
            raise AttributeError(
                f"{self.name} has no symbolic input and output: it isn't built yet: give its first layer an input "
                "shape."
            )
        return drawn.ends()

    def layer_nodes(self) -> list[LayerNode]:
        """Return the inputs and the layers with their shapes, and which takes whose output."""
        return self._built().layer_nodes()

    def _built(self) -> GraphNetwork:
        if (drawn := self._graph_network()) is None:
            raise ValueError(not_built(self.name))
        return drawn

    def children(self) -> list[Child]:
        """Return the graph, or the layers before there is one."""
        graph = self.graph
        return [("listed", self.layers)] if graph is None else [("module", graph)]

    def with_children(self, children: Iterable[Child]) -> LayerStack:
        """Return a network of another graph or of other layers."""
        of = dict(children)
        if "module" in of:
            return LayerStack.of_graph(of["module"], self.name)
        stack = LayerStack(self._given_name, self.name, self._trainable)
        stack.layers, stack._input = of["listed"], self._input
        return stack


def _layer_of(layer: LayerLike) -> LayerLike:
    """Return a layer, or the graph of a model that is to be one; None for a model that has none."""
    if not is_model(layer):
        return layer
    return graph if isinstance(graph := module_in(layer), Graph) else None


def not_built(name: str) -> str:
    """Return the error text for a model whose layers have no variables yet."""
    return f"{name} isn't built: give its first layer an input shape, call build, or fit it."


def _input_of(layer: LayerLike) -> Input | None:
    """Return the input that a model's first layer says it takes, None if it doesn't."""
    graph = module_in(layer) if is_model(layer) else None
    if isinstance(graph, Graph):
        return Input(graph.input_shapes[0][1:], graph.input_dtypes[0])
    if not isinstance(layer, Layer) or layer.input_shape is None:
        return None
    return Input(layer.input_shape, "int32" if isinstance(layer, Embedding) else "float32")
