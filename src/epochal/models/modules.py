"""What a model's module computes: pure functions of the module, so that a compiled step captures no model."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import jax
from flax import nnx

from ..engines.jax.failures import named
from ..engines.jax.module_state import ModuleState
from ..engines.jax.trees import Array, PyTree
from ..layers.call_context import compiled_step
from ..layers.graph import Graph
from ..layers.names import snake_case
from ..layers.types import Variable
from ..layers.untyped import is_variable, merged_copy, split


class Forward(NamedTuple):
    """What a module makes of a batch, each list in the order of the outputs.

    Attributes:
        outputs: The outputs.
        logits: What their last activations were applied to; None where there is none.
        masks: Which of their steps count; None where all do.
    """

    outputs: list[Array]
    logits: list[Array | None]
    masks: list[Array | None]

    @classmethod
    def of_outputs(cls, outputs: list[Array]) -> Forward:
        """Return outputs that have neither logits nor masks."""
        return cls(outputs, [None] * len(outputs), [None] * len(outputs))


def outputs_of(module: nnx.Module, *args: PyTree) -> PyTree:
    """Call a module, which flax has no type for."""
    return cast("Callable[..., PyTree]", module)(*args)


def forward(module: nnx.Module, x: PyTree) -> Forward:
    """Return all outputs of a batch, with their logits and masks."""
    if not isinstance(module, Graph):
        return Forward.of_outputs(jax.tree.leaves(outputs_of(module, x)))
    values, masks, logits = module.run(module.unpacked(x))
    at = module.results
    return Forward([values[slot] for slot in at], [logits.get(slot) for slot in at], [masks.get(slot) for slot in at])


def variables_in(nest: PyTree) -> list[Variable]:
    """Return the variables in a nest, such as a module's state."""
    leaves = jax.tree.leaves(nest, is_leaf=is_variable)
    return [leaf for leaf in leaves if is_variable(leaf)]


def call(module: nnx.Module, x: PyTree) -> PyTree:
    """Return the outputs of a batch in a step that is being compiled, in the nest in which the module returns them."""
    with compiled_step(module):
        return outputs_of(module, x)


def record(module: nnx.Module, x: PyTree) -> dict[str, Array]:
    """Return the output of each layer on a batch, by name; the first one of a layer that has several."""
    with compiled_step(module):
        if isinstance(module, Graph):
            return module.record(x)
        return {snake_case(module): jax.tree.leaves(outputs_of(module, x))[0]}


def layers_of(module: nnx.Module, operations: bool = False) -> list[tuple[str, nnx.Module]]:
    """Return the layers of a module, or of a copy of it, with their names; a plain module is one layer.

    Args:
        module: The module.
        operations: Whether to return what operators between tensors made, too.
    """
    return module.named_layers(operations) if isinstance(module, Graph) else [(snake_case(module), module)]


def outputs_like(module: nnx.Module, x: PyTree) -> PyTree:
    """Return the shapes and dtypes of a module's outputs in inference mode, without computing them."""
    graph, state = split(module)

    def run(state: ModuleState, x: PyTree) -> PyTree:
        copy = merged_copy(graph, state)
        copy.eval()
        with named():
            return call(copy, x)

    return jax.eval_shape(run, state, x)
