"""What is inside a module: each layer's outputs and their shapes, and the gradients of its weights."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...core.logs import fetch
from ...data.nests import leaves, map_arrays
from .module_split import split, variables_of
from .module_state import Graph, ModuleState
from .module_store import Weight
from .objective import Objective
from .trees import Array, PyTree, map_pairs

NamedLayers: TypeAlias = list[tuple[str, nnx.Module]]
NamedWeights: TypeAlias = list[tuple[str, Weight]]


class Inspection:
    """Looks into modules in inference mode, without changing them.

    Args:
        layers_of: Returns a module's layers with their names.
        weights_of: Returns a layer's variables with their names.
        record: `(module, x) -> outputs`: what each layer makes of a batch, by name.
    """

    def __init__(
        self,
        layers_of: Callable[[nnx.Module], NamedLayers],
        weights_of: Callable[[nnx.Module], NamedWeights],
        record: Callable[[nnx.Module, PyTree], dict[str, Array]],
    ) -> None:
        self._layers_of, self._weights_of = layers_of, weights_of

        def outputs(graph: Graph, state: ModuleState, x: PyTree) -> OrderedDict[str, Array]:
            return OrderedDict(record(_in_inference_mode(graph, state), x))  # jit would sort a plain dict

        self._outputs: Callable[..., OrderedDict[str, Array]] = jax.jit(outputs, static_argnums=0)
        self._objective: Objective | None = None
        self._gradients: Callable[..., ModuleState] | None = None  # of that objective

    def outputs(self, module: nnx.Module, x: PyTree, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
        """Yield the outputs of every layer, batch after batch."""
        graph, _, state = split(module, ())
        for rows in _batches(len(leaves(x)[0]), batch_size):
            found = self._outputs(graph, state, _rows(x, rows))
            yield {name: fetch(value) for name, value in found.items()}

    def gradients(
        self,
        module: nnx.Module,
        objective: Objective,
        x: PyTree,
        y: PyTree,
        weight: PyTree,
        batch_size: int,
        is_trained: nnx.filterlib.Filter,
    ) -> dict[str, dict[str, np.ndarray]]:
        """Return the gradient of the mean loss over all samples, by layer and by weight; trained weights only.

        Args:
            module: Has the layers.
            objective: What is minimised, a mean over the batch.
            x: Samples.
            y: Their targets.
            weight: One weight a sample, or None.
            batch_size: Samples whose gradient is computed at once.
            is_trained: An nnx filter for the weights that are trained.
        """
        if self._gradients is None or self._objective is not objective:
            self._objective, self._gradients = objective, _gradients_of(objective)
        graph, params, other = split(module, is_trained)
        total: ModuleState | None = None
        samples = len(leaves(x)[0])
        for rows in _batches(samples, batch_size):
            share = np.float32((rows.stop - rows.start) / samples)
            part = self._gradients(graph, params, other, _rows((x, y, weight), rows), share)
            total = part if total is None else map_pairs(jnp.add, total, part)
        # The gradients make up a module like the one they are of, so its layers know their names.
        of_gradients = nnx.merge(graph, total, other, copy=True)
        is_trained_at = nnx.filterlib.to_predicate(is_trained)
        trained = {
            id(variable) for path, variable in variables_of(of_gradients) if is_trained_at(cast("Any", path), variable)
        }
        return {
            name: {own: fetch(w.get_value()) for own, w in self._weights_of(layer) if id(_variable(w)) in trained}
            for name, layer in self._layers_of(of_gradients)
        }


def _gradients_of(objective: Objective) -> Callable[..., ModuleState]:
    """Return a compiled function; it holds the objective, which JAX's own caches would keep as an argument."""

    def gradients(graph: Graph, params: ModuleState, other: ModuleState, batch: PyTree, share: Array) -> ModuleState:
        def loss_of(params: ModuleState) -> Array:
            return share * objective(_in_inference_mode(graph, params, other), batch, False, params)[0][0]

        return cast("ModuleState", jax.grad(loss_of)(params))

    return jax.jit(gradients, static_argnums=0)


def _variable(weight: Weight) -> nnx.Variable[object]:
    return weight if isinstance(weight, nnx.Variable) else weight.variable


def _in_inference_mode(graph: Graph, *states: ModuleState) -> nnx.Module:
    module = nnx.merge(graph, *states, copy=True)
    module.eval()
    return module


def _rows(nest: PyTree, rows: slice) -> PyTree:
    return map_arrays(lambda array: array[rows], nest)


def _batches(samples: int, size: int) -> Iterator[slice]:
    """Yield the rows of each batch; the last one may be smaller."""
    for start in range(0, samples, size):
        yield slice(start, min(start + size, samples))
