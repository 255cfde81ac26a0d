"""What a model is made of: its module, layers and weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..callbacks import History
from ..core.dirty import DIRTY_STORES
from ..data.nests import map_arrays
from ..engines.jax.engine import JaxEngine
from ..engines.jax.failures import named
from ..layers import Lambda, Layer, building, calling, current
from ..layers.base import truth_of, weights_of
from ..layers.calls import Ends, ends_of
from ..layers.frozen import frozen_variables
from ..layers.graph import Graph
from ..layers.names import class_name, snake_case
from ..layers.tensors import tensors_in
from ..layers.weights import is_parameter, variable_of
from ..messages.arguments import NamesArguments
from ..messages.names import path_name, suggest
from ..messages.printing import say
from . import attributes, parts
from .signature import Signature, signature_of_nest
from .underway import Underway


class Network(NamesArguments):
    """Holds a module, and the engine that holds the module's state while it trains."""

    _listed: list[Any]  # the layers of a model that isn't built yet
    _is_copy = False  # in a copy of a layer of which it is a part

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        parts.register(cls)

    def __init__(self, module: nnx.Module | None = None, name: str | None = None) -> None:
        self.name = name or snake_case(self)
        self.stop_training = False
        self.history: History | None = None
        self._optimizer: Any = None
        self._module, self._listed = module, []
        self._trainable = True  # of a model that isn't a graph of layers, or not yet
        self._settings: dict[str, Any] | None = None  # what `compile` got
        self._underway = Underway()
        self._engine: JaxEngine | None = None
        self._engine_trains = False
        self._optimizer_state: dict[str, np.ndarray] = {}  # loaded, until there is an engine that trains
        self._inputs: Signature | None = None  # unknown for a plain module: it takes any nest
        self._outputs: Signature | None = None
        self._input_like: Any = None  # what a plain module was given: a nest of shapes and dtypes
        self._outputs_by_shapes: dict[str, Signature] = {}  # of a plain module, by what it is given
        self._traced: nnx.Module | None = None  # the module inside a step that is being compiled
        self.symbols: dict[Graph, Ends] = {}
        self._read_signature()
        self._refresh()  # its layers may be those of a model that nobody will have any more

    def __setattr__(self, name: str, value: Any) -> None:
        attributes.check(self, name, value)
        super().__setattr__(name, value)

    @property
    def module(self) -> Any:
        """The module, holding the weights after the last finished batch; within `compute_loss`, that of the step."""
        if self._traced is not None:
            return self._traced
        self._refresh()
        if self._engine is not None:
            self._engine.weights.write_back()
        return self._built()

    def _refresh(self) -> None:
        """Take up what you, or other models that have these layers too, have written into them."""
        if self._engine is not None:
            self._engine.weights.pull_external_writes()
        elif self._module is not None:
            DIRTY_STORES.write_back(id(v) for _, v in nnx.iter_graph(self._module) if isinstance(v, nnx.Variable))

    def _show(self) -> None:
        """Let your own module, and layers that others have too, hold the weights; others do when they are asked for."""
        if self._engine is not None and (self._graph is None or self._graph.shares_layers):
            self._engine.weights.write_back()

    @property
    def built(self) -> bool:
        """Whether the layers have their variables."""
        return self._module is not None

    def build(self, input_shape: Any = None) -> None:
        """Make sure that the layers have their variables, as those of a model of tensors or of a module always have.

        Args:
            input_shape: The shape of the input that is expected, the batch axis in front.

        Raises:
            ValueError: If the input has another shape.
        """
        if input_shape is not None and self._inputs is not None:
            self._check_input_shape(tuple(input_shape))

    def _check_input_shape(self, wanted: tuple[int | None, ...]) -> None:
        shape = self.input_shape
        if isinstance(shape, tuple) and (
            len(wanted) != len(shape)
            or any(None not in (a, b) and a != b for a, b in zip(wanted[1:], shape[1:], strict=True))
        ):
            raise ValueError(f"{self.name} is built already, for inputs of shape {shape}; got {wanted}.")

    def _built(self) -> nnx.Module:
        if self._module is None:
            raise ValueError(f"{self.name} isn't built: give its first layer an input shape, call build, or fit it.")
        return self._module

    @property
    def _graph(self) -> Graph | None:
        return self._module if isinstance(self._module, Graph) else None

    @property
    def layers(self) -> list[Any]:
        """The layers, holding the weights after the last finished batch; a plain module is one layer."""
        return [layer for _, layer in layers_of(self.module)]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for all layers. Taken up by `compile`."""
        return self._trainable if self._graph is None else self._graph.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = truth_of(value)
        for layer in self._parts():
            if isinstance(layer, (Layer, Network)):
                layer.trainable = self._trainable

    def _parts(self) -> list[Any]:
        """Return what the model is made of: its module, or the layers and models of which there will be one."""
        return [] if self._module is None else [self._module]

    def _modules(self) -> list[nnx.Module]:
        """Return the modules among the parts, and those of models among them."""
        of_parts = (part._modules() if isinstance(part, Network) else [part] for part in self._parts())
        return [module for modules in of_parts for module in modules]

    @property
    def trainable_weights(self) -> list[nnx.Variable]:
        """The variables that training changes, holding the weights after the last finished batch."""
        return [variable for variable, trained in self._trained() if trained]

    @property
    def non_trainable_weights(self) -> list[nnx.Variable]:
        """The variables that training leaves alone, and those that are no parameters, such as moving averages."""
        return [variable for variable, trained in self._trained() if not trained]

    def _trained(self) -> list[tuple[nnx.Variable, bool]]:
        """Return all weights, each with whether training changes it, as `trainable` says now."""
        frozen = frozen_variables(self.module)
        variables = [variable for _, layer in layers_of(self.module) for _, variable in weights_of(layer)]
        return [(v, self.trainable and is_parameter(v) and id(variable_of(v)) not in frozen) for v in variables]

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, by which data may be given in a dict; empty for a plain module."""
        return [] if self._inputs is None else list(self._inputs.names)

    @property
    def input_shape(self) -> Any:
        """The shape of the input, the batch axis in front; a list of them for several, None where it isn't known."""
        shapes = () if self._inputs is None else self._inputs.shapes
        return shapes[0] if len(shapes) == 1 else list(shapes) or None

    @property
    def output_shape(self) -> Any:
        """The shape of the output, as `input_shape`."""
        shapes = () if self._outputs is None else self._outputs.shapes
        return shapes[0] if len(shapes) == 1 else list(shapes) or None

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs; empty for a plain module that hasn't seen data yet."""
        return [] if self._outputs is None else list(self._outputs.names)

    @property
    def input(self) -> Any:
        """The symbolic input: a tensor, or the list or dict of them that the model was made from.

        `Model(model.input, model.get_layer("features").output)` gives what is in between.

        Raises:
            AttributeError: If the model isn't built yet, or is made of a plain module.
        """
        return self._ends().inputs

    @property
    def output(self) -> Any:
        """The symbolic output, as `input`."""
        return self._ends().outputs

    @property
    def inputs(self) -> list[Any]:
        """The symbolic inputs, in a list."""
        return tensors_in(self.input)

    @property
    def outputs(self) -> list[Any]:
        """The symbolic outputs, in a list."""
        return tensors_in(self.output)

    def _ends(self) -> Ends:
        if (graph := self._graph) is None:
            why = "is made of a plain module" if self.built else "isn't built yet: give its first layer an input shape"
            raise AttributeError(f"{self.name} has no symbolic input and output: it {why}.")
        return ends_of(graph)

    def count_params(self) -> int:
        """Return how many numbers the weights are."""
        return sum(variable.size for variable in self._weights().values())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """Return a layer by its name or its place, holding the weights after the last finished batch.

        Raises:
            ValueError: If there is none, or not exactly one of the two is given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer takes a name or an index, one of the two.")
        named = layers_of(self.module)
        if index is not None:
            if not -len(named) <= index < len(named):
                raise ValueError(f"{self.name} has {len(named)} layers, so there is none at {index}.")
            return named[index][1]
        found = [layer for own, layer in named if own == name]
        if not found:
            raise ValueError(f"{self.name} has no layer {name!r}. {suggest(str(name), [own for own, _ in named])}")
        return found[0]

    def build_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Make the variables for these arguments of a call."""
        self._build_like(args[0])

    def __call__(self, x: Any, *more: Any, training: bool | None = None) -> Any:
        """Return the outputs for a batch of arrays; for tensors, those of this model as a layer.

        Args:
            x: Inputs as `predict` takes them, or tensors.
            *more: Further arguments of a plain module.
            training: Whether to compute as in training; then dropout draws, and batch statistics move. None: as the
                layer does of which the model is a part, or the step within `compute_loss`, else no.
        """
        if tensors_in((x, more)):
            self._build_like(x)
            mode = {} if training is None else {"training": training}
            return (self._graph or Lambda(self.module, name=self.name))(x, *more, **mode)
        if self._is_called_within():
            calling.ensure_built(self, (x, *more), {})
            return calling.called_in_mode(self._built(), (x, *more), training)
        if self._traced is None:
            self._know(x)
        if self._inputs is not None and not more:
            x = self._adapt(self._inputs.arranged(x, "x"))
        if self._traced is not None:
            traced = self._traced
            return traced(x, *more) if training is None else calling.called_in_mode(traced, (x, *more), training)
        own = self.module
        module = nnx.merge(*nnx.split(own))
        module.train() if training else module.eval()
        outputs = module(x, *more)
        if training:
            nnx.pop(module, nnx.Intermediate)
            nnx.update(own, nnx.state(module, nnx.Not(nnx.Param)))
        return outputs

    def _is_called_within(self) -> bool:
        """Return whether a layer calls this model, which is a part of it."""
        calls = calling.under_way()
        at_hand = calls is not None and calls.step is None and calls.found is None
        return calls is not None and (self._is_copy or (at_hand and bool(calls.layers)))

    def _adapt(self, x: Any) -> Any:
        """Return inputs, in the model's order, in the dtypes that its inputs say."""
        if (graph := self._graph) is None:
            return x
        arrays = x if len(graph.input_names) > 1 else (x,)
        cast = [a if dtype is None else a.astype(dtype) for a, dtype in zip(arrays, graph.taken_dtypes, strict=True)]
        return tuple(cast) if len(cast) > 1 else cast[0]

    def _named_layers(self) -> list[tuple[str, nnx.Module]]:
        assert self._module is not None
        return layers_of(self._module)

    def named_weights(self) -> dict[str, np.ndarray]:
        """Return copies of all weights by `layer/weight`, in the layers' order."""
        return dict(zip(self._weights(), self.get_weights(), strict=True))

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights, in the layers' order; in a layer, trainable ones first."""
        variables = list(self._weights().values())
        self._refresh()
        if self._engine is not None:
            return self._engine.weights.read(variables)
        return [np.array(variable.get_value()) for variable in variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights by arrays of the same shapes, in the order of `get_weights`.

        Raises:
            ValueError: If the number or a shape differs; then nothing is changed.
        """
        variables = self._weights()
        current.check(list(variables.items()), weights, self.name)
        self._refresh()
        if self._engine is not None:
            self._engine.weights.write(variables.values(), weights)
            self._show()
            return
        for variable, value in zip(variables.values(), weights, strict=True):
            variable.set_value(jnp.asarray(value, variable.dtype))
        self._forget_trained_weights()

    def _forget_trained_weights(self) -> None:
        """Let an optimizer whose state was loaded go on from the weights that have been written since."""
        kept = {path: array for path, array in self._optimizer_state.items() if not path.startswith("params/")}
        self._optimizer_state = kept

    def _weights(self) -> dict[str, Any]:
        if self._module is None:
            raise ValueError(f"{self.name} isn't built, so it has no weights yet.")
        found: dict[str, Any] = {}
        for layer_name, layer in self._named_layers():
            for name, weight in weights_of(layer):
                own = f"{layer_name}/{name}"
                found[own if own not in found else f"{path_name([layer_name])}/{name}"] = weight
        return found

    def _forget_engine(self) -> None:
        self._underway.check_idle(self.name, "be compiled or get other layers")
        self._optimizer_state = {}
        if self._engine is not None:
            self._engine.weights.write_back()
            self._engine = None

    def _build_for(self, x: Any) -> None:
        """Make the module if it waits for the shape of its inputs."""

    def _build_like(self, tensor: Any) -> None:
        """Make the module if it waits for the shape of its inputs, which a tensor tells."""
        self._build_for(tensor)

    def _read_signature(self) -> None:
        """Take the names and shapes of inputs and outputs from the graph, if there is one."""
        if (graph := self._graph) is not None:
            graph.kept_by(self)
            self._inputs = Signature("input", graph.input_names, graph.input_shapes)
            self._outputs = Signature("output", graph.output_names, graph.output_shapes)

    def _know(self, x: Any) -> None:
        """Learn from inputs, arrays or a nest of them, what can't be known without."""
        self._build_for(x)
        if self._graph is None:
            shapes = str(map_arrays(lambda a: (a.shape[1:], a.dtype), x))
            if shapes not in self._outputs_by_shapes:
                likes = map_arrays(lambda a: jax.ShapeDtypeStruct(a.shape, jnp.result_type(a)), x)
                self._input_like = likes
                building.build_inside(self._built(), lambda copy, given: copy(given), [likes])
                self._outputs_by_shapes[shapes] = signature_of_nest("output", output_like(self._built(), likes))
            self._outputs = self._outputs_by_shapes[shapes]

    def _call(self, module: Any, x: Any) -> Any:
        with calling.step(module):
            return module(x)

    def _forward(self, module: Any, x: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """Return all outputs in order, what their last activations were applied to, and their masks.

        The latter two are None where there are none.
        """
        if not isinstance(module, Graph):
            listed = jax.tree.leaves(module(x))
            return listed, [None] * len(listed), [None] * len(listed)
        values, masks, logits = module.run(module.unpacked(x))
        of_results = [[found.get(slot) for slot in module.results] for found in (values, logits, masks)]
        return of_results[0], of_results[1], of_results[2]

    def summary(self, print_fn: Any = None) -> None:
        """Print the layers, their output shapes, their weights and, where it isn't the one above, what they take.

        Args:
            print_fn: Called with each line; None prints it.
        """
        print_fn = print_fn or say
        nodes = {} if self._graph is None else {name: (shape, taken) for name, shape, taken in self._graph.outline()}
        rows = [("layer (type)", "output shape", "weights", "number")]
        total, trainable = 0, sum(variable.size for variable in self.trainable_weights)
        above = None
        for name, layer in layers_of(self._built(), operations=True):
            weights = weights_of(layer)
            number = sum(variable.size for _, variable in weights)
            total += number
            shapes = ", ".join(f"{name} {tuple(variable.shape)}" for name, variable in weights)
            shape, taken = nodes.get(name, ("", ()))
            takes = "" if not taken or taken == (above,) or above is None else f" of {', '.join(taken)}"
            kind = class_name(layer) + ("" if getattr(layer, "trainable", True) else ", frozen")
            rows.append((f"{name} ({kind}){takes}", str(shape), shapes or "-", f"{number:,}"))
            above = name
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            print_fn(
                "  ".join(f"{cell:<{width}}" for cell, width in zip(row[:3], widths, strict=False))
                + f"  {row[3]:>{widths[3]}}"
            )
        print_fn(f"{total:,} weights, {trainable:,} of them trainable")


def layers_of(module: Any, operations: bool = False) -> list[tuple[str, nnx.Module]]:
    """Return the layers of a model's module, or of a copy of it, with their names; a plain module is one layer.

    Args:
        module: The module.
        operations: Whether to return what operators between tensors made, too.
    """
    return module.named_layers(operations) if isinstance(module, Graph) else [(snake_case(module), module)]


def output_like(module: nnx.Module, x: Any) -> Any:
    """Return shapes and dtypes of what a module returns in inference mode, without computing it."""
    copy = nnx.merge(*nnx.split(module))
    copy.eval()
    graph, state = nnx.split(copy)

    def call(state: Any, x: Any) -> Any:
        merged = nnx.merge(graph, state)
        with named(), calling.step(merged):
            return merged(x)

    return jax.eval_shape(call, state, x)
