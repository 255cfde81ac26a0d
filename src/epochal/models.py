"""Models: compile, fit, evaluate, predict."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from . import activations, losses, optimizers, saving
from . import metrics as metrics_module
from .callbacks import History, ProgbarLogger
from .core import inputs, loop
from .core.array_data import ArrayData
from .core.callback import Dispatcher
from .core.logs import other_name
from .core.passes import Pass
from .core.protocols import LayerNode
from .core.run import Run, Validation
from .core.seeds import fresh_seed
from .core.signals import Signals
from .engines.jax.engine import JaxEngine, optimizer_outline
from .engines.jax.inspection import Inspection
from .engines.jax.placement import fits
from .engines.jax.state import device_array, plain
from .engines.jax.steps import Measure
from .layers import Embedding, Input, Layer, as_layer, is_trainable, snake_case, weights_of
from .saving import config as saved_config

BATCH_SIZE = 32
COMPILE_AGAIN = "Compile it again, or pass custom_objects with what is yours, by its name in the file."


class Model:
    """Trains a `flax.nnx.Module`.

    Args:
        module: Takes a batch of inputs and returns a batch of outputs.
        name: Of the model.

    Attributes:
        stop_training: Set by a callback to end the fit.
        history: The `History` of the last fit.
        optimizer: What `compile` got; `optimizer.lr` is the current learning rate.
    """

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

    # What it is made of

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

    def _named_layers(self) -> list[tuple[str, nnx.Module]]:
        assert self._module is not None
        return self._layers_of(self._module)

    def _layers_of(self, module: Any) -> list[tuple[str, nnx.Module]]:
        """Return the layers of the model's module or of a copy of it, in the order in which data pass through them."""
        return [(snake_case(module), module)]

    # Looking into it

    @cached_property
    def _inspection(self) -> Inspection:
        return Inspection(self._layers_of, weights_of)

    def weights_by_layer(self) -> dict[str, dict[str, np.ndarray]]:
        """Return copies of all weights by layer and by weight, in the layers' order."""
        weights, layers = iter(self.get_weights()), self._named_layers()
        return {name: {weight: next(weights) for weight, _ in weights_of(layer)} for name, layer in layers}

    def activations(self, x: Any, batch_size: int = BATCH_SIZE) -> Iterator[dict[str, np.ndarray]]:
        """Yield the output of each layer on `x`, in inference mode, batch after batch.

        Args:
            x: Samples.
            batch_size: Samples a batch; the last one may be smaller.
        """
        x, _, _ = inputs.arrays(x)
        self._ready(x)
        return self._inspection.outputs(self.module, x, batch_size)

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None, batch_size: int = BATCH_SIZE
    ) -> dict[str, dict[str, np.ndarray]]:
        """Return the gradient of the mean loss, in inference mode, by layer and by trainable weight.

        Args:
            x: Samples.
            y: Their targets.
            sample_weight: The weight of each sample in the loss.
            batch_size: Samples whose gradient is computed at once; the result is that of all of them.
        """
        x, y, weight = inputs.arrays(x, y, sample_weight)
        engine = self._ready(x, y)
        self._check_pair(x, y)
        return self._inspection.gradients(self.module, engine.objective, x, y, weight, batch_size)

    def layer_graph(self) -> list[LayerNode]:
        """Return the input and the layers with their shapes, and which takes whose output.

        Raises:
            ValueError: If the model isn't built, or was never given data and doesn't know its input.
        """
        module = self.module
        if self._input_like is None:
            raise ValueError(f"{self.name} doesn't know the shape of its input yet: fit it or predict first.")
        shape, dtype = self._input_like
        names = {name for name, _ in self._named_layers()}
        name = "input" if "input" not in names else "model_input"
        source = LayerNode(name, "InputLayer", {"name": name}, (), shape, dtype, {})
        return self._inspection.nodes(module, source)

    def last_learning_rate(self) -> float | None:
        """Return the rate of the last step, a schedule's too; None if the optimizer doesn't tell."""
        return None if self._engine is None else self._engine.last_rate()

    # Compiling

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        weighted_metrics: Sequence[Any] | None = None,
    ) -> None:
        """Say how to train. The weights stay as they are; the optimizer starts afresh.

        Args:
            optimizer: A name, an `epochal.optimizers` instance or any optax transform.
            loss: A name, an `epochal.losses` instance or `function(y_true, y_pred)`.
            metrics: Names, `epochal.metrics` instances or functions; logged under the names given.
            weighted_metrics: The same, but sample weights count.

        Raises:
            ValueError: If a name is unknown; the nearest are listed.
        """
        self._forget_engine()
        self.optimizer = optimizers.get(optimizer)
        chosen = losses.get(loss) if loss is not None else None
        kinds = {"metrics": list(metrics or ()), "weighted_metrics": list(weighted_metrics or ())}
        for identifier in [*kinds["metrics"], *kinds["weighted_metrics"]]:
            _metric(identifier, chosen)  # an unknown name is an error now
        self._settings = {"loss": chosen, **kinds}

    def _forget_engine(self) -> None:
        self._optimizer_state = {}
        if self._engine is not None:
            self._engine.sync()
            self._engine = None

    def direction(self, name: str) -> str | None:
        """Return "min" or "max" if a metric of this name says which way is better, else None."""
        name = name.removeprefix("val_")
        measures = self._engine.measures if self._engine is not None else ()
        return next((m.metric.direction for m in measures if m.name in (name, other_name(name))), None)

    @property
    def _names(self) -> list[str]:
        return list(self._engine.names) if self._engine is not None else []

    def _ready(self, x: Any, y: Any = None) -> JaxEngine:
        """Return the engine for these inputs; it is made at the first use, when the shapes are known."""
        self._build_for(x)
        self._check(x, None)
        trains = self._settings is not None and y is not None
        if self._engine is None or (trains and not self._engine_trains):
            self._engine = self._make_engine(x, y if trains else None)
            self._engine_trains = trains
        return self._engine

    def _make_engine(self, x: Any, y: Any) -> JaxEngine:
        module = self.module
        self._output_shape = output_shape(module, x)
        self._input_like = self._input_like or ((None, *x.shape[1:]), str(jnp.result_type(x)))
        if y is None:
            return JaxEngine(module, _no_objective, self._call)
        assert self._settings is not None
        loss = self._settings["loss"]
        loss.check(y, self._output_shape)
        measures = [
            _measure(identifier, loss, self._output_shape, y.shape, weighted)
            for weighted, of_kind in ((False, "metrics"), (True, "weighted_metrics"))
            for identifier in self._settings[of_kind]
        ]
        engine = JaxEngine(module, self._objective(loss), self._call, measures, self.optimizer)
        if self._optimizer_state:
            engine.load_optimizer(self._optimizer_state)
            self._optimizer_state = {}
        return engine

    def _objective(self, loss: Any) -> Any:
        """Return what a step computes: the loss of a batch and the outputs."""

        def objective(module: Any, x: Any, y: Any, weight: Any) -> tuple[Any, Any]:
            y_pred = module(x)
            return loss(y, y_pred, weight), y_pred

        return objective

    def _call(self, module: Any, x: Any) -> Any:
        return module(x)

    def _build_for(self, x: Any) -> None:
        """Make the module if it waits for the shape of its inputs."""

    def _check(self, x: Any, y: Any) -> None:
        """Raise if the model can't take these inputs and targets."""
        if y is not None and self._engine is not None and self._engine_trains:
            assert self._settings is not None
            self._settings["loss"].check(y, self._output_shape)

    def _check_pair(self, x: Any, y: Any) -> None:
        """Raise if the model can't be trained or evaluated on these inputs and targets."""
        if y is None:
            raise ValueError("training and evaluation need targets: pass y, or batches (x, y).")
        self._check(x, y)

    def track_average(self, decay: float | None) -> None:
        """Keep an exponential average of the weights inside the step; None stops.

        While it is kept, everybody but the training step sees the average: validation, `predict`,
        `get_weights` and files.
        """
        assert self._engine is not None
        self._engine.track_average(decay)

    def adopt_average(self) -> None:
        """Go on with the averaged weights as the weights."""
        assert self._engine is not None
        self._engine.adopt_average()

    # Files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole model: layers, weights, compile settings, optimizer's state, random streams.

        Args:
            path: Ends in `.h5` or `.hdf5`, Keras's layout: `keras.models.load_model` reads it too. Missing folders
                are made, and the file is replaced as a whole.

        Raises:
            ValueError: If the suffix is another one, or a file can't hold a layer, such as a plain function.
            OSError: If it can't be written; then the file is as it was.
        """
        self.check_filepath(path)
        self.snapshot().save(path)

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the weights alone, as `save` does; a path ending in `.weights.h5` gets the layout of Keras 3."""
        self.check_filepath(path, weights_only=True)
        self.snapshot(weights_only=True).save(path)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read the weights from a file that epochal or Keras wrote, of weights or of a whole model.

        Layers go by their order, as in Keras, or by class in a `.weights.h5` file; names don't count.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged or of another architecture; says which layer. Then nothing is changed.
        """
        self._adopt(saving.read_weights(path, self._saved_layers(self._weights().values())))

    def check_filepath(self, path: str | os.PathLike[str], weights_only: bool = False) -> None:
        """Raise what `save` or `save_weights` would raise before it writes."""
        saving.check_suffix(path, weights_only)
        saving.check_names(self._saved_layers(self._weights().values()))
        if not weights_only:
            self._description()

    def snapshot(self, weights_only: bool = False, reuse: saving.Snapshot | None = None) -> saving.Snapshot:
        """Return a copy of the model on the host, whose `save(path)` may run in another thread while this one trains.

        Args:
            weights_only: Whether to leave out all that `save_weights` leaves out.
            reuse: An older snapshot that nobody needs any more, whose memory is used again.

        Raises:
            ValueError: If a file can't hold a layer.
        """
        layers = self._saved_layers(self._on_device(self._weights().values()))
        if weights_only:
            return saving.take(layers, {}, None, reuse)
        described: dict[str, Any] = {"model_config": self._description()}
        training = None
        if self._settings is not None:
            training = saved_config.training_config(self.optimizer, self._settings)
            described |= {"training_config": training} if saved_config.keras_reads(training) else {}
        streams = self._streams()
        on_device = dict(zip(streams, self._on_device(streams.values()), strict=True))
        return saving.take(layers, described, saving.Extras(training, on_device, self._optimizer_leaves()), reuse)

    def _description(self) -> dict[str, Any]:
        return saved_config.model_config(self.name, None, self._named_layers())

    def _saved_layers(self, values: Iterable[Any]) -> list[saving.LayerWeights]:
        """Return the layers with these values of all weights."""
        values = iter(values)
        return [
            saving.LayerWeights(name, snake_case(layer), {weight: next(values) for weight, _ in weights_of(layer)})
            for name, layer in self._named_layers()
        ]

    def _streams(self) -> dict[str, nnx.Variable]:
        """Return the module's variables that are no weights, by path."""
        assert self._module is not None
        weights = {id(variable) for variable in self._weights().values()}
        others = ((path, v) for path, v in nnx.iter_graph(self._module) if isinstance(v, nnx.Variable))
        return {"/".join(map(str, path)): variable for path, variable in others if id(variable) not in weights}

    def _on_device(self, variables: Iterable[nnx.Variable]) -> list[jax.Array]:
        """Return the current values of variables, random keys as their numbers; the next step consumes them."""
        if self._engine is not None:
            return self._engine.leaves(variables)
        return [plain(variable.get_value()) for variable in variables]

    def _optimizer_leaves(self) -> dict[str, Any]:
        if self._engine is not None and self._engine_trains:
            return self._engine.optimizer_leaves()
        return self._optimizer_state

    def _adopt(self, weights: Sequence[np.ndarray]) -> None:
        """Replace all weights by arrays of the right shapes and dtypes that nobody else will use."""
        variables = self._weights().values()
        if self._engine is not None:
            self._engine.adopt(variables, weights)
            return
        for variable, value in zip(variables, weights, strict=True):
            variable.set_value(jax.device_put(value))

    def _resume(self, file: saving.ModelFile, custom: Mapping[str, Any]) -> None:
        """Take up random streams, compile settings and the optimizer's state from a file of this very model."""
        streams = self._streams()
        stored = file.streams({path: plain(variable.get_value()) for path, variable in streams.items()})
        for path, value in stored.items():
            streams[path].set_value(device_array(value, streams[path].get_value()))
        if file.training is None:
            return
        try:
            self.compile(**saved_config.compile_arguments(file.training, custom))
        except (TypeError, ValueError) as error:
            self._settings = self.optimizer = None
            warnings.warn(f"{self.name} was loaded, but not compiled: {error}. {COMPILE_AGAIN}", stacklevel=3)
            return
        if file.has_foreign_optimizer:
            warnings.warn(f"{self.name}: the optimizer starts afresh; its state in the file is Keras's.", stacklevel=3)
        self._optimizer_state = file.optimizer(optimizer_outline(self.module, self.optimizer))

    # Training

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Iterable[Any] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        seed: int | None = None,
    ) -> History:
        """Train, and return the `History`, which is also `model.history`.

        Args:
            x: Samples, or an iterable of batches `(x, y)` or `(x, y, sample_weight)`.
            y: Targets, if `x` is samples.
            batch_size: Samples a batch; 32 if None. Batches from an iterable have their own size.
            epochs: The number of the last epoch, so that `initial_epoch=5, epochs=8` trains three.
            verbose: 0 prints nothing, 1 a progress bar, 2 a line an epoch.
            callbacks: What watches; see `epochal.callbacks`.
            validation_split: The share of the samples, at their end, to validate on.
            validation_data: `(x, y)` or `(x, y, sample_weight)`, or an iterable of batches.
            shuffle: Whether each epoch has another order; "batch" moves whole batches.
            class_weight: The weight of each class's samples in the loss.
            sample_weight: The weight of each sample in the loss; shape `(samples,)`.
            initial_epoch: The first epoch, counted from 0.
            steps_per_epoch: Batches an epoch; needed for a generator.
            validation_steps: Batches a validation.
            validation_freq: Validate every so many epochs, or in these epochs (counted from 1).
            seed: Decides the data order; drawn from `set_random_seed` if None.

        Raises:
            ValueError: If an argument or the data can't be right; before anything is trained.
        """
        _check_counts(epochs=epochs, initial_epoch=initial_epoch)
        _check_counts(1, batch_size=batch_size, steps_per_epoch=steps_per_epoch, validation_steps=validation_steps)
        if not isinstance(validation_freq, Iterable):
            _check_counts(1, validation_freq=validation_freq)
        if self._settings is None or self._settings["loss"] is None:
            raise ValueError(f"{self.name} isn't compiled: call model.compile(optimizer=…, loss=…) first.")
        data, held_out = self._training_data(
            x, y, sample_weight, class_weight, validation_split,
            batch_size=batch_size, shuffle=shuffle, seed=seed, steps=steps_per_epoch,
        )  # fmt: skip
        if held_out is None and validation_data is not None:
            held_out = validation_data
        validation, validation_arrays = self._validation(held_out, batch_size, validation_steps, validation_freq)
        call = Dispatcher(_with_automatic(callbacks, verbose))
        self.history = next(c for c in call.callbacks if isinstance(c, History))
        self.stop_training = False
        params = {
            "verbose": verbose,
            "batch_size": batch_size or (BATCH_SIZE if isinstance(data, ArrayData) else None),
            "epochs": epochs,
            "steps": data.steps,
            "samples": data.samples,
            "do_validation": validation is not None,
            "metrics": [*self._names, *(f"val_{name}" for name in self._names if validation)],
        }
        call.prepare(self, params, validation_arrays)
        assert self._engine is not None
        loop.fit(Run(self._engine, self, call, data, epochs, validation, initial_epoch))
        return self.history

    def _training_data(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Any, validation_split: float, **options: Any
    ) -> tuple[Any, Any]:
        """Return the training data, and the arrays that `validation_split` keeps from them."""
        if y is None and not hasattr(x, "__array__"):
            if validation_split or sample_weight is not None or options["batch_size"]:
                raise ValueError(
                    "validation_split, sample_weight and batch_size go with arrays x and y; an iterable of batches "
                    "has its own batches, each (x, y) or (x, y, sample_weight)."
                )
            data = inputs.from_batches(x, options["steps"], check=self._check_pair, class_weight=class_weight)
            first = data.peek()[:2]
            self._ready(*first)
            self._check(*first)
            return data, None
        parts, held_out = inputs.arrays(x, y, sample_weight, class_weight), None
        self._check_pair(*parts[:2])
        if validation_split:
            parts, held_out = inputs.split(*parts, validation_split)
        self._ready(*parts[:2])
        options["batch_size"] = options["batch_size"] or BATCH_SIZE
        return inputs.from_arrays(*parts, check=self._check, fits=fits, **options), held_out

    def _validation(self, given: Any, batch_size: int | None, steps: int | None, freq: Any) -> tuple[Any, Any]:
        """Return the validation, and its arrays if it has any."""
        if given is None:
            return None, None
        if isinstance(given, (tuple, list)) and len(given) in (2, 3) and not isinstance(given[0], tuple):
            parts = inputs.arrays(*given)
            data = inputs.from_arrays(
                *parts, check=self._check, fits=fits, batch_size=batch_size or BATCH_SIZE, steps=steps
            )
            return Validation(data, freq), parts
        data = inputs.from_batches(given, steps, check=self._check_pair)
        data.peek()
        return Validation(data, freq), None

    def train_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:  # fmt: skip
        """Train on one batch and return its loss, or the list of loss and metrics, or a dict of them."""
        if self._settings is None or self._settings["loss"] is None:
            raise ValueError(f"{self.name} isn't compiled: call model.compile(optimizer=…, loss=…) first.")
        data = self._one_batch(*inputs.arrays(x, y, sample_weight, class_weight))
        engine, signals = self._engine, Signals()
        assert engine is not None
        with signals.handled():
            signals.replacing = True
            result = engine.train(data.span(1), False)
            signals.replacing = False
            signals.deliver()
        return self._values(result.rows()[0], return_dict)

    def test_on_batch(self, x: Any, y: Any, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Return the loss of one batch, or the list of loss and metrics, or a dict of them."""
        data = self._one_batch(*inputs.arrays(x, y, sample_weight))
        assert self._engine is not None
        return self._values(self._engine.test(data.span(1), False).rows()[0], return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs of one batch."""
        return self.predict(x, batch_size=len(x))

    def _one_batch(self, x: Any, y: Any, weight: Any) -> ArrayData:
        self._check_pair(x, y)
        self._ready(x, y)
        data = inputs.from_arrays(x, y, weight, check=self._check, fits=fits, batch_size=len(x))
        data.begin(0)
        return data

    def _values(self, values: Sequence[float], as_dict: bool) -> Any:
        if as_dict:
            return dict(zip(self._names, values, strict=True))
        return values[0] if len(self._names) == 1 else list(values)

    # Using

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int = 1,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Iterable[Any] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss over all samples, or the list of loss and metrics, or a dict of them.

        Args:
            x: Samples, or an iterable of batches.
            y: Targets, if `x` is samples.
            batch_size: Samples a batch; 32 if None.
            verbose: 0 prints nothing, 1 a progress bar, 2 a line.
            sample_weight: The weight of each sample in the loss.
            steps: Batches to evaluate, if not all.
            callbacks: Their test hooks are called.
            return_dict: Whether to return values by name.
        """
        if self._settings is None or self._settings["loss"] is None:
            raise ValueError(f"{self.name} isn't compiled: call model.compile(optimizer=…, loss=…) first.")
        data = self._given_data(x, y, sample_weight, batch_size, steps, check=self._check_pair)
        call = self._dispatcher(callbacks, verbose, data)
        assert self._engine is not None
        logs = loop.evaluate(Pass("test", self._engine, data, call, Signals()), call)
        return self._values([logs[name] for name in self._names], return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int = 0,
        steps: int | None = None,
        callbacks: Iterable[Any] | None = None,
    ) -> Any:
        """Return the outputs for all samples, in inference mode, as NumPy arrays.

        Args:
            x: Samples, or an iterable of batches.
            batch_size: Samples a batch; 32 if None.
            verbose: 0 prints nothing, 1 a progress bar.
            steps: Batches to predict, if not all.
            callbacks: Their predict hooks are called.
        """
        data = self._given_data(x, None, None, batch_size, steps, check=self._check)
        call = self._dispatcher(callbacks, verbose, data)
        assert self._engine is not None
        batches = loop.predict(Pass("predict", self._engine, data, call, Signals()), call)
        return jax.tree.map(lambda *parts: np.concatenate(parts), *batches)

    def _given_data(
        self, x: Any, y: Any, weight: Any, batch_size: int | None, steps: int | None, check: inputs.Check
    ) -> Any:
        _check_counts(1, batch_size=batch_size, steps=steps)
        if y is None and not inputs.is_arrays(x):
            data = inputs.from_batches(x, steps, check=check)
            self._ready(*data.peek()[:2])
            return data
        parts = inputs.arrays(x, y, weight)
        check(*parts[:2])
        self._ready(*parts[:2])
        return inputs.from_arrays(*parts, check=check, fits=fits, batch_size=batch_size or BATCH_SIZE, steps=steps)

    def _dispatcher(self, callbacks: Iterable[Any] | None, verbose: int, data: Any) -> Dispatcher:
        bar = [ProgbarLogger()] if verbose else []
        call = Dispatcher([*Dispatcher(callbacks).callbacks, *bar])
        facts = {"verbose": verbose, "epochs": 1, "steps": data.steps, "samples": data.samples, "metrics": self._names}
        call.prepare(self, facts)
        return call

    # Showing

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


class Stack(nnx.Module):
    """Layers one after the other."""

    def __init__(self, layers: Iterable[nnx.Module] = ()) -> None:
        self.layers = nnx.List(layers)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the last layer's output."""
        for layer in self.layers:
            x = layer(x)
        return x

    @property
    def final_activation(self) -> Any:
        """The last layer's activation function, if it has one."""
        return getattr(self.layers[-1], "activation", None)

    def logits(self, x: jax.Array) -> jax.Array:
        """Return what the last layer's activation is applied to."""
        for layer in list(self.layers)[:-1]:
            x = layer(x)
        return self.layers[-1].linear(x)


class Sequential(Model):
    """Layers one after the other.

    Args:
        layers: Layers, `flax.nnx` modules or functions of an array; an `Input` may come first.
        name: Of the model.

    The layers get their variables when the shape of the input is known: from an `Input`, from the first
    layer's `input_shape` or `input_dim`, from `build`, or else from the first data.
    """

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None) -> None:
        super().__init__(name=name)
        self._layers: list[tuple[str, nnx.Module]] = []
        self._input: Input | None = None
        self._rngs: nnx.Rngs | None = None
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Put a layer at the end.

        Raises:
            TypeError: If it is no layer.
        """
        if isinstance(layer, Input):
            if self._layers or self._input:
                raise ValueError("an Input must be the first of a model's layers.")
            self._input = layer
            return
        layer = as_layer(layer)
        if isinstance(layer, Layer) and layer.input_shape is not None and not self._layers and self._input is None:
            self._input = Input(layer.input_shape, "int32" if isinstance(layer, Embedding) else "float32")
        self._layers.append((self._name(layer), layer))
        if self._module is not None or self._input is not None:
            self._forget_engine()
            try:
                self._build_layers(from_layer=len(self._layers) - 1)
            except Exception:
                self._layers.pop()
                raise

    def _name(self, layer: nnx.Module) -> str:
        taken = {name for name, _ in self._layers}
        given = getattr(layer, "name", None) if isinstance(layer, Layer) else None
        if given in taken:
            raise ValueError(f"two layers are named {given!r}; names in a model must differ.")
        name, number = given or snake_case(layer), 0
        while name in taken:
            number += 1
            name = f"{snake_case(layer)}_{number}"
        if isinstance(layer, Layer):
            layer.name = name
        return name

    @property
    def layers(self) -> list[Any]:
        """The layers, in order, holding the weights after the last finished batch."""
        if self._engine is not None:
            self._engine.sync()
        return [layer for _, layer in self._layers]

    def _named_layers(self) -> list[tuple[str, nnx.Module]]:
        return self._layers

    def _description(self) -> dict[str, Any]:
        return saved_config.model_config(self.name, self._input, self._layers)

    def _layers_of(self, module: Any) -> list[tuple[str, nnx.Module]]:
        return list(zip((name for name, _ in self._layers), module.layers, strict=True))

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the variables for inputs of a shape.

        Args:
            input_shape: With the batch axis in front, as in Keras: `(None, 64)`.
        """
        if self._module is None:
            self._input = Input(tuple(input_shape)[1:], self._input.dtype if self._input else "float32")
            self._build_layers()

    def _build_for(self, x: Any) -> None:
        if self._module is None:
            self._input = Input(x.shape[1:], str(x.dtype))
            self._build_layers()

    def _build_layers(self, from_layer: int = 0) -> None:
        assert self._input is not None
        self._input_like = (None, *self._input.shape), self._input.dtype
        self._rngs = self._rngs or nnx.Rngs(fresh_seed())
        if not self._layers:
            raise ValueError(f"{self.name} has no layers: add one.")
        stack: Any = Stack([layer for _, layer in self._layers[:from_layer]])
        for name, layer in self._layers[from_layer:]:
            shape = self._output_of(stack)[1:]
            try:
                if isinstance(layer, Layer):
                    layer.build(shape, self._rngs)
                stack.layers.append(layer)
                self._output_of(stack)
            except Exception as error:
                error.add_note(f"This is the layer {name!r}, whose inputs have shape {(None, *shape)}.")
                raise
        self._module = stack

    def _output_of(self, stack: Stack) -> tuple[int | None, ...]:
        """Return the output shape; axes the input leaves open are found by trying two sizes."""
        assert self._input is not None
        shapes = []
        for size in (64, 96):
            sizes = tuple(size if n is None else n for n in self._input.shape)
            shapes.append(output_shape(stack, jax.ShapeDtypeStruct((1, *sizes), jnp.dtype(self._input.dtype))))
            if None not in self._input.shape:
                return shapes[0]
        return tuple(a if a == b else None for a, b in zip(*shapes, strict=True))

    def _check(self, x: Any, y: Any) -> None:
        if self._module is None:
            return  # it will be built for these inputs
        assert self._input is not None
        wanted = self._input.shape
        if len(x.shape) != 1 + len(wanted) or any(b not in (None, a) for a, b in zip(x.shape[1:], wanted, strict=True)):
            raise ValueError(f"{self.name} takes inputs of shape {(None, *wanted)}; got x of shape {x.shape}.")
        super()._check(x, y)

    def _objective(self, loss: Any) -> Any:
        """Return what a step computes; a cross-entropy after its own activation comes from the logits."""
        stack: Any = self._module
        activation = stack.final_activation
        if loss.activation is None or activations.name_of(activation) != loss.activation:
            return super()._objective(loss)
        of_logits = loss.with_logits()

        def objective(module: Any, x: Any, y: Any, weight: Any) -> tuple[Any, Any]:
            logits = module.logits(x)
            return of_logits(y, logits, weight), activation(logits)

        return objective


def load_model(path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None) -> Sequential:
    """Return the model in a file that `Sequential.save` or Keras's `model.save("….h5")` wrote.

    With epochal's own file, training goes on where it stopped: weights, learning rate, the optimizer's state, compile
    settings and random streams are as they were. Of Keras's, the optimizer's state isn't taken over.

    Args:
        path: The file.
        custom_objects: One's own layers, activations, losses, metrics and optimizers by the names in the file. This
            is the only way code gets in: nothing that a file names is imported, and no code in it is run. An optax
            transform goes in as "OptaxOptimizer".

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, holds weights only, or names a layer that isn't known.
    """
    custom = dict(custom_objects or {})
    with saving.opened(path) as file:
        parts = saved_config.parts_of(file.config, custom)
        if parts.left_out:
            warnings.warn(f"{path}: left out, since only training needs it: {', '.join(parts.left_out)}.", stacklevel=2)
        weights = file.weights(_outlined(file.config, custom))
        model = _built(parts)
        model._adopt(weights)
        model._resume(file, custom)
    return model


def _built(parts: saved_config.Parts) -> Sequential:
    if parts.given is None:
        raise ValueError(
            f"the saved model {parts.name!r} doesn't say the shape of its input: build it and use load_weights."
        )
    return Sequential([parts.given, *parts.layers], name=parts.name)


def _outlined(config: Mapping[str, Any], custom: Mapping[str, Any]) -> list[saving.LayerWeights]:
    """Return a described model's layers with the shapes of their weights; no array is made, however large."""
    made: list[Sequential] = []

    def outline() -> list[Any]:
        made.append(_built(saved_config.parts_of(dict(config), custom)))
        return [variable.get_value() for variable in made[0]._weights().values()]

    shapes = jax.eval_shape(outline)
    return made[0]._saved_layers(shapes)


def output_shape(module: nnx.Module, x: Any) -> tuple[int, ...]:
    """Return the shape of a module's output for inputs like `x`, without computing it."""
    module.eval()
    graph, state = nnx.split(module)
    like = jax.ShapeDtypeStruct(x.shape, jnp.result_type(x))
    return jax.eval_shape(lambda state, x: nnx.merge(graph, state)(x), state, like).shape


def _measure(identifier: Any, loss: Any, output: Any, target: Any, weighted: bool) -> Measure:
    metric = _metric(identifier, loss, output, target)
    return Measure(identifier if isinstance(identifier, str) else metric.name, metric, weighted)


def _metric(identifier: Any, *about: Any) -> Any:
    return metrics_module.get(identifier, *about)


def _no_objective(*_: Any) -> Any:
    raise ValueError("the model isn't compiled: call model.compile(optimizer=…, loss=…) first.")


def _check_counts(least: int = 0, **counts: int | None) -> None:
    for name, value in counts.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least):
            raise ValueError(f"{name} must be a whole number of at least {least}; got {value!r}.")


def _with_automatic(callbacks: Iterable[Any] | None, verbose: int) -> list[Any]:
    """Return the user's callbacks, then a History and a progress bar unless they are among them."""
    listed = Dispatcher(callbacks).callbacks
    automatic: list[Any] = [History()] if not any(isinstance(c, History) for c in listed) else []
    if verbose and not any(isinstance(c, ProgbarLogger) for c in listed):
        automatic.append(ProgbarLogger())
    return [*listed, *automatic]
