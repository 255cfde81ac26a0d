"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self, cast

import numpy as np

from ..layers.graph import Graph
from ..layers.names import snake_case
from ..saving.custom_objects import CustomObjects
from ..training.arguments import UserData
from . import configs
from .layer_stack import LayerStack
from .model import Model
from .network import LayerLike


class Sequential(Model):
    """Layers one after the other.

    Args:
        layers: Layers, models, `flax.nnx` modules or functions of an array; an `Input` may come first.
        name: Of the model.
        trainable: Whether training changes the weights; False doesn't change what the layers themselves say.

    The layers get their variables when the shape of the input is known: from an `Input`, from the first
    layer's `input_shape` or `input_dim`, from `build`, or else from the first data.

    Example:
        >>> from epochal.layers import Dense
        >>> model = Sequential([Dense(8, activation="relu", input_dim=4)])
        >>> model.add(Dense(2))
        >>> model.output_shape
        (None, 2)
    """

    def __init__(
        self, layers: Iterable[LayerLike] | None = None, name: str | None = None, trainable: bool = True
    ) -> None:
        own_name = name or snake_case(self)
        self._assemble(LayerStack(name, own_name, trainable))
        for layer in layers or ():
            self.add(layer)

    @classmethod
    def of_graph(cls, graph: Graph) -> Self:
        """Return the model of a graph of layers that come one after the other."""
        model = cls.__new__(cls)
        name = graph.name or snake_case(model)
        model._assemble(LayerStack.of_graph(graph, name))
        return model

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: CustomObjects | None = None) -> Self:
        """Return a new model, with new weights, of what `get_config` returned; see `models.model_from_json`."""
        return cls.of_graph(configs.graph_from("Sequential", config, custom_objects))

    def add(self, layer: LayerLike) -> None:
        """Put a layer, a model, or an `Input` before all others, at the end.

        Raises:
            TypeError: If it is no layer.
            RuntimeError: If a fit is going on.
            ValueError: If its name is taken, or it can't take what comes before it.
        """
        self._trainee.check_idle()
        self._stack.add(layer)
        self._trainee.change_network()

    def pop(self) -> LayerLike:
        """Take the last layer away, and return it.

        Raises:
            RuntimeError: If a fit is going on.
            ValueError: If there is none.
        """
        self._trainee.check_idle()
        layer = self._stack.pop()
        self._trainee.change_network()
        return layer

    def predict_proba(self, x: UserData, batch_size: int | None = None, verbose: int | str = 0) -> np.ndarray:
        """Return the outputs for all samples: `predict` by Keras 2's other name."""
        return cast("np.ndarray", self.predict(x, batch_size=batch_size, verbose=verbose))

    def predict_classes(self, x: UserData, batch_size: int | None = None, verbose: int | str = 0) -> np.ndarray:
        """Return the class of each sample: that of the highest of several outputs, or whether a single one is over 0.5.

        Args:
            x: See `predict`.
            batch_size: See `predict`.
            verbose: See `predict`.

        Returns:
            Whole numbers: of shape `(samples, …)` if there are several outputs, else `(samples, 1)`.
        """
        outputs = self.predict_proba(x, batch_size, verbose)
        return outputs.argmax(-1) if outputs.shape[-1] > 1 else (outputs > 0.5).astype(np.int32)

    @property
    def _stack(self) -> LayerStack:
        return cast("LayerStack", self._trainee.network)

    @property
    def layers(self) -> list[LayerLike]:
        """The layers, in order, holding the weights after the last finished batch."""
        return super().layers if self.built else list(self._stack.layers)
