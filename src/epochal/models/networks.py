"""The network of a model of tensors, or of a module."""

from __future__ import annotations

from flax import nnx

from ..engines.jax.trees import PyTree
from ..layers.graph import Graph
from ..layers.symbolic_ends import Ends
from .graph_network import GraphNetwork
from .module_network import ModuleNetwork
from .network import Network


def network_of(inputs: PyTree, outputs: PyTree, name: str | None, own_name: str) -> Network:
    """Return the network for what a model is made of."""
    if outputs is not None:
        return GraphNetwork(Graph(inputs, outputs, name), own_name, Ends(inputs, outputs))
    if isinstance(inputs, Graph):
        return GraphNetwork(inputs, own_name)
    if isinstance(inputs, nnx.Module):
        return ModuleNetwork(inputs, own_name)
    raise TypeError(
        "a Model is made of a flax.nnx.Module, as Model(module), or of tensors, as Model(inputs, outputs); "
        f"got {inputs!r} and no outputs."
    )
