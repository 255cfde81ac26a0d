"""What a model is made of: its module, layers and weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..callbacks import History
from ..engines.jax.engine import JaxEngine
from ..layers import is_trainable, snake_case, weights_of


class Network:
    """Holds a module, and the engine that holds the module's state while it trains."""

    def __init__(self, module: nnx.Module | None = None, name: str | None = None) -> None:
        self.name = name or snake_case(self)
        self.stop_training = False
        self.history: History | None = None
        self.optimizer: Any = None
        self._module = module
        self._settings: dict[str, Any] | None = None  # what `compile` got
        self._engine: JaxEngine | None = None
        self._engine_trains = False
        self._optimizer_state: dict[str, np.ndarray] = {}  # loaded, until there is an engine that trains
        self._output_shape: tuple[int, ...] = ()
        self._input_like: tuple[tuple[int | None, ...], str] | None = None  # shape and dtype, the batch axis open

    @property
    def module(self) -> nnx.Module:
        """The module, holding the weights after the last finished batch."""
        if self._engine is not None:
            self._engine.sync()
        if self._module is None:
            raise ValueError(f"{self.name} isn't built: give its first layer an input shape, call build, or fit it.")
        return self._module

    @property
    def layers(self) -> list[Any]:
        """The layers, in order; a plain module is one layer."""
        return [self.module]

    def _named_layers(self) -> list[tuple[str, nnx.Module]]:
        assert self._module is not None
        return self._layers_of(self._module)

    def _layers_of(self, module: Any) -> list[tuple[str, nnx.Module]]:
        """Return the layers of the model's module or of a copy of it, in the order in which data pass through them."""
        return [(snake_case(module), module)]

    def named_weights(self) -> dict[str, np.ndarray]:
        """Return copies of all weights by `layer/weight`, in the layers' order."""
        return dict(zip(self._weights(), self.get_weights(), strict=True))

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights, in the layers' order; in a layer, trainable ones first."""
        variables = list(self._weights().values())
        if self._engine is not None:
            return self._engine.read(variables)
        return [np.array(variable.get_value()) for variable in variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights by arrays of the same shapes, in the order of `get_weights`.

        Raises:
            ValueError: If the number or a shape differs; then nothing is changed.
        """
        variables = self._weights()
        if len(weights) != len(variables):
            raise ValueError(f"{self.name} has {len(variables)} weights; got {len(weights)}.")
        for (name, variable), value in zip(variables.items(), weights, strict=True):
            if np.shape(value) != variable.shape:
                raise ValueError(f"{name} has shape {variable.shape}; got an array of shape {np.shape(value)}.")
        if self._engine is not None:
            self._engine.write(variables.values(), weights)
            return
        for variable, value in zip(variables.values(), weights, strict=True):
            variable.set_value(jnp.asarray(value, variable.dtype))

    def _weights(self) -> dict[str, nnx.Variable]:
        if self._module is None:
            raise ValueError(f"{self.name} isn't built, so it has no weights yet.")
        return {
            f"{layer_name}/{name}": v for layer_name, layer in self._named_layers() for name, v in weights_of(layer)
        }

    def _forget_engine(self) -> None:
        self._optimizer_state = {}
        if self._engine is not None:
            self._engine.sync()
            self._engine = None

    def _build_for(self, x: Any) -> None:
        """Make the module if it waits for the shape of its inputs."""

    def _call(self, module: Any, x: Any) -> Any:
        return module(x)

    def summary(self, print_fn: Any = print) -> None:
        """Print the layers, their output shapes and their numbers of weights."""
        if self._module is None:
            raise ValueError(f"{self.name} isn't built: give its first layer an input shape, call build, or fit it.")
        rows = [("layer (type)", "weights", "number")]
        total = trainable = 0
        for name, layer in self._named_layers():
            weights = weights_of(layer)
            number = sum(variable.size for _, variable in weights)
            total += number
            trainable += sum(variable.size for _, variable in weights if is_trainable(variable))
            shapes = ", ".join(f"{name} {tuple(variable.shape)}" for name, variable in weights)
            rows.append((f"{name} ({type(layer).__name__})", shapes or "-", f"{number:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            print_fn(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}")
        print_fn(f"{total:,} weights, {trainable:,} of them trainable")
