"""A look into a model: activations, gradients, weights and the graph of layers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from flax import nnx

from ..core.layer_node import LayerNode
from ..data import inputs
from ..data.batches import BATCH_SIZE
from ..engines.jax.inspection import Inspection
from ..engines.jax.trees import Array
from ..layers.call_context import shown_losses
from ..layers.frozen import frozen_variables
from ..layers.listing import weights_of
from ..layers.penalties import weight_penalties
from ..layers.weights import is_parameter, variable_of
from ..messages.names import suggest
from ..training.arguments import UserData
from .modules import layers_of, record
from .trainee import Trainee


class Inspector:
    """Looks into a model.

    Args:
        trainee: The model's network, how it is trained, and its weights.
    """

    def __init__(self, trainee: Trainee) -> None:
        self._trainee = trainee

    @cached_property
    def _inspection(self) -> Inspection:
        return Inspection(layers_of, weights_of, record)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """Return a layer by its name or its place, holding the weights after the last finished batch.

        Raises:
            ValueError: If there is none, or not exactly one of the two is given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer takes a name or an index, one of the two.")
        layers = layers_of(self._trainee.current_module)
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"{self._trainee.name} has {len(layers)} layers, so there is none at {index}.")
            return layers[index][1]
        found = [layer for own, layer in layers if own == name]
        if not found:
            raise ValueError(
                f"{self._trainee.name} has no layer {name!r}. {suggest(str(name), [own for own, _ in layers])}"
            )
        return found[0]

    def trained_variables(self) -> list[tuple[nnx.Variable[Any], bool]]:
        """Return all weights, each with whether training changes it, as `trainable` says now."""
        module, is_trainable = self._trainee.runtime.module, self._trainee.network.trainable
        frozen = frozen_variables(module)
        variables = [variable for _, layer in layers_of(module) for _, variable in weights_of(layer)]
        return [(v, is_trainable and is_parameter(v) and id(variable_of(v)) not in frozen) for v in variables]

    def losses(self) -> list[Array]:
        """Return what the layers add to the loss: in a step so far, else in the last call by hand."""
        if self._trainee.own_loss.module is not None:
            return shown_losses()
        trained = [variable for variable, is_trained in self.trained_variables() if is_trained]
        return self._trainee.added_losses + weight_penalties(trained)

    def named_weights(self) -> dict[str, np.ndarray]:
        """Return copies of all weights by `layer/weight`, in the layers' order."""
        runtime = self._trainee.runtime
        return dict(zip(runtime.weights(), runtime.read(), strict=True))

    def weights_by_layer(self) -> dict[str, dict[str, np.ndarray]]:
        """Return copies of all weights by layer and by weight, in the layers' order."""
        runtime = self._trainee.runtime
        weights = iter(runtime.read())
        layers = layers_of(runtime.built_module)
        return {name: {weight: next(weights) for weight, _ in weights_of(layer)} for name, layer in layers}

    def activations(self, x: UserData, batch_size: int = BATCH_SIZE) -> Iterator[dict[str, np.ndarray]]:
        """Yield the output of each layer on `x`, in inference mode, batch after batch.

        Args:
            x: Samples.
            batch_size: Samples a batch; the last one may be smaller.
        """
        trainee = self._trainee
        arranged = trainee.arrange_inputs(inputs.arrays(x)[0])
        trainee.engine_for((arranged, None, None), trains=False)
        return self._inspection.outputs(trainee.runtime.module, trainee.network.cast(arranged), batch_size)

    def gradients(
        self, x: UserData, y: UserData, sample_weight: UserData = None, batch_size: int = BATCH_SIZE
    ) -> dict[str, dict[str, np.ndarray]]:
        """Return the gradient of the mean loss, in inference mode, by layer and by trainable weight.

        Args:
            x: Samples.
            y: Their targets.
            sample_weight: The weight of each sample in the loss.
            batch_size: Samples whose gradient is computed at once; the result is that of all of them, but for
                outputs with a mask, of whose losses each batch's is a mean over its own steps.
        """
        trainee = self._trainee
        trainee.check_compiled()
        arranged, targets, weight = trainee.arrange(*inputs.arrays(x, y, sample_weight))
        engine = trainee.engine_for((arranged, targets, weight), trains=True)
        return self._inspection.gradients(
            trainee.runtime.module,
            engine.objective,
            trainee.network.cast(arranged),
            targets,
            weight,
            batch_size,
            engine.is_trained,
        )

    def layer_graph(self) -> list[LayerNode]:
        """Return the inputs and the layers with their shapes, and which takes whose output.

        Raises:
            ValueError: If the model isn't built, or was never given data and doesn't know its input.
        """
        return self._trainee.network.layer_nodes()

    def training_settings(self) -> dict[str, object]:
        """Return what the model is trained with: optimizer, loss, metrics, numbers of parameters."""
        config = self._trainee.compiled_plan.config
        weights = self.trained_variables()
        return {
            "model": self._trainee.name,
            "optimizer": config.optimizer,
            "loss": config.given_loss,
            "metrics": config.metrics or None,
            "parameters": sum(variable.size for variable, _ in weights),
            "trainable_parameters": sum(variable.size for variable, is_trained in weights if is_trained),
        }

    def last_learning_rate(self) -> float | None:
        """Return the rate of the last step, a schedule's too; None if the optimizer doesn't tell."""
        engine = self._trainee.runtime.engine
        return None if engine is None else engine.last_rate()
