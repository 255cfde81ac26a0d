"""Copies of models: what pickle and deepcopy take."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from flax import nnx

from ..layers.graph import Graph
from .underway import Underway

LEFT_OUT = ("_compiled_with", "_inspection", "_losses_by_output", "_needs_no_target")
"""What is made again when it is needed."""

EMPTY = {
    "_engine": None,
    "_engine_trains": False,
    "_underway": None,
    "_traced": None,
    "_made": None,
    "_output": None,
    "symbols": None,
}
"""What a copy begins with."""


def contents(model: Any) -> dict[str, Any]:
    """Return everything that a copy of a model needs: its layers with their weights, settings, the optimizer's state.

    A fit under way is none of that.
    """
    if model.built:
        model.module  # noqa: B018 (which brings the weights there)
    state = {name: EMPTY.get(name, value) for name, value in vars(model).items() if name not in LEFT_OUT}
    leaves = model._optimizer_leaves()
    return state | {"_optimizer_state": {path: np.array(leaf) for path, leaf in jax.device_get(leaves).items()}}


def fill(model: Any, state: dict[str, Any]) -> None:
    """Make a model that has nothing yet of what `contents` returned."""
    vars(model).update(state | {"_underway": Underway(), "symbols": {}})
    if model._module is not None:
        model._read_signature()
        for _, node in nnx.iter_graph(model._module):
            if isinstance(node, Graph):
                node.hold()
