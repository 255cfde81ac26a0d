"""What this package's callbacks ask of a Keras model: files, averages, looks inside."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..core.directions import direction_of
from ..core.layer_node import LayerNode
from ..core.logs import fetch, without_validation
from ..data import inputs
from ..data.batches import BATCH_SIZE
from ..data.nests import leaves, map_arrays
from ..engines.jax.trees import Array, PyTree
from .layer_nodes import layer_nodes
from .optimizer import rate_of
from .snapshot import KerasSnapshot, check_suffix
from .types import KerasModel, Variable

if TYPE_CHECKING:
    from .trainee import KerasTrainee


class KerasTools:
    """Satisfies `core.protocols.ModelTools` for a Keras model.

    Args:
        trainee: The model, how its data are arranged, and its engine.
    """

    def __init__(self, trainee: KerasTrainee) -> None:
        self._trainee = trainee

    @property
    def _model(self) -> KerasModel:
        return self._trainee.model

    def direction(self, name: str) -> str | None:
        """Return which way a logged value is better, None if no metric is logged under this name."""
        name = without_validation(name)
        if name not in self._trainee.log_names():
            return None
        return direction_of(name) or "unknown"

    # Files

    def check_filepath(self, filepath: str | PathLike[str], weights_only: bool = False) -> None:
        """Raise a ValueError if a file of this name can't be written."""
        check_suffix(filepath, weights_only)

    def snapshot(self, weights_only: bool = False, reuse: Any = None) -> KerasSnapshot:
        """Return a copy of the model, whose `save(path)` may run in another thread while the model trains on.

        Args:
            weights_only: Whether `save` writes the weights alone.
            reuse: An older snapshot that nobody needs any more, whose memory is used again.
        """
        return KerasSnapshot.take(self._model, self._trainee.values(), weights_only, reuse)

    # Averages and rates

    def track_average(self, decay: float | None) -> None:
        """Keep an exponential average of the weights inside the step; None stops."""
        if (engine := self._trainee.engine) is not None:
            engine.track_average(decay)

    def use_average(self) -> None:
        """Go on with the averaged weights as the weights."""
        if (engine := self._trainee.engine) is not None:
            engine.use_average()

    def last_learning_rate(self) -> float | None:
        """Return the learning rate, a schedule's for the next step; None if the optimizer doesn't tell."""
        return rate_of(self._model.optimizer)

    # A look inside

    def training_settings(self) -> dict[str, object]:
        """Return what the model is trained with: optimizer, loss, metrics, numbers of parameters."""
        model = self._model
        compiled: dict[str, object] = dict(getattr(getattr(model, "_compile_config", None), "config", None) or {})
        return {
            "model": model.name,
            "optimizer": model.optimizer,
            "loss": compiled.get("loss"),
            "metrics": compiled.get("metrics") or None,
            "parameters": sum(variable.value.size for variable in model.weights),
            "trainable_parameters": sum(variable.value.size for variable in model.trainable_weights),
        }

    def weights_by_layer(self) -> dict[str, dict[str, np.ndarray]]:
        """Return copies of all weights by layer and by weight, in the layers' order."""
        return _by_layer(self._model, lambda variable: np.array(fetch(variable.value)))

    def activations(self, x: Any, batch_size: int = BATCH_SIZE) -> Iterator[dict[str, np.ndarray]]:
        """Yield the output of each layer on `x`, in inference mode, batch after batch."""
        arranged = self._trainee.arrange_inputs(inputs.arrays(x)[0])
        model = self._model
        values = _values(model.trainable_variables), _values(model.non_trainable_variables)

        @jax.jit
        def outputs(params: list[Array], other: list[Array], x: PyTree) -> dict[str, PyTree]:
            with _recorded(model.layers) as found:
                model.stateless_call(params, other, x, training=False)
            return found

        for at in range(0, len(leaves(arranged)[0]), batch_size):
            rows = map_arrays(lambda array, at=at: array[at : at + batch_size], arranged)
            yield {name: fetch(jax.tree.leaves(output)[0]) for name, output in outputs(*values, rows).items()}

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None, batch_size: int = BATCH_SIZE
    ) -> dict[str, dict[str, np.ndarray]]:
        """Return the gradient of the mean loss over `x` and `y`, in inference mode, by layer and by weight."""
        batch = self._trainee.arrange(*inputs.arrays(x, y, sample_weight))
        model, samples = self._model, len(leaves(batch)[0])
        params, other = _values(model.trainable_variables), _values(model.non_trainable_variables)
        metrics = _values(model.metrics_variables)

        @jax.jit
        @jax.grad
        def gradient(params: list[Array], rows: PyTree, share: float) -> Array:
            return share * model.compute_loss_and_updates(params, other, metrics, *rows, training=False)[0]

        total: list[Array] = []
        for at in range(0, samples, batch_size):
            rows = map_arrays(lambda array, at=at: array[at : at + batch_size], batch)
            found = gradient(params, rows, len(leaves(rows)[0]) / samples)
            total = [a + b for a, b in zip(total, found, strict=True)] if total else found
        by_id = {id(v): fetch(g) for v, g in zip(model.trainable_variables, total, strict=True)}
        return _by_layer(model, lambda variable: by_id.get(id(variable)))

    def layer_graph(self) -> list[LayerNode]:
        """Return the inputs and the layers with their shapes, and which takes whose output."""
        return layer_nodes(self._model, self._trainee.example)


@contextmanager
def _recorded(layers: list[Any]) -> Generator[dict[str, PyTree]]:
    """Give a dict that gets the outputs of layers by their names while they are called."""
    found: dict[str, PyTree] = {}
    for layer in layers:
        vars(layer)["call"] = _recording(layer, found)
    try:
        yield found
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


def _recording(layer: Any, found: dict[str, PyTree]) -> Callable[..., PyTree]:
    call = layer.call

    def record(*args: Any, **kwargs: Any) -> PyTree:
        found[layer.name] = output = call(*args, **kwargs)
        return output

    return record


def _values(variables: list[Variable]) -> list[Array]:
    return [variable.value for variable in variables]


def _by_layer(model: KerasModel, value_of: Callable[[Variable], np.ndarray | None]) -> dict[str, dict[str, np.ndarray]]:
    """Return values of weights by layer and weight, less those that have none."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for layer in model.layers:
        own: dict[str, np.ndarray] = {}
        for variable in layer.weights:
            if (value := value_of(variable)) is not None:
                name = variable.path.partition(f"{layer.name}/")[2] or variable.name
                own[name if name not in own else f"{name}_{len(own)}"] = value
        found[layer.name] = own
    return found
