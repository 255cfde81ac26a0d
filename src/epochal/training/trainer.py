"""Fit, evaluate and predict: a model, its data, an engine and callbacks come together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..callbacks import History, ProgbarLogger
from ..core import loop
from ..core.callback import Dispatcher, Params
from ..core.engine import Engine
from ..core.identity import described
from ..core.logs import validation_name
from ..core.phase_runner import PhaseRunner
from ..core.processes import THIS
from ..core.protocols import ModelTools
from ..core.run import Run, Validation
from ..core.signals import Signals
from ..data import inputs
from ..data.array_data import ArrayData
from ..data.class_weights import ClassWeights
from ..data.nests import Batch, leaves
from ..data.seeds import chosen_seed
from ..data.stream_data import StreamData
from ..messages.arguments import names_arguments
from ..messages.printing import warn
from .activity import Activity
from .arguments import Callbacks, Outputs, Results, UserData
from .datasets import AnyData, Datasets
from .options import FitOptions, count, verbosity
from .trainable import Trainable


class Trainer:
    """Trains a model on any engine, evaluates it, and predicts with it.

    Args:
        trainable: Arranges the model's data and has its engine.
        model: What callbacks know as `self.model`; `trainable` itself if None.
        activity: Which fits of the model are going on; whoever may change the model must ask it.
        tools: Through which callbacks ask for files, averages and looks inside; the model if None.

    Example:
        >>> import numpy as np
        >>> from epochal.layers import Dense
        >>> from epochal.models import Sequential
        >>> model = Sequential([Dense(1, input_dim=2)])
        >>> model.compile("sgd", "mse")
        >>> trainer = Trainer(model.trainee, model)  # as `model.fit` uses it
        >>> trainer.fit(np.zeros((4, 2)), np.zeros(4), epochs=2, verbose=0).history["loss"]
        [0.0, 0.0]
    """

    def __init__(
        self, trainable: Trainable, model: Any = None, activity: Activity | None = None, tools: ModelTools | None = None
    ) -> None:
        self._trainable, self._datasets = trainable, Datasets(trainable)
        self._model: Any = trainable if model is None else model
        self._activity, self._tools = activity or Activity(), tools

    @names_arguments
    def fit(
        self,
        x: UserData = None,
        y: UserData = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Callbacks = None,
        validation_split: float = 0.0,
        validation_data: UserData = None,
        shuffle: bool | str = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: UserData = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        seed: int | None = None,
    ) -> History:
        """Train, and return the `History`, which is also `model.history`.

        Args:
            x: Samples: an array, or a list or dict of arrays for several inputs. Or an iterable of batches, each `x`,
                `(x, y)` or `(x, y, sample_weight)`; or such batches by index, `x[i]` for i below `len(x)`.
            y: Targets, if `x` is samples: an array, or a list or dict of arrays for several outputs.
            batch_size: Samples a batch; if None, 32, or what makes `steps_per_epoch` of all the data. Batches from an
                iterable have their own size.
            epochs: The number of the last epoch, so that `initial_epoch=5, epochs=8` trains three.
            verbose: 0 prints nothing, 1 or "auto" a progress bar, 2 a line an epoch.
            callbacks: What watches; see `epochal.callbacks`.
            validation_split: The share of the samples, at their end, to validate on.
            validation_data: `(x, y)` or `(x, y, sample_weight)`, or an iterable of batches.
            shuffle: Whether each epoch has another order; "batch" moves whole batches. An iterable has its own order.
            class_weight: The weight of each class's samples in the training loss, `{class: weight}`; of steps, where
                each step has a label. For models of one output.
            sample_weight: The weight of each sample in the loss, `(samples,)`, or of each step, `(samples, steps)`; a
                list or dict of them by output.
            initial_epoch: The first epoch, counted from 0.
            steps_per_epoch: Batches an epoch, if not all the data; the next epoch goes on where the one before stopped.
                Needed for a generator.
            validation_steps: Batches a validation, each from the start of the data.
            validation_batch_size: Samples a batch of the validation; if None, those of a batch of training.
            validation_freq: Validate every so many epochs, or in these epochs (counted from 1).
            seed: Decides the data order; drawn from `set_random_seed` if None.

        Raises:
            ValueError: If an argument or the data can't be right; before anything is trained.
        """
        options = FitOptions.checked(
            batch_size=batch_size, epochs=epochs, verbose=verbose, validation_split=validation_split, shuffle=shuffle,
            initial_epoch=initial_epoch, steps_per_epoch=steps_per_epoch, validation_steps=validation_steps,
            validation_freq=validation_freq, validation_batch_size=validation_batch_size, seed=seed,
        )  # fmt: skip
        return self._fit(x, y, sample_weight, class_weight, validation_data, callbacks, options)

    def _fit(
        self, x: UserData, y: UserData, sample_weight: UserData, class_weight: Mapping[int, float] | None,
        validation_data: UserData, callbacks: Callbacks, options: FitOptions,
    ) -> History:  # fmt: skip
        """Make the data, the engine and the hooks of a fit, and run it."""
        self._trainable.check_compiled()
        self._activity.check_thread(self._trainable.name)
        weights = None if class_weight is None else ClassWeights(class_weight)
        if options.validation_split and validation_data is not None:
            warn("validation_split is left out: there is validation_data.")
            options = options.without_split()
        data, engine, held_out = self._datasets.to_train_on(x, y, sample_weight, weights, options)
        validation, validation_arrays = self._datasets.to_validate_on(
            validation_data if held_out is None else held_out, options, engine, beside=data
        )

        def identity() -> dict[str, object]:
            return {**self._trainable.identity(), "class_weight": described(class_weight)}

        if THIS.count > 1 and engine.least is None:
            raise RuntimeError(
                f"distribution.initialize() has joined {THIS.count} processes, and {self._trainable.name} would be "
                f"trained in each of them alone: call distribution.set_distribution(DataParallel()) before."
            )
        hooks = Dispatcher(self._with_automatic(callbacks, options.verbose))
        facts = _facts(data, engine, options, validation)
        history = self._run(
            hooks, facts, validation_arrays, engine,
            lambda: Run(
                engine, self._model, hooks, data, options.epochs, validation, options.initial_epoch, identity,
                self._trainable.first_epoch, self._trainable.validates_when_stopped,
            ),
        )  # fmt: skip
        if weights is not None and isinstance(data, StreamData) and data.gave_an_epoch:
            weights.warn_of_unseen()
        return history

    def _run(
        self, hooks: Dispatcher, facts: Params, validation_arrays: Batch | None, engine: Engine,
        make_run: Callable[[], Run],
    ) -> History:  # fmt: skip
        """Run a fit whose parts are ready."""
        history = next(callback for callback in hooks.callbacks if isinstance(callback, History))
        with self._trainable.around_fit(), self._activity.fit(self._model), self._activity.apart(engine):
            self._model.history = history
            with hooks.closed_after_error():
                hooks.prepare(self._model, facts, validation_arrays, self._tools)
                run = make_run()
            loop.fit(run)
        return history

    def _with_automatic(self, callbacks: Callbacks, verbose: int) -> list[object]:
        """Return the user's callbacks, the model's own, and a History and a progress bar unless they are there."""
        listed = Dispatcher(callbacks).callbacks
        automatic: list[object] = [] if any(isinstance(callback, History) for callback in listed) else [History()]
        if verbose and not any(isinstance(callback, ProgbarLogger) for callback in listed):
            automatic.append(ProgbarLogger())
        return [*self._trainable.own_callbacks(listed), *listed, *automatic]

    @names_arguments
    def train_on_batch(
        self,
        x: UserData,
        y: UserData = None,
        sample_weight: UserData = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Results:
        """Train on one batch and return its loss, or the list of loss and metrics, or a dict of them."""
        self._trainable.check_compiled()
        self._activity.check_thread(self._trainable.name)
        weights = None if class_weight is None else ClassWeights(class_weight)
        span, engine = self._datasets.one_batch(x, y, sample_weight, weights)
        signals = Signals()
        with self._trainable.around_batch(), signals.handled(), self._activity.apart(engine):
            engine.reset_metrics("train")
            signals.replacing = True
            result = engine.train(span, False)
            signals.replacing = False
            signals.deliver()
        return _values(engine.names("train"), result.rows()[0], return_dict)

    @names_arguments
    def test_on_batch(
        self, x: UserData, y: UserData = None, sample_weight: UserData = None, return_dict: bool = False
    ) -> Results:
        """Return the loss of one batch, or the list of loss and metrics, or a dict of them."""
        self._trainable.check_compiled()
        span, engine = self._datasets.one_batch(x, y, sample_weight)
        with self._activity.apart(engine):
            engine.reset_metrics("test")
            return _values(engine.names("test"), engine.test(span, False).rows()[0], return_dict)

    def predict_on_batch(self, x: UserData) -> Outputs:
        """Return the outputs of one batch."""
        return self.predict(x, batch_size=len(leaves(inputs.arrays(x)[0])[0]))

    @names_arguments
    def evaluate(
        self,
        x: UserData = None,
        y: UserData = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: UserData = None,
        steps: int | None = None,
        callbacks: Callbacks = None,
        return_dict: bool = False,
    ) -> Results:
        """Return the loss over all samples, or the list of loss and metrics, or a dict of them.

        Args:
            x: Samples, or an iterable of batches.
            y: Targets, if `x` is samples.
            batch_size: Samples a batch; if None, 32, or what makes so many `steps` of all the data.
            verbose: 0 prints nothing, 1 or "auto" a progress bar, 2 a line.
            sample_weight: The weight of each sample, or None.
            steps: Batches to evaluate, if not all.
            callbacks: Their test hooks are called.
            return_dict: Whether to return values by name.
        """
        self._trainable.check_compiled()
        batch_size, steps = count("batch_size", batch_size), count("steps", steps)
        data, engine = self._datasets.to_evaluate_on(x, y, sample_weight, batch_size, steps)
        hooks = self._hooks(callbacks, verbose, data, engine)
        with hooks, self._activity.apart(engine):
            logs = loop.evaluate(PhaseRunner("test", engine, data, hooks, Signals()), hooks)
        names = engine.names("test")
        return _values(names, [logs[name] for name in names], return_dict)

    @names_arguments
    def predict(
        self,
        x: UserData,
        batch_size: int | None = None,
        verbose: int | str = 0,
        steps: int | None = None,
        callbacks: Callbacks = None,
    ) -> Outputs:
        """Return the outputs for all samples, in inference mode, as NumPy arrays.

        Args:
            x: Samples, or an iterable of batches.
            batch_size: Samples a batch; if None, 32, or what makes so many `steps` of all the data.
            verbose: 0 prints nothing, 1 or "auto" a progress bar.
            steps: Batches to predict, if not all.
            callbacks: Their predict hooks are called.
        """
        batch_size, steps = count("batch_size", batch_size), count("steps", steps)
        data, engine = self._datasets.to_predict_on(x, batch_size, steps)
        hooks = self._hooks(callbacks, verbose, data, engine)
        with hooks:
            batches = loop.predict(PhaseRunner("predict", engine, data, hooks, Signals()), hooks)
        return engine.joined(batches)

    def _hooks(self, callbacks: Callbacks, verbose: object, data: AnyData, engine: Engine) -> Dispatcher:
        """Return the hooks of an evaluation or a prediction, ready to be called."""
        level = verbosity(verbose)
        hooks = Dispatcher([*Dispatcher(callbacks).callbacks, *([ProgbarLogger()] if level else [])])
        hooks.prepare(self._model, {"verbose": level, "epochs": 1} | _data_facts(data, engine), tools=self._tools)
        return hooks


def _facts(data: AnyData, engine: Engine, options: FitOptions, validation: Validation | None) -> dict[str, object]:
    """Return the `params` of callbacks in a fit."""
    return {
        "verbose": options.verbose,
        "batch_size": data.batch_size if isinstance(data, ArrayData) else None,
        "epochs": options.epochs,
        "do_validation": validation is not None,
        "validation_samples": getattr(validation and validation.data, "samples", None),
        "validation_steps": getattr(validation and validation.data, "steps", None),
        "seed": chosen_seed() if options.seed is None else options.seed,
        **_data_facts(data, engine, validation is not None),
    }


def _data_facts(data: AnyData, engine: Engine, validated: bool = False) -> dict[str, object]:
    """Return the facts about data and logs among `params`."""
    metrics = [*engine.names("train"), *(validation_name(name) for name in engine.names("test") if validated)]
    return {"steps": data.steps, "samples": data.samples, "metrics": metrics}


def _values(names: Sequence[str], values: Sequence[float], as_dict: bool) -> Results:
    """Return logged values by name, or in a list; a single one by itself."""
    if as_dict:
        return dict(zip(names, values, strict=True))
    return values[0] if len(names) == 1 else list(values)
