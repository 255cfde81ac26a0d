"""Models as files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx

from .. import saving
from ..engines.jax.device_state import device_array, storable
from ..engines.jax.updates import optimizer_outline
from ..layers.base import places_of, trained_of, weights_of
from ..layers.frozen import frozen_in, set_frozen
from ..layers.names import snake_case
from ..layers.weights import Item
from ..messages.arguments import names_arguments
from ..messages.names import path_name
from ..saving import graphs, training
from .inspected import Inspected

COMPILE_AGAIN = "Compile it again, or pass custom_objects with what is yours, by its name in the file."


class Saved(Inspected):
    """A network that can be saved and loaded."""

    @names_arguments
    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the whole model: layers, weights, compile settings, optimizer's state, random streams.

        Args:
            filepath: Ends in `.h5` or `.hdf5`, Keras's layout: `keras.models.load_model` reads it too. Missing folders
                are made, and the file is replaced as a whole.
            overwrite: Whether there may be such a file already.

        Raises:
            FileExistsError: If there is one, and it mustn't be replaced.
            ValueError: If the suffix is another one, or a file can't hold a layer, such as a plain function, or a
                model that is made of a module instead of layers.
            OSError: If it can't be written; then the file is as it was.
        """
        self.check_filepath(filepath)
        _check_may_write(filepath, overwrite)
        saving.view(*self._contents(weights_only=False)).save(filepath)

    @names_arguments
    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights alone, as `save` does; a path ending in `.weights.h5` gets the layout of Keras 3."""
        self.check_filepath(filepath, weights_only=True)
        _check_may_write(filepath, overwrite)
        saving.view(*self._contents(weights_only=True)).save(filepath)

    @names_arguments
    def load_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Read the weights from a file that epochal or Keras wrote, of weights or of a whole model.

        Layers go by their order, as in Keras, or by class in a `.weights.h5` file; names don't count.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged or of another architecture; says which layer. Then nothing is changed.
        """
        self._adopt(saving.read_weights(filepath, self._saved_layers(self._weights().values())))

    def check_filepath(self, filepath: str | os.PathLike[str], weights_only: bool = False) -> None:
        """Raise what `save` or `save_weights` would raise before it writes."""
        saving.check_suffix(filepath, weights_only)
        saving.check_names(self._saved_layers(self._weights().values()))
        if not weights_only:
            self._description()
            self._compile_config()

    def snapshot(self, weights_only: bool = False, reuse: saving.Snapshot | None = None) -> saving.Snapshot:
        """Return a copy of the model on the host, whose `save(path)` may run in another thread while this one trains.

        Args:
            weights_only: Whether to leave out all that `save_weights` leaves out.
            reuse: An older snapshot that nobody needs any more, whose memory is used again.

        Raises:
            ValueError: If a file can't hold a layer.
        """
        return saving.take(*self._contents(weights_only), reuse)

    def _contents(self, weights_only: bool) -> tuple[list[saving.LayerWeights], dict[str, Any], saving.Extras | None]:
        """Return what a file is to hold, its arrays on the device."""
        layers = self._saved_layers(self._on_device(self._weights().values()))
        if weights_only:
            return layers, {}, None
        described: dict[str, Any] = {"model_config": self._description()}
        if (compiled := self._compile_config()) is not None:
            described |= self._keras_training(compiled)
        streams = self._streams()
        on_device = dict(zip(streams, self._on_device(streams.values()), strict=True))
        own_class = type(self).__name__ if self._has_own_objective else None
        frozen = frozen_in(self.module)
        return layers, described, saving.Extras(compiled, on_device, self._optimizer_leaves(), frozen, own_class)

    def _description(self) -> dict[str, Any]:
        return graphs.model_config(self.name, self._built())

    def _compile_config(self) -> dict[str, Any] | None:
        return None if self._settings is None else training.training_config(self.optimizer, self._settings)

    def _keras_training(self, compiled: dict[str, Any]) -> dict[str, Any]:
        """Return the compile settings for Keras, by output if there are several; nothing if it couldn't take them."""
        assert self._outputs is not None
        assert self._graph is not None
        each = {key: self._outputs.each(compiled[key], key, nested="metrics" in key) for key in training.BY_OUTPUT}
        names = self._outputs.names if self._graph.outputs_by_name else None
        config = training.keras_training_config(compiled, each, names)
        return {} if config is None else {"training_config": config}

    def _saved_layers(self, values: Iterable[Any]) -> list[saving.LayerWeights]:
        """Return the layers with these values of all weights."""
        values = iter(values)
        return [
            saving.LayerWeights(
                name,
                snake_case(layer),
                {weight: next(values) for weight, _ in weights_of(layer)},
                places_of(layer),
                [trained for _, trained in trained_of(layer)],
            )
            for name, layer in self._named_layers()
        ]

    def _streams(self) -> dict[str, nnx.Variable]:
        """Return the module's variables that are no weights, by path."""
        assert self._module is not None
        weights = {id(w.variable if isinstance(w, Item) else w) for w in self._weights().values()}
        others = ((path, v) for path, v in nnx.iter_graph(self._module) if isinstance(v, nnx.Variable))
        return {path_name(path): variable for path, variable in others if id(variable) not in weights}

    def _on_device(self, variables: Iterable[nnx.Variable]) -> list[jax.Array]:
        """Return the current values of variables, random keys as their numbers; the next step consumes them."""
        self._refresh()
        if self._engine is not None:
            return self._engine.weights.device_values(variables)
        return [storable(variable.get_value()) for variable in variables]

    def _optimizer_leaves(self) -> dict[str, Any]:
        if self._engine is not None and self._engine_trains:
            return dict(self._engine.weights.optimizer_arrays())
        return self._optimizer_state

    def _adopt(self, weights: Sequence[np.ndarray]) -> None:
        """Replace all weights by arrays of the right shapes and dtypes that nobody else will use."""
        variables = self._weights().values()
        self._refresh()
        if self._engine is not None:
            self._engine.weights.load_owned(variables, weights)
            self._show()
            return
        for variable, value in zip(variables, weights, strict=True):
            variable.set_value(jax.device_put(value))
        self._forget_trained_weights()

    def _resume(self, file: saving.ModelFile, custom: Mapping[str, Any]) -> None:
        """Take up random streams, compile settings and the optimizer's state from a file of this very model."""
        if file.frozen is not None:
            set_frozen(self.module, file.frozen)
        streams = self._streams()
        stored = file.streams({path: storable(variable.get_value()) for path, variable in streams.items()})
        for path, value in stored.items():
            streams[path].set_value(device_array(value, streams[path].get_value()))
        if file.training is None:
            return
        try:
            self.compile(**training.compile_arguments(file.training, custom))
        except (TypeError, ValueError, OverflowError) as error:
            self._settings = self._optimizer = None
            warnings.warn(f"{self.name} was loaded, but not compiled: {error}. {COMPILE_AGAIN}", stacklevel=3)
            return
        if file.has_foreign_optimizer:
            warnings.warn(f"{self.name}: the optimizer starts afresh; its state in the file is Keras's.", stacklevel=3)
        trained, _ = self._selection.of(self.module)
        self._optimizer_state = file.optimizer(optimizer_outline(self.module, self.optimizer, trained))
        self._count_by_state()


def _check_may_write(filepath: str | os.PathLike[str], overwrite: bool) -> None:
    if not overwrite and os.path.exists(filepath):
        raise FileExistsError(f"{os.fspath(filepath)} is there already: give another name, or overwrite=True.")
