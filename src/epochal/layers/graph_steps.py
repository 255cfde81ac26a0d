"""The calls in a graph of layers, in an order in which they can be made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import jax
from flax import nnx

from .nests import map_nest
from .tensors import LayerCall, Tensor
from .types import Arguments, Array, Mask, Nest, NumpyArray, Shape


@dataclass(frozen=True)
class TensorSlot:
    """Stands for a tensor of the graph, an input or an output of a step, by number."""

    at: int


@dataclass(frozen=True, eq=False)
class FixedArray:
    """An array that is an argument of a step."""

    value: Array | NumpyArray


@dataclass(frozen=True, eq=False)
class GraphStep:
    """One call of a layer; compared by identity, as graphs are when something is compiled.

    Attributes:
        layer: The number of the layer.
        name: Of the layer, with a number if it isn't the layer's first call.
        arguments: `(args, kwargs)`: nests of slots and plain values.
        outputs: The slots of the tensors that it makes.
        shapes: The shapes of these, the batch axis in front, None where a size is open.
        dtypes: The names of their dtypes.
    """

    layer: int
    name: str
    arguments: Arguments
    outputs: tuple[int, ...]
    shapes: tuple[Shape, ...]
    dtypes: tuple[str, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        """The slots among the arguments."""
        return tuple(leaf.at for leaf in jax.tree.leaves(self.arguments) if isinstance(leaf, TensorSlot))

    def arguments_with(self, values: Mapping[int, object]) -> Arguments:
        """Return `(args, kwargs)` with the values of the slots."""

        def value(leaf: Nest) -> Nest:
            if isinstance(leaf, TensorSlot):
                return values[leaf.at]
            return leaf.value if isinstance(leaf, FixedArray) else leaf

        return map_nest(value, self.arguments)

    def masks_with(self, masks: Mapping[int, Mask]) -> Arguments:
        """Return the masks of the slots in the same nest; None for a slot without, and for plain values."""
        return map_nest(lambda leaf: masks.get(leaf.at) if isinstance(leaf, TensorSlot) else None, self.arguments)


def graph_steps(
    calls: Sequence[LayerCall], layers: Sequence[nnx.Module], names: Sequence[str], slots: dict[int, int]
) -> Iterator[GraphStep]:
    """Yield the calls of layers as steps of a graph.

    Args:
        calls: In an order in which they can be made.
        layers: The layers of the graph.
        names: Their names.
        slots: The slot of each input by the tensor's id; gets those of all other tensors.
    """
    numbers = {id(layer): number for number, layer in enumerate(layers)}
    repetitions: dict[int, int] = {}
    for call in calls:
        arguments = map_nest(lambda leaf: _as_argument(leaf, slots), (call.args, call.kwargs))
        slots.update({id(tensor): len(slots) + n for n, tensor in enumerate(call.outputs)})
        layer = numbers[id(call.layer)]
        times = repetitions[layer] = repetitions.get(layer, -1) + 1
        yield GraphStep(
            layer,
            f"{names[layer]}:{times}" if times else names[layer],
            arguments,
            tuple(slots[id(tensor)] for tensor in call.outputs),
            tuple(tensor.shape for tensor in call.outputs),
            tuple(tensor.dtype for tensor in call.outputs),
        )


def _as_argument(leaf: Nest, slots: Mapping[int, int]) -> Nest:
    if isinstance(leaf, Tensor):
        return TensorSlot(slots[id(leaf)])
    return FixedArray(leaf) if hasattr(leaf, "shape") else leaf
