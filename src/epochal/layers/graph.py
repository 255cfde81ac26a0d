"""A graph of layers as one module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from weakref import WeakSet

import jax
from flax import nnx

from ..activations import Activation
from .activated import has_logits
from .base import Layer
from .call_context import penalize_output
from .calling import call_with_masks, without_training
from .functions import Lambda
from .graph_names import input_names, unique_names
from .graph_steps import graph_steps
from .input_dtypes import taken_dtypes
from .listing import placed_weights_of
from .masks import masks_of_outputs
from .names import Names, numbered_by_class, snake_case
from .nests import is_mapping, is_sequence
from .operations import Operation
from .order import in_keras_order, in_order, ranked_layers
from .symbolic_ends import HOLDERS, KEEPERS, Ends, Keeper, ends_of
from .tensors import Input, Tensor, connect
from .types import Array, Mask, Nest, PlacedWeight, Shape


class GraphValues(NamedTuple):
    """The arrays of a call of a graph, by the slots of its tensors.

    Attributes:
        values: The arrays.
        masks: The masks that they have.
        logits: What the activation at the end of a layer was applied to.
    """

    values: dict[int, Array]
    masks: dict[int, Mask]
    logits: dict[int, Array]


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
        self, inputs: Nest, outputs: Nest, name: str | None = None, sequential: bool = False, trainable: bool = True
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        self.built = True
        sources, targets = _listed(inputs, "inputs"), _listed(outputs, "outputs")
        _check_inputs(sources)
        calls = in_order(sources, targets)
        ranked = ranked_layers(calls, in_keras_order(outputs, targets))
        self.keras_class = "Sequential" if sequential and len(ranked) == len(calls) else "Functional"
        self.layers = nnx.List(ranked)
        self.hold()
        self.layer_names = tuple(unique_names(ranked))
        self.input_names = input_names(inputs, sources, self.layer_names)
        self.input_shapes = tuple(tensor.shape for tensor in sources)
        self.input_dtypes = tuple(tensor.dtype for tensor in sources)
        self.taken_dtypes = taken_dtypes(sources, calls)
        self.inputs_by_name, self.outputs_by_name = is_mapping(inputs), is_mapping(outputs)
        slots = {id(tensor): at for at, tensor in enumerate(sources)}
        self.steps = tuple(graph_steps(calls, ranked, self.layer_names, slots))
        self.results = tuple(slots[id(tensor)] for tensor in targets)
        self.output_shapes = tuple(tensor.shape for tensor in targets)
        self.masked_outputs = tuple(tensor.mask is not None for tensor in targets)
        self.output_names: tuple[str, ...] = tuple(outputs) if is_mapping(outputs) else self._names_of_results()

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

    def drawn(self) -> Ends:
        """Return new symbolic inputs, and the outputs of calls of all its layers on them."""
        settings = zip(self.input_shapes, self.input_dtypes, self.input_names, strict=True)
        sources: list[Tensor] = [Input(shape[1:], dtype, name) for shape, dtype, name in settings]
        values = dict(enumerate(sources))
        for step in self.steps:
            outputs = connect(self.layers[step.layer], *step.arguments_with(values))
            values.update(zip(step.outputs, jax.tree.leaves(outputs), strict=True))
        if self.inputs_by_name:
            return Ends(dict(zip(self.input_names, sources, strict=True)), self.packed(values))
        return Ends(sources if len(sources) > 1 else sources[0], self.packed(values))

    @property
    def shares_layers(self) -> bool:
        """Whether somebody else may have some of the layers too: another graph, or a function made of modules."""
        return self in HOLDERS or any(
            isinstance(layer, (Graph, Lambda)) or len(HOLDERS.get(layer, ())) > 1 for layer in self.layers
        )

    @property
    def input(self) -> Nest:
        """The model's own symbolic input: a tensor, or the list or dict of them that it was made from."""
        return ends_of(self).inputs

    @property
    def output(self) -> Nest:
        """The model's own symbolic output, as `input`."""
        return ends_of(self).outputs

    def call(self, x: Nest) -> Nest:
        """Return the outputs for inputs in a list, or in a dict by name; a single one may come by itself."""
        return self.packed(self.run(self.unpacked(x)).values)

    def unpacked(self, x: Nest) -> list[Nest]:
        """Return the inputs in the graph's order."""
        if is_mapping(x):
            return [x[name] for name in self.input_names]
        return list(x) if is_sequence(x) else [x]

    def packed(self, values: Mapping[int, object]) -> Nest:
        """Return the outputs among all values: in a dict if the model was made with one, one by itself, or a list."""
        outputs = [values[slot] for slot in self.results]
        if self.outputs_by_name:
            return dict(zip(self.output_names, outputs, strict=True))
        return outputs if len(outputs) > 1 else outputs[0]

    def call_with_masks(self, x: Nest, mask: Nest) -> tuple[Nest, Nest]:
        """Return the outputs and their masks, given the inputs and theirs."""
        values, masks, _ = self.run(self.unpacked(x), self.unpacked(mask))
        return self.packed(values), self.packed({slot: masks.get(slot) for slot in self.results})

    def run(self, inputs: Sequence[Array], masks: Sequence[Mask] = ()) -> GraphValues:
        """Make the calls of all layers, and return the arrays.

        Args:
            inputs: In the graph's order.
            masks: Of the inputs, each None if all steps count; none at all, if there are none.
        """
        arrays = GraphValues(dict(enumerate(inputs)), dict(enumerate(masks)), {})
        for step in self.steps:
            layer: nnx.Module = self.layers[step.layer]
            arguments, mask_arguments = step.arguments_with(arrays.values), step.masks_with(arrays.masks)
            if has_logits(layer):
                args, kwargs = arguments
                logits = layer.linear(*args, **without_training(layer, kwargs))
                arrays.logits[step.outputs[0]] = logits
                outputs = layer.activation(logits)
                penalize_output(layer, outputs)
                output_masks = masks_of_outputs(layer, arguments, mask_arguments, outputs)
            else:
                outputs, output_masks = call_with_masks(layer, arguments, mask_arguments)
            arrays.values.update(zip(step.outputs, jax.tree.leaves(outputs), strict=True))
            arrays.masks.update(zip(step.outputs, output_masks, strict=True))
        return arrays

    def record(self, x: Nest) -> dict[str, Array]:
        """Return the output of every call of a layer, by the layer's name; of its first output if it has several."""
        values = self.run(self.unpacked(x)).values
        return {step.name: values[step.outputs[0]] for step in self.steps}

    def outline(self) -> list[tuple[str, Shape, tuple[str, ...]]]:
        """Return for each call of a layer its name, the shape of its output, and the names of its inputs' makers."""
        makers = dict(enumerate(self.input_names)) | {slot: step.name for step in self.steps for slot in step.outputs}
        return [(step.name, step.shapes[0], tuple(makers[slot] for slot in step.inputs)) for step in self.steps]

    def activation_of(self, result: int) -> Activation | None:
        """Return the activation function whose value an output is, None if it isn't one's.

        Args:
            result: The number of the output.
        """
        layers: list[nnx.Module] = [
            self.layers[step.layer] for step in self.steps if step.outputs == (self.results[result],)
        ]
        return layers[0].activation if layers and has_logits(layers[0]) else None

    def named_layers(self, operations: bool = False) -> list[tuple[str, nnx.Module]]:
        """Return the layers with their names, on demand with the operations between tensors among them."""
        named = zip(self.layer_names, self.layers, strict=True)
        return [(name, layer) for name, layer in named if operations or not isinstance(layer, Operation)]

    def placed_weights(self) -> list[PlacedWeight]:
        """Return all weights by `layer/weight`, layer by layer."""
        layers = self.named_layers()
        groups = numbered_by_class(snake_case(layer) for _, layer in layers)
        return [
            PlacedWeight(f"{name}/{weight}", variable, f"layers/{group}/{place}".rstrip("/"))
            for group, (name, layer) in zip(groups, layers, strict=True)
            for weight, variable, place in placed_weights_of(layer)
        ]


def _listed(nest: Nest, argument: str) -> list[Tensor]:
    listed: list[Nest] = list(nest.values()) if is_mapping(nest) else list(nest) if is_sequence(nest) else [nest]
    if not listed or not all(isinstance(tensor, Tensor) for tensor in listed):
        raise TypeError(
            f"{argument} are what Input(…) and calls of layers on it return, one or a list or dict of them; got "
            f"{nest!r}."
        )
    return listed


def _check_inputs(inputs: Sequence[Tensor]) -> None:
    for tensor in inputs:
        if not isinstance(tensor, Input):
            raise ValueError(f"a model's inputs are made by Input(…); got {tensor!r}, which a layer made.")
    if len({id(tensor) for tensor in inputs}) != len(inputs):
        raise ValueError("one Input is listed twice among the inputs.")
