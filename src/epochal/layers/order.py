"""In which order the calls of a graph are made, and its layers listed."""

from __future__ import annotations

from collections.abc import Sequence

from flax import nnx

from .nests import is_mapping
from .tensors import LayerCall, Tensor
from .types import Nest


def in_order(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[LayerCall]:
    """Return the calls that lead from the inputs to the outputs, each after those it needs."""
    input_ids, used = {id(tensor) for tensor in inputs}, set[int]()
    done: dict[int, LayerCall] = {}
    open_calls: set[int] = set()
    waiting: list[tuple[Tensor, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while waiting:
        tensor, is_complete = waiting.pop()
        call = tensor.call
        if id(tensor) in input_ids:
            used.add(id(tensor))
        elif call is None:
            name = getattr(tensor, "name", None)
            raise ValueError(
                f"the outputs need the input {name or ''}{tensor!r}, which isn't among the model's inputs: add it."
            )
        elif is_complete:
            open_calls.discard(id(call))
            done.setdefault(id(call), call)
        elif id(call) in open_calls:
            raise ValueError(f"the graph goes round in a circle through {_name_in_error(call.layer)!r}.")
        elif id(call) not in done:
            open_calls.add(id(call))
            waiting.append((tensor, True))
            waiting += [(needed, False) for needed in reversed(call.inputs)]
    for tensor in inputs:
        if id(tensor) not in used:
            raise ValueError(
                f"no output depends on the input {getattr(tensor, 'name', None) or tensor!r}: leave it out."
            )
    return list(done.values())


def ranked_layers(calls: Sequence[LayerCall], outputs: Sequence[Tensor]) -> list[nnx.Module]:
    """Return each layer once, in the order of Keras: by the longest way to an output, then by the first visit.

    Source: `map_graph` in keras/src/ops/function.py of Keras 3.15. Files go by this order.
    """
    visits = _visits(outputs)
    depths: dict[int, int] = {}
    of_layer: dict[int, int] = {}
    for call in reversed(calls):
        depth = max(depths.setdefault(id(call), 0), of_layer.get(id(call.layer), 0))
        depths[id(call)] = of_layer[id(call.layer)] = depth
        for needed in (tensor.call for tensor in call.inputs):
            if needed is not None:
                depths[id(needed)] = max(depths.get(id(needed), 0), depth + 1)
    layers = {id(call.layer): call.layer for call in calls}
    return sorted(layers.values(), key=lambda layer: (-of_layer[id(layer)], visits[id(layer)]))


def in_keras_order(outputs: Nest, targets: Sequence[Tensor]) -> list[Tensor]:
    """Return the outputs in the order in which Keras walks from them: a dict's by their names."""
    return [outputs[name] for name in sorted(outputs)] if is_mapping(outputs) else list(targets)


def _visits(outputs: Sequence[Tensor]) -> dict[int, int]:
    """Return when a walk from the outputs, depth first, comes by each layer."""
    order: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [tensor.call for tensor in reversed(outputs)]
    while waiting:
        call = waiting.pop()
        if call is not None and id(call) not in seen:
            seen.add(id(call))
            order.setdefault(id(call.layer), len(order))
            waiting += [tensor.call for tensor in reversed(call.inputs)]
    return order


def _name_in_error(layer: nnx.Module) -> str:
    return getattr(layer, "name", None) or type(layer).__name__
