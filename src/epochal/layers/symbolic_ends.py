"""The symbolic inputs and outputs of layers and of models, as `layer.input` and `model.output` give them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol
from weakref import WeakKeyDictionary, WeakSet, ref

if TYPE_CHECKING:
    from .graph import Graph
    from .tensors import LayerCall, Tensor
    from .types import Nest


class Ends(NamedTuple):
    """A model's inputs and outputs, tensors in the nests in which the model was given them."""

    inputs: Nest
    outputs: Nest


class Keeper(Protocol):
    """A model, which holds the symbolic ends of its graph and of those nested in it."""

    symbols: dict[Graph, Ends]


HOLDERS: WeakKeyDictionary[Any, WeakSet[Graph]] = WeakKeyDictionary()
"""The graphs that have a layer."""

KEEPERS: WeakKeyDictionary[Graph, WeakSet[Keeper]] = WeakKeyDictionary()
"""The models that have a graph. They hold its symbolic ends: held here, these would keep the graph's layers alive."""

_CALLS_OF_LAYER: WeakKeyDictionary[Any, list[ref[LayerCall]]] = WeakKeyDictionary()
"""The calls of each layer, in their order, as long as somebody has their outputs."""


def remember(call: LayerCall) -> None:
    """Note a call of a layer."""
    _CALLS_OF_LAYER.setdefault(call.layer, []).append(ref(call))


def ends_of(graph: Graph) -> Ends:
    """Return a graph's symbolic inputs and outputs; they are drawn anew for one that was copied or unpickled."""
    keepers = list(KEEPERS.get(graph, ()))
    for keeper in keepers:
        if (ends := keeper.symbols.get(graph)) is not None:
            return ends
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about masks; said when the model was made
        ends = graph.drawn()
    for keeper in keepers:
        keeper.symbols[graph] = ends
    return ends


class EndOfFirstCall:
    """An attribute of layers: the symbolic input or output of the first call whose output somebody has.

    A layer that has an attribute of its own of that name keeps it.

    Args:
        end: "input" or "output".
    """

    def __init__(self, end: Literal["input", "output"]) -> None:
        self._end = end

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        if layer is None:
            return self
        call = _first_call(layer)
        tensors = call.inputs if self._end == "input" else list(call.outputs)
        return _single(tensors)


def _first_call(layer: Any) -> LayerCall:
    for graph in HOLDERS.get(layer, ()):
        ends_of(graph)
    for reference in _CALLS_OF_LAYER.get(layer, ()):
        if (call := reference()) is not None:
            return call
    raise AttributeError(
        f"the layer {layer.name!r} has no input and output yet: they are there when it has been called on tensors, or "
        "is part of a model whose input shape is known."
    )


def _single(tensors: list[Tensor]) -> Tensor | list[Tensor]:
    return tensors[0] if len(tensors) == 1 else tensors
