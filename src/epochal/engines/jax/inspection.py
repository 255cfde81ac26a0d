"""What is inside a module: each layer's outputs and their shapes, and the gradients of its weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...core.logs import fetch
from ...data.nests import leaves, map_arrays

NamedLayers = list[tuple[str, nnx.Module]]
NamedWeights = list[tuple[str, Any]]


class Inspection:
    """Looks into modules in inference mode, without changing them.

    Args:
        layers_of: Returns a module's layers with their names.
        weights_of: Returns a layer's variables with their names.
        record: `(module, x) -> outputs`: what each layer makes of a batch, by name.
    """

    def __init__(
        self,
        layers_of: Callable[[Any], NamedLayers],
        weights_of: Callable[[nnx.Module], NamedWeights],
        record: Callable[[Any, Any], dict[str, Any]],
    ) -> None:
        self._layers_of, self._weights_of, self._record = layers_of, weights_of, record
        self._jitted_outputs = jax.jit(self._outputs, static_argnums=0)
        self._jitted_gradients = jax.jit(self._gradients, static_argnums=(0, 1))

    def outputs(self, module: nnx.Module, x: Any, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
        """Yield the outputs of every layer, batch after batch."""
        graph, state = nnx.split(module)
        for rows in batches(len(leaves(x)[0]), batch_size):
            found = self._jitted_outputs(graph, state, _rows(x, rows))
            yield {name: fetch(value) for name, value in found.items()}

    def _outputs(self, graph: Any, state: Any, x: Any) -> dict[str, Any]:
        return OrderedDict(self._record(_in_inference_mode(graph, state), x))  # jit would sort a plain dict

    def gradients(
        self,
        module: nnx.Module,
        objective: Any,
        x: Any,
        y: Any,
        weight: Any,
        batch_size: int,
        is_trained: Any,
    ) -> dict[str, dict[str, np.ndarray]]:
        """Return the gradient of the mean loss over all samples, by layer and by weight; trained weights only.

        Args:
            module: What to look into.
            objective: What is minimised, a mean over the batch.
            x: Samples.
            y: Their targets.
            weight: One weight a sample, or None.
            batch_size: Samples whose gradient is computed at once.
            is_trained: An nnx filter for the weights that are trained.
        """
        graph, params, other = nnx.split(module, is_trained, ...)
        total: Any = None
        samples = len(leaves(x)[0])
        for rows in batches(samples, batch_size):
            share = np.float32((rows.stop - rows.start) / samples)
            batch = _rows((x, y, weight), rows)
            part = self._jitted_gradients(graph, objective, params, other, batch, share)
            total = part if total is None else jax.tree.map(jnp.add, total, part)
        # The gradients make up a module like the one they are of, so its layers know their names.
        of_gradients = nnx.merge(graph, total, other, copy=True)
        paths = {id(v): path for path, v in nnx.iter_graph(of_gradients) if isinstance(v, nnx.Variable)}
        trained = nnx.filterlib.to_predicate(is_trained)
        return {
            name: {n: fetch(v.get_value()) for n, v in self._weights_of(layer) if _is_trained(v, paths, trained)}
            for name, layer in self._layers_of(of_gradients)
        }

    def _gradients(self, graph: Any, objective: Any, params: Any, other: Any, batch: Any, share: Any) -> Any:
        def loss_of(params: Any) -> Any:
            return share * objective(_in_inference_mode(graph, params, other), batch, False)[0][0]

        return jax.grad(loss_of)(params)


def _is_trained(weight: Any, paths: dict[int, Any], trained: Callable[[Any, Any], bool]) -> bool:
    variable = weight if isinstance(weight, nnx.Variable) else weight.variable
    return trained(paths[id(variable)], variable)


def _in_inference_mode(graph: Any, *states: Any) -> nnx.Module:
    module = nnx.merge(graph, *states, copy=True)
    module.eval()
    return module


def _rows(nest: Any, rows: slice) -> Any:
    return map_arrays(lambda array: array[rows], nest)


def batches(samples: int, size: int) -> Iterator[slice]:
    """Yield the rows of each batch; the last one may be smaller."""
    for start in range(0, samples, size):
        yield slice(start, min(start + size, samples))
