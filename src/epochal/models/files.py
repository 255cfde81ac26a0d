"""A model as a file: what is written of it, and what it gets from one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeAlias, cast

from flax import nnx

from .. import saving
from ..engines.jax.device_state import device_array, storable
from ..engines.jax.updates import optimizer_outline
from ..layers.frozen import frozen_in, set_frozen
from ..layers.listing import places_of, trained_of, weights_of
from ..layers.names import snake_case
from ..layers.types import Variable
from ..layers.untyped import is_variable
from ..layers.weights import variable_of
from ..messages.arguments import names_arguments
from ..messages.names import path_name
from ..messages.printing import warn
from ..saving import graphs, training
from ..saving.custom_objects import CustomObjects
from ..saving.json_values import Json
from ..saving.layer_weights import Shaped
from .modules import layers_of
from .runtime import Runtime
from .trainee import Trainee

FilePath: TypeAlias = str | os.PathLike[str]

COMPILE_AGAIN = "Compile it again, or pass custom_objects with what is yours, by its name in the file."


class ModelFiles:
    """Writes and reads the files of a model.

    Args:
        trainee: The model's network, how it is trained, and its weights.
    """

    def __init__(self, trainee: Trainee) -> None:
        self._trainee = trainee

    @property
    def _runtime(self) -> Runtime:
        return self._trainee.runtime

    @names_arguments
    def save(self, filepath: FilePath, overwrite: bool = True) -> None:
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
        self._write(filepath, overwrite, weights_only=False)

    @names_arguments
    def save_weights(self, filepath: FilePath, overwrite: bool = True) -> None:
        """Write the weights alone, as `save` does; a path ending in `.weights.h5` gets the layout of Keras 3."""
        self._write(filepath, overwrite, weights_only=True)

    def _write(self, path: FilePath, overwrite: bool, weights_only: bool) -> None:
        self.check_filepath(path, weights_only)
        if not overwrite and os.path.exists(path):
            raise FileExistsError(f"{os.fspath(path)} is there already: give another name, or overwrite=True.")
        saving.view(*self._contents(weights_only)).save(path)

    @names_arguments
    def load_weights(self, filepath: FilePath, by_name: bool = False, skip_mismatch: bool = False) -> None:
        """Read the weights from a file that epochal or Keras wrote, of weights or of a whole model.

        Layers go by their order, as in Keras, or by class in a `.weights.h5` file.

        Args:
            filepath: The file.
            by_name: Whether only layers get weights whose name is in the file, wherever they are in the model; at
                least one must. Not in a `.weights.h5` file, which goes by class.
            skip_mismatch: Whether layers that have other shapes in the file are left out, with a warning, if `by_name`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged or of another architecture; says which layer. Then nothing is changed.
        """
        if not by_name:
            if skip_mismatch:
                raise ValueError("skip_mismatch goes with by_name=True: without names nobody knows what is left out.")
            self._runtime.load_owned(saving.read_weights(filepath, self._outline()))
            return
        layers = self._outline()
        found, skipped = saving.read_weights_by_name(filepath, layers, skip_mismatch)
        for reason in skipped:
            warn(f"{os.fspath(filepath)}: left out: {reason.removesuffix(' Nothing was loaded.')}")
        values = iter(self._runtime.read())
        own = {layer.name: [next(values) for _ in layer.arrays] for layer in layers}
        self._runtime.load_owned([value for name in own for value in found.get(name, own[name])])

    def check_filepath(self, filepath: FilePath, weights_only: bool = False) -> None:
        """Raise what `save` or `save_weights` would raise before it writes."""
        saving.check_suffix(filepath, weights_only)
        saving.check_names(self._outline())
        if not weights_only:
            self._model_config()
            self._training_config()

    def snapshot(self, weights_only: bool = False, reuse: saving.Snapshot | None = None) -> saving.Snapshot:
        """Return a copy of the model on the host, whose `save(path)` may run in another thread while this one trains.

        Args:
            weights_only: Whether to leave out all that `save_weights` leaves out.
            reuse: An older snapshot that nobody needs any more, whose memory is used again.

        Raises:
            ValueError: If a file can't hold a layer.
        """
        return saving.take(*self._contents(weights_only), reuse)

    def _contents(self, weights_only: bool) -> tuple[list[saving.LayerWeights], Json, saving.Extras | None]:
        """Return the contents of a file, its arrays on the device."""
        layers = self.layers_with(self._runtime.device_values(self._runtime.weights().values()))
        if weights_only:
            return layers, {}, None
        descriptions: Json = {"model_config": self._model_config()}
        if (compiled := self._training_config()) is not None:
            descriptions |= self._keras_training(compiled)
        streams = self._streams()
        values = dict(zip(streams, self._runtime.device_values(streams.values()), strict=True))
        own_loss = self._trainee.own_loss
        own_class = type(own_loss.model).__name__ if own_loss.is_overridden else None
        frozen = frozen_in(self._runtime.module)
        optimizer = dict(self._runtime.optimizer_arrays())
        return layers, descriptions, saving.Extras(compiled, values, optimizer, frozen, own_class)

    def _model_config(self) -> Json:
        return graphs.model_config(self._trainee.name, self._runtime.built_module)

    def _training_config(self) -> Json | None:
        config = self._trainee.config
        return None if config is None else training.training_config(config.optimizer, vars(config))

    def _keras_training(self, compiled: Json) -> Json:
        """Return the compile settings for Keras, by output if there are several; nothing if it couldn't take them."""
        outputs, graph = self._trainee.network.outputs, self._trainee.network.graph
        if outputs is None or graph is None:
            return {}
        each = {key: outputs.each(compiled[key], key, nested="metrics" in key) for key in training.BY_OUTPUT}
        config = training.keras_training_config(compiled, each, outputs.names if graph.outputs_by_name else None)
        return {} if config is None else {"training_config": config}

    def _outline(self) -> list[saving.LayerWeights]:
        """Return the layers with their weights, which have shapes and dtypes as arrays do."""
        return self.layers_with(cast("Iterable[Shaped]", self._runtime.weights().values()))

    def layers_with(self, values: Iterable[Shaped]) -> list[saving.LayerWeights]:
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
            for name, layer in layers_of(self._runtime.built_module)
        ]

    def _streams(self) -> dict[str, Variable]:
        """Return the module's variables that are no weights, by path."""
        weights = {id(variable_of(weight)) for weight in self._runtime.weights().values()}
        nodes = nnx.iter_graph(self._runtime.built_module)
        others = ((path, v) for path, v in nodes if is_variable(v))
        return {path_name(path): variable for path, variable in others if id(variable) not in weights}

    def resume(self, file: saving.ModelFile, custom: CustomObjects, compile_model: Callable[..., None]) -> None:
        """Restore random streams, compile settings and the optimizer's state from a file of this very model.

        Args:
            file: The file.
            custom: A user's own objects by their names in it.
            compile_model: The model's `compile`, which a user may have overridden.
        """
        if file.frozen is not None:
            set_frozen(self._runtime.module, file.frozen)
        streams = self._streams()
        stored = file.streams({path: storable(variable.get_value()) for path, variable in streams.items()})
        for path, value in stored.items():
            streams[path].set_value(device_array(value, streams[path].get_value()))
        if file.training is None:
            return
        trainee = self._trainee
        try:
            compile_model(**training.compile_arguments(file.training, custom))
        except (TypeError, ValueError, OverflowError) as error:
            trainee.plan = None
            reason = str(error) if str(error).endswith((".", "?")) else f"{error}."
            warn(f"{trainee.name} was loaded, but not compiled: {reason} {COMPILE_AGAIN}")
            return
        if file.has_foreign_optimizer:
            warn(f"{trainee.name}: the optimizer starts afresh; its state in the file is Keras's.")
        module, optimizer = self._runtime.module, trainee.compiled_plan.config.optimizer
        trained, _ = trainee.selection.of(module)
        outlined = optimizer_outline(module, optimizer, trained)
        trainee.load_optimizer(file.optimizer(outlined))
