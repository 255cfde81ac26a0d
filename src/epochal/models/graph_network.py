"""A network of layers between inputs and outputs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

from flax import nnx

from ..core.layer_node import LayerNode
from ..data.nests import Nest
from ..engines.jax.trees import PyTree
from ..layers.graph import Graph
from ..layers.symbolic_ends import Ends, ends_of
from .layer_nodes import graph_nodes
from .network import Child, InputShape, LayerLike
from .samples import kept, taken_as
from .signature import Signature, check_built_for


class GraphNetwork:
    """A graph of layers.

    Args:
        graph: The layers and their calls.
        name: What errors call it.
        ends: The tensors that it was made of; they are drawn anew when they are needed if None.

    Attributes:
        name: What errors call the model.
        inputs: The names and shapes of the inputs.
        outputs: The names and shapes of the outputs.
        symbols: The symbolic inputs and outputs of the graph, and of graphs nested in it.
    """

    def __init__(self, graph: Graph, name: str, ends: Ends | None = None) -> None:
        self._graph, self.name = graph, name
        self.symbols: dict[Graph, Ends] = {} if ends is None else {graph: ends}
        graph.kept_by(self)
        self.inputs = Signature("input", graph.input_names, graph.input_shapes)
        self.outputs = Signature("output", graph.output_names, graph.output_shapes)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "symbols": {}}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._graph.kept_by(self)
        for _, node in nnx.iter_graph(self._graph):
            if isinstance(node, Graph):
                node.hold()

    @property
    def module(self) -> Graph:
        """The graph, which is a module."""
        return self._graph

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self._graph

    @property
    def layer(self) -> Graph:
        """The graph, which is a layer of the graphs that it is called in."""
        return self._graph

    @property
    def parts(self) -> list[LayerLike]:
        """The graph."""
        return [self._graph]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for all layers."""
        return self._graph.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._graph.trainable = value

    @property
    def is_shared(self) -> bool:
        """Whether others have some of the layers too."""
        return self._graph.shares_layers

    @property
    def cast(self) -> Callable[[PyTree], PyTree]:
        """`cast(x)` returns arranged inputs in the dtypes that the layers take."""
        return functools.partial(cast_inputs, self._graph.taken_dtypes)

    def build(self, input_shape: InputShape) -> None:
        """Check the shape: the layers have their variables."""
        check_built_for(self.inputs, input_shape, self.name)

    def build_for(self, x: PyTree) -> None:
        """Do nothing: the layers have their variables."""

    def learn(self, x: PyTree) -> None:
        """Do nothing: all is known."""

    def arrange(self, x: Nest) -> Nest:
        """Return inputs in the graph's order, with the axis of 1 that single numbers lack, in dtypes that keep them."""
        x = self.inputs.with_last_axes(self.inputs.arranged(x, "x"))
        self.inputs.check(x, "x", self.name)
        each = zip(self.inputs.listed(x), self._graph.taken_dtypes, strict=True)
        return self.inputs.packed([kept(array, taken_as(dtype), "x") for array, dtype in each])

    def ends(self) -> Ends:
        """Return the tensors that it was made of, in the nests in which they were given."""
        return ends_of(self._graph)

    def layer_nodes(self) -> list[LayerNode]:
        """Return the inputs and the layers with their shapes, and which takes whose output."""
        return list(graph_nodes(self._graph))

    def children(self) -> list[Child]:
        """Return the graph."""
        return [("module", self._graph)]

    def with_children(self, children: Iterable[Child]) -> GraphNetwork:
        """Return a network of another graph."""
        return GraphNetwork(dict(children)["module"], self.name)


def cast_inputs(dtypes: Sequence[str | None], x: PyTree) -> PyTree:
    """Return arranged inputs in some dtypes; None leaves one as it is."""
    arrays = x if len(dtypes) > 1 else (x,)
    cast = tuple(a if dtype is None else a.astype(dtype) for a, dtype in zip(arrays, dtypes, strict=True))
    return cast if len(dtypes) > 1 else cast[0]
