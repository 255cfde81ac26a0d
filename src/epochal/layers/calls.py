"""The first call of each layer, which tells the layer's symbolic input and output."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary, WeakSet, ref

if TYPE_CHECKING:
    from .graph import Graph
    from .tensors import Call, Tensor


class Ends(NamedTuple):
    """A model's inputs and outputs, tensors in the nests in which the model was given them."""

    inputs: Any
    outputs: Any


class Keeper(Protocol):
    """A model, which holds the symbolic ends of its graph and of those nested in it."""

    symbols: dict[Graph, Ends]


HOLDERS: WeakKeyDictionary[Any, WeakSet[Graph]] = WeakKeyDictionary()
"""The graphs that have a layer."""

KEEPERS: WeakKeyDictionary[Graph, WeakSet[Keeper]] = WeakKeyDictionary()
"""The models that have a graph. They hold its symbolic ends: held here, these would keep the graph's layers alive."""

_CALLS: WeakKeyDictionary[Any, list[ref[Call]]] = WeakKeyDictionary()
"""The calls of each layer, in their order, as long as somebody has what they make."""


def remember(call: Call) -> None:
    """Note a call of a layer."""
    _CALLS.setdefault(call.layer, []).append(ref(call))


def ends_of(graph: Graph) -> Ends:
    """Return a graph's symbolic inputs and outputs; they are drawn anew for one that was copied or unpickled."""
    keepers = list(KEEPERS.get(graph, ()))
    for keeper in keepers:
        if (ends := keeper.symbols.get(graph)) is not None:
            return ends
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about masks; said when the model was made
        ends = Ends(*graph.drawn())
    for keeper in keepers:
        keeper.symbols[graph] = ends
    return ends


class OfFirstCall:
    """An attribute of layers: the symbolic input or output of the first call of which somebody has the output.

    A layer that has an attribute of its own of that name keeps it.
    """

    def __init__(self, end: str) -> None:
        self._of = {"input": _taken, "output": _made}[end]

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        return self if layer is None else self._of(_first_call(layer))


def _first_call(layer: Any) -> Call:
    for graph in HOLDERS.get(layer, ()):
        ends_of(graph)
    for reference in _CALLS.get(layer, ()):
        if (call := reference()) is not None:
            return call
    raise AttributeError(
        f"the layer {layer.name!r} has no input and output yet: they are there when it has been called on tensors, or "
        "is part of a model whose input shape is known."
    )


def _taken(call: Call) -> Any:
    """Return the tensor that a call takes, or the list of them."""
    return _alone(call.inputs)


def _made(call: Call) -> Any:
    """Return the tensor that a call makes, or the list of them."""
    return _alone(list(call.outputs))


def _alone(tensors: list[Tensor]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors
