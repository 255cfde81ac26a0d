"""What a model's module computes: pure functions of the module, so that a compiled step captures no model."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
from flax import nnx

from ..engines.jax.failures import named
from ..layers.call_context import compiled_step
from ..layers.graph import Graph
from ..layers.names import snake_case


class Forward(NamedTuple):
    """What a module makes of a batch, each list in the order of the outputs.

    Attributes:
        outputs: The outputs.
        logits: What their last activations were applied to; None where there is none.
        masks: Which of their steps count; None where all do.
    """

    outputs: list[Any]
    logits: list[Any]
    masks: list[Any]

    @classmethod
    def of_outputs(cls, outputs: list[Any]) -> Forward:
        """Return outputs that have neither logits nor masks."""
        return cls(outputs, [None] * len(outputs), [None] * len(outputs))


def forward(module: Any, x: Any) -> Forward:
    """Return all outputs of a batch, with their logits and masks."""
    if not isinstance(module, Graph):
        return Forward.of_outputs(jax.tree.leaves(module(x)))
    by_slot = module.run(module.unpacked(x))
    values, masks, logits = ([found.get(slot) for slot in module.results] for found in by_slot)
    return Forward(values, logits, masks)


def call(module: Any, x: Any) -> Any:
    """Return the outputs of a batch in a step that is being compiled, in the nest in which the module returns them."""
    with compiled_step(module):
        return module(x)


def record(module: Any, x: Any) -> dict[str, Any]:
    """Return the output of each layer on a batch, by name; the first one of a layer that has several."""
    with compiled_step(module):
        if isinstance(module, Graph):
            return module.record(x)
        return {snake_case(module): jax.tree.leaves(module(x))[0]}


def layers_of(module: Any, operations: bool = False) -> list[tuple[str, nnx.Module]]:
    """Return the layers of a module, or of a copy of it, with their names; a plain module is one layer.

    Args:
        module: The module.
        operations: Whether to return what operators between tensors made, too.
    """
    return module.named_layers(operations) if isinstance(module, Graph) else [(snake_case(module), module)]


def outputs_like(module: nnx.Module, x: Any) -> Any:
    """Return the shapes and dtypes of a module's outputs in inference mode, without computing them."""
    copy = nnx.merge(*nnx.split(module))
    copy.eval()
    graph, state = nnx.split(copy)

    def run(state: Any, x: Any) -> Any:
        merged = nnx.merge(graph, state)
        with named():
            return call(merged, x)

    return jax.eval_shape(run, state, x)
