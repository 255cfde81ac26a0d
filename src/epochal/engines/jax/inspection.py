"""What is inside a module: each layer's outputs and their shapes, and the gradients of its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...core.logs import fetch
from ...core.protocols import LayerNode

NamedLayers = list[tuple[str, nnx.Module]]
NamedWeights = list[tuple[str, nnx.Variable]]

OPEN_SIZES = (64, 96)
"""An axis whose size is open is tried with both of these; where the outputs differ, theirs is open too."""


class Inspection:
    """Looks into modules in inference mode, without changing them.

    Args:
        layers_of: Returns a module's layers with their names, in the order in which data pass through them.
        weights_of: Returns a layer's variables with their names.
    """

    def __init__(
        self, layers_of: Callable[[Any], NamedLayers], weights_of: Callable[[nnx.Module], NamedWeights]
    ) -> None:
        self._layers_of, self._weights_of = layers_of, weights_of
        self._jitted_outputs = jax.jit(self._outputs, static_argnums=0)
        self._jitted_gradients = jax.jit(self._gradients, static_argnums=(0, 1))

    def nodes(self, module: nnx.Module, source: LayerNode) -> list[LayerNode]:
        """Return the input and the layers as a graph.

        Args:
            module: What to look into.
            source: The module's input; None in its shape is an open axis.
        """
        shapes, nodes = self._shapes(module, source), [source]
        for name, layer in self._layers_of(module):
            weights = {weight: tuple(variable.shape) for weight, variable in self._weights_of(layer)}
            shape, dtype = shapes[name]
            inputs = (nodes[-1].name,)
            nodes.append(LayerNode(name, type(layer).__name__, settings(layer), inputs, shape, dtype, weights))
        return nodes

    def _shapes(self, module: nnx.Module, source: LayerNode) -> dict[str, tuple[tuple[int | None, ...], str]]:
        graph, state = nnx.split(module)
        found: list[dict[str, Any]] = []
        for size in OPEN_SIZES:
            sizes = [size if n is None else n for n in source.output_shape]
            like = jax.ShapeDtypeStruct(sizes, jnp.dtype(source.dtype))
            found.append(jax.eval_shape(lambda state, x: self._outputs(graph, state, x), state, like))
        first, second = found
        return {name: (_common(out.shape, second[name].shape), str(out.dtype)) for name, out in first.items()}

    def outputs(self, module: nnx.Module, x: np.ndarray, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
        """Yield the outputs of every layer, batch after batch."""
        graph, state = nnx.split(module)
        names = [name for name, _ in self._layers_of(module)]
        for rows in batches(len(x), batch_size):
            found = self._jitted_outputs(graph, state, x[rows])
            yield {name: fetch(found[name]) for name in names}

    def _outputs(self, graph: Any, state: Any, x: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, layer in self._layers_of(_in_inference_mode(graph, state)):
            found[name] = x = layer(x)
        return found

    def gradients(
        self,
        module: nnx.Module,
        objective: Any,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
        batch_size: int,
    ) -> dict[str, dict[str, np.ndarray]]:
        """Return the gradient of the mean loss over all samples, by layer and by weight; trainable weights only.

        Args:
            module: What to look into.
            objective: `(module, x, y, sample_weight) -> (loss, y_pred)`, the loss being a mean over the batch.
            x: Samples.
            y: Their targets.
            weight: One weight a sample, or None.
            batch_size: Samples whose gradient is computed at once.
        """
        graph, params, other = nnx.split(module, nnx.Param, ...)
        total: Any = None
        for rows in batches(len(x), batch_size):
            share = np.float32((rows.stop - rows.start) / len(x))
            batch = x[rows], y[rows], None if weight is None else weight[rows]
            part = self._jitted_gradients(graph, objective, params, other, batch, share)
            total = part if total is None else jax.tree.map(jnp.add, total, part)
        # The gradients make up a module like the one they are of, so its layers know their names.
        of_gradients = nnx.merge(graph, total, other, copy=True)
        return {
            name: {n: fetch(v.get_value()) for n, v in self._weights_of(layer) if isinstance(v, nnx.Param)}
            for name, layer in self._layers_of(of_gradients)
        }

    def _gradients(self, graph: Any, objective: Any, params: Any, other: Any, batch: Any, share: Any) -> Any:
        def loss_of(params: Any) -> Any:
            return share * objective(_in_inference_mode(graph, params, other), *batch)[0]

        return jax.grad(loss_of)(params)


def _in_inference_mode(graph: Any, *states: Any) -> nnx.Module:
    module = nnx.merge(graph, *states, copy=True)
    module.eval()
    return module


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int | None, ...]:
    return tuple(n if n == m else None for n, m in zip(a, b, strict=True))


def batches(samples: int, size: int) -> Iterator[slice]:
    """Yield the rows of each batch; the last one may be smaller."""
    for start in range(0, samples, size):
        yield slice(start, min(start + size, samples))


def settings(layer: nnx.Module) -> dict[str, Any]:
    """Return a layer's settings: its own `get_config`, or those attributes of any module that are plain values."""
    if (get_config := getattr(layer, "get_config", None)) is not None:
        return get_config()
    return {name: value for name, value in vars(layer).items() if not name.startswith("_") and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(isinstance(item, (bool, int, float, str)) for item in value)
    return isinstance(value, (bool, int, float, str))
