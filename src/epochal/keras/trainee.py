"""A Keras model with all that it takes to train it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import functools
import inspect
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import jax
import keras
import numpy as np
from keras.utils import pack_x_y_sample_weight

from ..data.nests import Batch, Nest, map_arrays
from ..engines.jax.trees import Array
from ..messages.names import first_few
from ..messages.printing import warn
from ..training.activity import Activity
from ..training.compiled_settings import CompiledSettings, watching
from ..training.declared_rate import DeclaredRate
from .callbacks import FinishedWeights
from .engine import KerasEngine
from .identity import identity_of
from .log_columns import LogColumns
from .optimizer import rate_of, uses_average
from .placing import current, devices_of
from .purity import BRANCHES, EAGERLY
from .rehearsal import is_own, logged_by
from .settings import settings_of
from .state import ModelVariables
from .steps import KerasSteps
from .types import KerasModel, Variable


class KerasTrainee:
    """A Keras model, how its data are arranged, and its engine; satisfies `training.Trainable`.

    Args:
        model: The model.

    Attributes:
        model: The argument.
        activity: Which fits are going on.
        engine: Runs the steps; None before the first batch is known.
        example: Shapes and dtypes like those of a batch.
    """

    def __init__(self, model: KerasModel) -> None:
        self.model, self.activity = model, Activity()
        self.engine: KerasEngine | None = None
        self.example: Batch | None = None
        self._made_for: list[object] = []
        self._rate = DeclaredRate()
        self._compiled_settings = CompiledSettings(self.name)

    validates_when_stopped = True

    @property
    def name(self) -> str:
        """What errors call the model."""
        return str(self.model.name)

    @property
    def output_shape(self) -> Any:
        """The shape of the output, the batch axis in front; a list of them for several, None where it isn't known."""
        return getattr(self.model, "output_shape", None)

    def log_names(self) -> list[str]:
        """Return the names of what is logged; none before a batch is known."""
        return [] if self.engine is None else self.engine.names("train")

    # Data

    def check_compiled(self) -> None:
        """Raise a ValueError if nothing says how to train the model."""
        if not getattr(self.model, "compiled", False):
            raise ValueError(f"{self.name} isn't compiled: call model.compile(optimizer=…, loss=…) first.")

    def arrange(self, x: Nest, y: Nest, sample_weight: Nest) -> Batch:
        """Return data as Keras gives them to a step: floats in Keras's `floatx`."""
        own = any(is_own(self.model, name) for name in ("train_step", "compute_loss", "compute_loss_and_updates"))
        if y is None and not own and getattr(self.model, "_compile_loss", None) is not None:
            raise ValueError("training and evaluation need targets: pass y, or batches (x, y).")
        return map_arrays(_as_floatx, (x, y, sample_weight))

    def arrange_inputs(self, x: Nest) -> Nest:
        """Return samples as `arrange` does."""
        return map_arrays(_as_floatx, x)

    def draw_seed(self) -> int:
        """Draw the seed for the order of data from NumPy, whose generator `keras.utils.set_random_seed` sets."""
        return int(np.random.randint(2**31))

    def first_epoch(self, epoch: int) -> int:
        """Return the epoch that Keras's BackupAndRestore has told the model, if it has."""
        told, self.model._initial_epoch = getattr(self.model, "_initial_epoch", None), None
        return epoch if told is None else max(epoch, int(told))

    # The engine

    def engine_for(self, batch: Batch, trains: bool) -> KerasEngine:
        """Return the engine; it is made anew where the model has been compiled, or got other variables."""
        self.example = map_arrays(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), batch)
        self._build(batch, trains)
        made_for = self._parts(trains)
        engine = self.engine
        if engine is None or not self._fits(made_for) or not engine.steps.variables.is_of(self.model):
            if engine is not None and not engine.lost:
                engine.store.write_back()
            self.engine = engine = self._new_engine(batch, made_for)
            self._made_for = made_for
            self._compiled_settings = CompiledSettings(self.name, traced=lambda: settings_of(self.model))
        return engine

    def _build(self, batch: Batch, trains: bool) -> None:
        """Let Keras make all variables that aren't made yet."""
        model = self.model
        if trains:
            _check_form(model, "train_step")
            _check_form(model, "test_step")
            try:
                model._symbolic_build(data_batch=pack_x_y_sample_weight(*batch))
            except (RuntimeError, jax.errors.JAXTypeError) as error:
                error.add_note(f"Keras builds a model, and its loss, from shapes alone: {BRANCHES}.")
                raise
        elif not all(layer.built for layer in model._flatten_layers()):
            with keras.StatelessScope():
                model(batch[0])

    def _parts(self, trains: bool) -> list[object]:
        """Return what the steps are made of, besides variables."""
        model = self.model
        compiled = [getattr(model, name, None) for name in ("optimizer", "_compile_loss", "_compile_metrics")]
        own = [vars(model).get(name) for name in ("train_step", "test_step", "predict_step")]
        return [*compiled, *own, current(), self._is_compiled, trains]

    def _fits(self, made_for: list[object]) -> bool:
        """Return whether the engine has the parts that are asked for; one that trains predicts, too."""
        *parts, trains = made_for
        *known, trained = self._made_for
        return all(a is b for a, b in zip(parts, known, strict=True)) and bool(trained or not trains)

    @property
    def _is_compiled(self) -> bool:
        """Whether the model's steps are compiled; before `compile` was called, they are."""
        return not self.model.run_eagerly and bool(self.model.jit_compile)

    def _new_engine(self, batch: Batch, made_for: list[object]) -> KerasEngine:
        model, variables = self.model, ModelVariables.of(self.model)
        compiled, trains = (bool(flag) for flag in made_for[-2:])
        if trains and not compiled:
            why = (
                "run_eagerly=True" if model.run_eagerly else "jit_compile=False, or has a layer that can't be compiled"
            )
            warn(f"{self.name} is compiled with {why}: Python runs each of its steps, as Keras does, and no faster.")
        if trains and not variables.params:
            warn(f"{self.name} has no weights to train.")
        columns, test_columns = LogColumns({}), LogColumns({})
        if trains:
            columns = logged_by(model, variables, batch, "train", compiled)
            test_columns = logged_by(model, variables, batch, "test", compiled)
        return KerasEngine(
            KerasSteps(model, variables, columns, test_columns, tracing=self._tracing if compiled else nullcontext),
            compiled,
            functools.partial(self._check_current, made_for),
            devices_of(variables),
        )

    def _tracing(self) -> AbstractContextManager[None]:
        """Return a context in which a step is compiled."""
        return self._compiled_settings.tracing()

    def _check_current(self, made_for: list[object]) -> None:
        """Raise a RuntimeError if the model has other parts than those that an engine was made for."""
        if any(a is not b for a, b in zip(self._parts(True)[:-1], made_for[:-1], strict=True)):
            raise RuntimeError(
                f"{self.name} was compiled again, or got another optimizer or step, while it is being trained or "
                "evaluated: end that first (model.stop_training = True), then change the model and call fit again."
            )

    def values(self) -> list[tuple[Variable, Array]]:
        """Return all variables of the model that a file holds, each with its current value."""
        engine = self.engine
        if engine is not None:
            return engine.store.values()
        parts = ModelVariables.of(self.model).parts
        return [(variable, variable.value) for part in parts for variable in part.values()]

    # Fits

    def identity(self) -> dict[str, object]:
        """Return a description of the model and its steps, as JSON values."""
        return identity_of(self.model, self._rate.rate)

    def own_callbacks(self, callbacks: Sequence[object]) -> list[object]:
        """Return what gives the model averaged weights at the end of a fit, if its optimizer keeps them."""
        finished = [FinishedWeights()] if uses_average(self.model.optimizer) else []
        return [*watching(self._compiled_settings, callbacks), *finished]

    @contextmanager
    def around_fit(self) -> Generator[None]:
        """Warn of what has no effect; whatever ends the fit, let the model's variables hold the trained values."""
        optimizer = self.model.optimizer
        self._warn_of_late_freezing()
        self._compiled_settings.fit_begins()
        self._rate.fit_begins(optimizer, rate_of(optimizer))
        try:
            yield
        finally:
            self.write_back()
            self._rate.fit_ends(optimizer, rate_of(optimizer))
        self._compiled_settings.warn_of_changes()

    def _warn_of_late_freezing(self) -> None:
        """Warn if `trainable` of a layer was changed after `compile`."""
        compiled: dict[Any, bool] = getattr(self.model, "_compiled_trainable_state", {})
        if late := [layer.name for layer, trainable in compiled.items() if layer.trainable != trainable]:
            warn(
                f"trainable of {first_few(late, 3)} was changed after compile: compile {self.name} again, so that its "
                "optimizer has to do with the right variables."
            )

    @contextmanager
    def around_batch(self) -> Generator[None]:
        """Do nothing: variables hold the values again as soon as somebody looks."""
        yield

    def write_back(self) -> None:
        """Let the model's variables hold the current values."""
        if self.engine is not None and not self.engine.lost:
            self.engine.store.write_back()


def _as_floatx(array: np.ndarray) -> np.ndarray:
    """Return floats in Keras's `floatx`, anything else as it is, as Keras's own fit does."""
    is_float = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    return array.astype(keras.config.floatx(), copy=False) if is_float else array


def _check_form(model: KerasModel, name: str) -> None:
    """Raise a TypeError if a model's own step isn't in the form that Keras needs on JAX."""
    try:
        inspect.signature(getattr(model, name)).bind(None, None)
    except TypeError:
        raise TypeError(
            f"{type(model).__name__}.{name} must be {name}(self, state, data) and return (logs, state): on JAX a step "
            f"is a function of all variables, as keras.io's guide to custom training on JAX shows; {name}(self, data) "
            f"is TensorFlow's form. Where it can't be a pure function, {EAGERLY}."
        ) from None
