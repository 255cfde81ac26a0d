"""A graph of layers as one module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import jax
import jax.numpy as jnp
from flax import nnx

from . import calling, masks
from .base import Activated, Lambda, Layer, placed_weights_of
from .calls import HOLDERS, KEEPERS, Keeper, ends_of
from .embedding import Embedding
from .names import Names, numbered_by_class, snake_case
from .nests import map_nest
from .operations import Operation
from .order import in_keras_order, in_order, ranked_layers
from .tensors import Call, Input, Tensor, connect


@dataclass(frozen=True)
class Slot:
    """Stands for a tensor of the graph: an input or an output of a step, by number."""

    at: int


@dataclass(frozen=True, eq=False)
class Constant:
    """An array that is an argument of a step."""

    value: Any


@dataclass(frozen=True, eq=False)
class Step:
    """One call of a layer; compared by identity, as graphs are when something is compiled.

    Attributes:
        layer: The number of the layer.
        name: Of the layer, with a number if it isn't the layer's first call.
        given: `(args, kwargs)`: nests of slots and plain values.
        outputs: The slots of what it returns.
        shapes: Their shapes, the batch axis in front, None where a size is open.
        dtypes: Their dtypes.
    """

    layer: int
    name: str
    given: masks.Given
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int | None, ...], ...]
    dtypes: tuple[str, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        """The slots among the arguments."""
        return tuple(leaf.at for leaf in jax.tree.leaves(self.given) if isinstance(leaf, Slot))

    def filled(self, values: Mapping[int, Any]) -> masks.Given:
        """Return `(args, kwargs)` with the values of the slots."""
        constant = lambda leaf: leaf.value if isinstance(leaf, Constant) else leaf
        return map_nest(lambda leaf: values[leaf.at] if isinstance(leaf, Slot) else constant(leaf), self.given)

    def filled_with_masks(self, of_slots: Mapping[int, Any]) -> masks.Given:
        """Return the masks of the slots in the same nest; None for a slot without, and for plain values."""
        return map_nest(lambda leaf: of_slots.get(leaf.at) if isinstance(leaf, Slot) else None, self.given)


class Graph(Layer):
    """The layers between some inputs and outputs; itself a layer, so that models can be parts of models.

    Args:
        inputs: An `Input`, or a list or dict of them.
        outputs: What is computed from them: a tensor, or a list or dict of tensors.
        name: Of the model.
        sequential: Whether it is the layers of a `Sequential`.
        trainable: As of any layer; what the layers within say isn't changed by it.

    Attributes:
        keras_class: What Keras calls such a model's class: "Sequential" if the layers come one after the other, each
            once, and it was made so; else "Functional".
        layers: Each layer once, in Keras's order: those farthest from the outputs first.
        layer_names: Their names.
        input_names: The names of the inputs.
        output_names: The names of the outputs: a dict's keys, else those of the layers that make them.
        taken_dtypes: The dtypes that inputs are brought into, None for one that is left as it comes.
        masked_outputs: For each output whether a mask says which of its steps count.
        steps: The calls, in an order in which they can be made.
        results: The slots of the outputs.

    Raises:
        ValueError: If an output doesn't follow from the inputs, an input leads nowhere, the calls go round in
            a circle, or two layers have one name.
    """

    def __init__(
        self, inputs: Any, outputs: Any, name: str | None = None, sequential: bool = False, trainable: bool = True
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        self.built = True
        given, targets = _listed(inputs, "inputs"), _listed(outputs, "outputs")
        _check_inputs(given)
        calls = in_order(given, targets)
        ranked = ranked_layers(calls, in_keras_order(outputs, targets))
        self.keras_class = "Sequential" if sequential and len(ranked) == len(calls) else "Functional"
        names = unique_names(ranked)
        self.layers = nnx.List(ranked)
        self.hold()
        self.layer_names = tuple(names)
        self.input_names = _input_names(inputs, given, names)
        self.input_shapes = tuple(tensor.shape for tensor in given)
        self.input_dtypes = tuple(tensor.dtype for tensor in given)
        takers = _takers(calls)
        self.taken_dtypes = tuple(_dtype_taken(tensor, takers.get(id(tensor), ())) for tensor in given)
        self.inputs_by_name, self.outputs_by_name = isinstance(inputs, Mapping), isinstance(outputs, Mapping)
        slots = {id(tensor): at for at, tensor in enumerate(given)}
        self.steps = tuple(_steps(calls, ranked, names, slots))
        self.results = tuple(slots[id(tensor)] for tensor in targets)
        self.output_shapes = tuple(tensor.shape for tensor in targets)
        self.masked_outputs = tuple(tensor.mask is not None for tensor in targets)
        self.output_names: tuple[str, ...] = (
            tuple(outputs) if isinstance(outputs, Mapping) else self._names_of_results()
        )

    def _names_of_results(self) -> tuple[str, ...]:
        makers = {slot: self.layer_names[step.layer] for step in self.steps for slot in step.outputs}
        makers |= dict(enumerate(self.input_names))
        taken = Names()
        return tuple(taken.free(makers[slot]) for slot in self.results)

    def hold(self) -> None:
        """Note in `HOLDERS` which layers it has."""
        for layer in self.layers:
            HOLDERS.setdefault(layer, WeakSet()).add(self)

    def kept_by(self, keeper: Keeper) -> None:
        """Note in `KEEPERS` which model has it, and the graphs nested in it."""
        KEEPERS.setdefault(self, WeakSet()).add(keeper)
        for layer in self.layers:
            if isinstance(layer, Graph):
                layer.kept_by(keeper)

    def drawn(self) -> tuple[Any, Any]:
        """Return new inputs, and the tensors that calls of all its layers make of them."""
        facts = zip(self.input_shapes, self.input_dtypes, self.input_names, strict=True)
        given: list[Tensor] = [Input(shape[1:], dtype, name) for shape, dtype, name in facts]
        values = dict(enumerate(given))
        for step in self.steps:
            args, kwargs = step.filled(values)
            values.update(
                zip(step.outputs, jax.tree.leaves(connect(self.layers[step.layer], args, kwargs)), strict=True)
            )
        inputs = dict(zip(self.input_names, given, strict=True)) if self.inputs_by_name else given
        return inputs if self.inputs_by_name or len(given) > 1 else given[0], self.packed(values)

    @property
    def shares_layers(self) -> bool:
        """Whether somebody else may have some of the layers too: another graph, or a function made of modules."""
        return self in HOLDERS or any(
            isinstance(layer, (Graph, Lambda)) or len(HOLDERS.get(layer, ())) > 1 for layer in self.layers
        )

    @property
    def input(self) -> Any:
        """The model's own symbolic input: a tensor, or the list or dict of them that it was made from."""
        return ends_of(self).inputs

    @property
    def output(self) -> Any:
        """The model's own symbolic output, as `input`."""
        return ends_of(self).outputs

    def call(self, x: Any) -> Any:
        """Return the outputs for inputs in a list, or in a dict by name; a single one may come by itself."""
        return self.packed(self.run(self.unpacked(x))[0])

    def unpacked(self, x: Any) -> list[Any]:
        """Return the inputs in the graph's order."""
        if isinstance(x, Mapping):
            return [x[name] for name in self.input_names]
        return list(x) if isinstance(x, (list, tuple)) else [x]

    def packed(self, values: Mapping[int, Any]) -> Any:
        """Return the outputs among all values: in a dict if the model was made with one, one by itself, or a list."""
        found = [values[slot] for slot in self.results]
        if self.outputs_by_name:
            return dict(zip(self.output_names, found, strict=True))
        return found if len(found) > 1 else found[0]

    def call_with_masks(self, x: Any, mask: Any) -> tuple[Any, Any]:
        """Return the outputs and their masks, given the inputs and theirs."""
        values, of_slots, _ = self.run(self.unpacked(x), self.unpacked(mask))
        return self.packed(values), self.packed({slot: of_slots.get(slot) for slot in self.results})

    def run(
        self, inputs: Sequence[Any], of_inputs: Sequence[Any] = ()
    ) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
        """Return by slot the values, the masks, and what activations at the end of a layer were applied to.

        Args:
            inputs: In the graph's order.
            of_inputs: Their masks, each None if all steps count; all of them, if there are none.
        """
        values: dict[int, Any] = dict(enumerate(inputs))
        of_slots: dict[int, Any] = dict(enumerate(of_inputs))
        logits: dict[int, Any] = {}
        for step in self.steps:
            layer: Any = self.layers[step.layer]
            given, of_given = step.filled(values), step.filled_with_masks(of_slots)
            if has_logits(layer):
                logits[step.outputs[0]] = before = layer.linear(*given[0], **calling.without_training(layer, given[1]))
                made = layer.activation(before)
                found = masks.of_outputs(layer, given, of_given, made)
            else:
                made, found = calling.called_with_masks(layer, given, of_given)
            values.update(zip(step.outputs, jax.tree.leaves(made), strict=True))
            of_slots.update(zip(step.outputs, found, strict=True))
        return values, of_slots, logits

    def record(self, x: Any) -> dict[str, Any]:
        """Return the output of every call of a layer, by the layer's name; of its first output if it has several."""
        values, _, _ = self.run(self.unpacked(x))
        return {step.name: values[step.outputs[0]] for step in self.steps}

    def outline(self) -> list[tuple[str, tuple[int | None, ...], tuple[str, ...]]]:
        """Return for each call of a layer its name, the shape of its output, and the names of what it takes."""
        makers = dict(enumerate(self.input_names)) | {slot: step.name for step in self.steps for slot in step.outputs}
        return [(step.name, step.shapes[0], tuple(makers[slot] for slot in step.inputs)) for step in self.steps]

    def activation_of(self, result: int) -> Any:
        """Return the activation function whose value an output is, None if it isn't one's."""
        layers: list[Any] = [self.layers[step.layer] for step in self.steps if step.outputs == (self.results[result],)]
        return layers[0].activation if layers and has_logits(layers[0]) else None

    def named_layers(self, operations: bool = False) -> list[tuple[str, nnx.Module]]:
        """Return the layers with their names, on demand with the operations between tensors among them."""
        named = zip(self.layer_names, self.layers, strict=True)
        return [(name, layer) for name, layer in named if operations or not isinstance(layer, Operation)]

    def placed_weights(self) -> list[tuple[str, Any, str]]:
        """Return all weights by `layer/weight`, layer by layer."""
        layers = self.named_layers()
        groups = numbered_by_class(snake_case(layer) for _, layer in layers)
        return [
            (f"{name}/{weight}", variable, f"layers/{group}/{place}".rstrip("/"))
            for group, (name, layer) in zip(groups, layers, strict=True)
            for weight, variable, place in placed_weights_of(layer)
        ]


def has_logits(layer: Any) -> bool:
    """Say whether a layer is an activation applied to its `linear`, and nothing else."""
    return isinstance(layer, Activated) and type(layer).call is Activated.call


def _listed(nest: Any, what: str) -> list[Tensor]:
    listed = (
        list(nest.values()) if isinstance(nest, Mapping) else list(nest) if isinstance(nest, (list, tuple)) else [nest]
    )
    if not listed or not all(isinstance(tensor, Tensor) for tensor in listed):
        raise TypeError(
            f"{what} are what Input(…) and calls of layers on it return, one or a list or dict of them; got {nest!r}."
        )
    return listed


def _takers(calls: Sequence[Call]) -> dict[int, list[tuple[nnx.Module, int]]]:
    """Return for each tensor, by its id, the layers that take it, and as which of their inputs."""
    takers: dict[int, list[tuple[nnx.Module, int]]] = {}
    for call in calls:
        for at, taken in enumerate(call.inputs):
            takers.setdefault(id(taken), []).append((call.layer, at))
    return takers


def _dtype_taken(tensor: Tensor, takers: Sequence[tuple[nnx.Module, int]]) -> str | None:
    """Return what an input is cast to: its own dtype if that is of floats, integers where it leads to embeddings only.

    Numbers that stand for something else, as in a function of one's own, are left alone.
    """
    if takers and all(_takes_numbers_of_words(layer, at) for layer, at in takers):
        return "int32"
    return tensor.dtype if jnp.issubdtype(tensor.dtype, jnp.floating) else None


def _takes_numbers_of_words(layer: Any, at: int) -> bool:
    """Say whether a layer, or the layers in a nested model, look up what they get as their input number `at`."""
    return isinstance(layer, Embedding) or (isinstance(layer, Graph) and layer.taken_dtypes[at] == "int32")


def _check_inputs(inputs: Sequence[Tensor]) -> None:
    for tensor in inputs:
        if not isinstance(tensor, Input):
            raise ValueError(f"a model's inputs are made by Input(…); got {tensor!r}, which a layer made.")
    if len({id(tensor) for tensor in inputs}) != len(inputs):
        raise ValueError("one Input is listed twice among the inputs.")


def _steps(
    calls: Sequence[Call], layers: Sequence[nnx.Module], names: Sequence[str], slots: dict[int, int]
) -> Iterable[Step]:
    """Yield the calls as steps; `slots` gets the number of every tensor."""
    at = {id(layer): number for number, layer in enumerate(layers)}
    called: dict[int, int] = {}
    for call in calls:
        given = map_nest(lambda leaf: _argument(leaf, slots), (call.args, call.kwargs))
        slots.update({id(tensor): len(slots) + n for n, tensor in enumerate(call.outputs)})
        layer = at[id(call.layer)]
        times = called[layer] = called.get(layer, -1) + 1
        yield Step(
            layer,
            f"{names[layer]}:{times}" if times else names[layer],
            given,
            tuple(slots[id(tensor)] for tensor in call.outputs),
            tuple(tensor.shape for tensor in call.outputs),
            tuple(tensor.dtype for tensor in call.outputs),
        )


def _argument(leaf: Any, slots: Mapping[int, int]) -> Any:
    if isinstance(leaf, Tensor):
        return Slot(slots[id(leaf)])
    return Constant(leaf) if hasattr(leaf, "shape") else leaf


def unique_names(layers: Sequence[Any]) -> list[str]:
    """Return a name for each layer: its own, or its class's with a number; told to the layers that have none."""
    own = [layer.name for layer in layers if has_name(layer)]
    if twice := {name for name, times in Counter(own).items() if times > 1}:
        raise ValueError(f"two layers are named {min(twice)!r}; names in a model must differ.")
    taken = Names(own)
    return [name_of(layer, taken) for layer in layers]


def name_of(layer: Any, taken: Names) -> str:
    """Return a layer's own name, else its class's with a number, which it is told."""
    if has_name(layer):
        return layer.name
    name = taken.free(snake_case(layer))
    if isinstance(layer, Layer):
        layer.name, layer.numbered = name, True
    return name


def has_name(layer: Any) -> bool:
    """Say whether a layer has a name of its own."""
    return isinstance(layer, Layer) and layer.name is not None and not layer.numbered


def _input_names(inputs: Any, given: Sequence[Any], layer_names: Sequence[str]) -> tuple[str, ...]:
    """Return the inputs' names: their own, else a dict's keys, else numbered ones."""
    keys = list(inputs) if isinstance(inputs, Mapping) else [None] * len(given)
    own = [tensor.name or key for tensor, key in zip(given, keys, strict=True)]
    times = Counter([*filter(None, own), *layer_names])
    if twice := {name for name in own if name and times[name] > 1}:
        raise ValueError(f"the name {min(twice)!r} is used twice; names in a model must differ.")
    taken = Names(times)
    return tuple(name or taken.free("input_layer") for name in own)
