"""Models: fit, evaluate, predict."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import jax
import numpy as np
from flax import nnx

from ..callbacks import History, ProgbarLogger
from ..core import loop
from ..core.callback import Callback, Dispatcher
from ..core.logs import validation_name
from ..core.phase_runner import PhaseRunner
from ..core.run import Run, Validation
from ..core.signals import Signals
from ..core.user_code import runs_user_code
from ..data import inputs
from ..data.array_data import ArrayData
from ..data.batches import BATCH_SIZE
from ..data.class_weights import ClassWeights
from ..data.nests import leaves
from ..engines.jax.engine import JaxEngine
from ..engines.jax.placement import fits
from ..layers.calls import Ends
from ..layers.graph import Graph
from ..messages.arguments import names_arguments
from ..messages.numeric import real, whole
from ..messages.printing import warn
from . import copies
from .identity import current_rate, identity_of
from .overrides import check_overrides
from .saved import Saved


class Model(Saved):
    """A model of layers between inputs and outputs, or of any `flax.nnx.Module`.

    Args:
        inputs: An `Input`, or a list or dict of them. Or else a module by itself, which takes a batch of inputs,
            an array or a nest of them, and returns a batch of outputs; after `fit` it holds the trained weights.
        outputs: What layers made of the inputs: a tensor, or a list or dict of them.
        name: Of the model.

    Attributes:
        stop_training: Set by a callback to end the fit.
        history: The `History` of the last fit.
        optimizer: What `compile` got; `optimizer.lr` is the current learning rate.
        data_wait: Seconds for which batches had to be waited for, in all.

    Raises:
        TypeError: If it is neither a module nor tensors.
        ValueError: If an output doesn't follow from the inputs, an input leads nowhere, or two layers have one name.
    """

    data_wait = 0.0
    _declared_rate: tuple[Any, Any] = (None, None)  # the optimizer and learning rate that the script has chosen
    _rate_left: tuple[Any, Any] = (None, None)  # those with which the last fit ended

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Look, before a subclass does anything, whether it overrides what would be ignored."""
        check_overrides(cls, Model)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, inputs: Any, outputs: Any = None, name: str | None = None) -> None:
        if outputs is not None:
            graph = Graph(inputs, outputs, name)
            super().__init__(graph, name)
            self.symbols[graph] = Ends(inputs, outputs)
        elif inputs is None or isinstance(inputs, nnx.Module):
            super().__init__(inputs, name)
        else:
            raise TypeError(
                "a Model is made of a flax.nnx.Module, as Model(module), or of tensors, as Model(inputs, outputs); "
                f"got {inputs!r} and no outputs."
            )

    @names_arguments
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
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
            validation_freq: Validate every so many epochs, or in these epochs (counted from 1).
            seed: Decides the data order; drawn from `set_random_seed` if None.

        Raises:
            ValueError: If an argument or the data can't be right; before anything is trained.
        """
        verbose = _verbosity(verbose)
        epochs, initial_epoch = whole("epochs", epochs, 0), whole("initial_epoch", initial_epoch, 0)
        batch_size, steps_per_epoch = _count("batch_size", batch_size), _count("steps_per_epoch", steps_per_epoch)
        validation_steps, validation_freq = _count("validation_steps", validation_steps), _frequency(validation_freq)
        validation_split = real("validation_split", validation_split)
        seed = None if seed is None else whole("seed", seed, 0)
        self._check_compiled()
        self._underway.check_thread(self.name)
        weights = None if class_weight is None else ClassWeights(class_weight)
        if validation_split and validation_data is not None:
            warn("validation_split is left out: there is validation_data.", stacklevel=2)
            validation_split = 0.0
        data, held_out = self._training_data(
            x, y, sample_weight, weights, validation_split,
            batch_size=batch_size, shuffle=shuffle, seed=seed, steps=steps_per_epoch, first_epoch=initial_epoch,
        )  # fmt: skip
        if held_out is None and validation_data is not None:
            held_out = validation_data
        self._warn_of_late_freezing()
        self._warn_if_nothing_trains()
        self._warn_of_late_settings()
        validation, validation_arrays = self._validation(
            held_out, batch_size, validation_steps, validation_freq, beside=data
        )
        call = Dispatcher(_with_automatic(callbacks, verbose, shows_module=self._graph is None))
        history = next(c for c in call.callbacks if isinstance(c, History))
        own_size = data.batch_size if isinstance(data, ArrayData) else None
        facts = {"verbose": verbose, "batch_size": own_size, "epochs": epochs, "do_validation": validation is not None}
        facts |= self._facts_of(data, validated=validation is not None)
        described = functools.partial(identity_of, self, class_weight)
        self._train(
            call, history, facts, validation_arrays,
            lambda engine: Run(engine, self, call, data, epochs, validation, initial_epoch, described),
        )  # fmt: skip
        if weights is not None:
            weights.warn_of_unseen()
        self._warn_of_late_settings()
        return history

    def _train(
        self, call: Dispatcher, history: History, facts: Mapping[str, Any], validation_arrays: Any,
        make_run: Callable[[JaxEngine], Run],
    ) -> None:  # fmt: skip
        """Run a fit whose parts are ready; whatever ends it, the module holds the trained weights."""
        engine = self._engine
        assert engine is not None
        engine.check_structure()
        with self._underway.fit(self), self._underway.apart(engine):
            self.history = history
            with call.closed_after_error():
                call.prepare(self, facts, validation_arrays)
                run = make_run(engine)
            self._declare_rate()
            try:
                loop.fit(run)
            finally:
                self._rate_left = current_rate(self.optimizer)
                if not engine.lost:
                    engine.weights.write_back()

    def _declare_rate(self) -> None:
        """Note the learning rate that the script has chosen, in compile or by hand since the last fit."""
        if (rate := current_rate(self.optimizer)) != self._rate_left:
            self._declared_rate = rate

    def __getstate__(self) -> dict[str, Any]:
        return copies.contents(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        copies.fill(self, state)

    def _facts_of(self, data: Any, validated: bool = False) -> dict[str, Any]:
        """Return what callbacks are told about data and logs."""
        metrics = [*self._names, *(validation_name(name) for name in self._names if validated)]
        return {"steps": data.steps, "samples": data.samples, "metrics": metrics}

    def _training_data(
        self, x: Any, y: Any, sample_weight: Any, weights: ClassWeights | None, validation_split: float, **options: Any
    ) -> tuple[Any, Any]:
        """Return the training data, and the arrays that `validation_split` keeps from them."""
        if y is None and not inputs.is_arrays(x):
            if validation_split or sample_weight is not None or options["batch_size"]:
                raise ValueError(
                    "validation_split, sample_weight and batch_size go with arrays x and y; an iterable of batches "
                    "has its own batches, each (x, y) or (x, y, sample_weight)."
                )
            data = inputs.from_batches(
                x, options["steps"], arrange=self._weighing(weights),
                shuffle=options["shuffle"], seed=options["seed"], first_epoch=options["first_epoch"],
            )  # fmt: skip
            self._ready(data.peek()[1])
            return data, None
        parts, held_out = self._arranged_pair(*inputs.arrays(x, y, sample_weight)), None
        if validation_split:
            parts, held_out = inputs.split(*parts, validation_split)
        parts = self._weighed(parts, weights)
        if weights is not None:
            weights.warn_of_unseen()
        self._ready(parts[1])
        del options["first_epoch"]
        options["batch_size"] = _batch_size(options["batch_size"], options["steps"], parts[0])
        return inputs.from_arrays(*parts, fits=fits, **options), held_out

    def _validation(
        self, given: Any, batch_size: int | None, steps: int | None, freq: Any, beside: Any
    ) -> tuple[Any, Any]:
        """Return the validation beside training data, and its arrays if it has any."""
        if given is None:
            if steps is not None or freq != 1:
                warn("validation_steps and validation_freq have no effect: there is no validation_data.", stacklevel=3)
            return None, None
        if inputs.is_array(given):
            given = (given,)
        if _is_arrays_to_validate_on(given):
            parts = self._arranged_pair(*inputs.arrays(*given))
            data = inputs.from_arrays(
                *parts, fits=fits, batch_size=_batch_size(batch_size, steps, parts[0]), steps=steps
            )
            return Validation(data, freq), parts
        data = inputs.from_batches(
            given, steps, arrange=self._arranged_pair, steps_name="validation_steps", first_epoch=None
        )
        if not data.beside(beside):
            data.peek()
        return Validation(data, freq), None

    @names_arguments
    def train_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:  # fmt: skip
        """Train on one batch and return its loss, or the list of loss and metrics, or a dict of them."""
        self._check_compiled()
        self._underway.check_thread(self.name)
        weights = None if class_weight is None else ClassWeights(class_weight)
        data = self._one_batch(*inputs.arrays(x, y, sample_weight), weights)
        self._warn_of_late_freezing()
        engine, signals = self._engine, Signals()
        assert engine is not None
        with signals.handled(), self._underway.apart(engine):
            signals.replacing = True
            result = engine.train(data.span(1), False)
            signals.replacing = False
            signals.deliver()
        self._show()
        return self._values(result.rows()[0], return_dict)

    @names_arguments
    def test_on_batch(self, x: Any, y: Any, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Return the loss of one batch, or the list of loss and metrics, or a dict of them."""
        self._check_compiled()
        data = self._one_batch(*inputs.arrays(x, y, sample_weight))
        assert self._engine is not None
        with self._underway.apart(self._engine):
            return self._values(self._engine.test(data.span(1), False).rows()[0], return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs of one batch."""
        return self.predict(x, batch_size=len(leaves(inputs.arrays(x)[0])[0]))

    def _one_batch(self, x: Any, y: Any, weight: Any, by_class: ClassWeights | None = None) -> ArrayData:
        parts = self._weighed(self._arranged_pair(x, y, weight), by_class)
        self._ready(parts[1])
        data = inputs.from_arrays(*parts, fits=fits, batch_size=len(leaves(parts[0])[0]))
        data.begin(0)
        return data

    def _values(self, values: Sequence[float], as_dict: bool) -> Any:
        if as_dict:
            return dict(zip(self._names, values, strict=True))
        return values[0] if len(self._names) == 1 else list(values)

    @names_arguments
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Iterable[Any] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss over all samples, or the list of loss and metrics, or a dict of them.

        Args:
            x: Samples, or an iterable of batches.
            y: Targets, if `x` is samples.
            batch_size: Samples a batch; if None, 32, or what makes so many `steps` of all the data.
            verbose: 0 prints nothing, 1 or "auto" a progress bar, 2 a line.
            sample_weight: The weight of each sample in the loss.
            steps: Batches to evaluate, if not all.
            callbacks: Their test hooks are called.
            return_dict: Whether to return values by name.
        """
        self._check_compiled()
        data = self._given_data(x, y, sample_weight, batch_size, steps, self._arranged_pair)
        call = self._dispatcher(callbacks, verbose, data)
        assert self._engine is not None
        with call, self._underway.apart(self._engine):
            logs = loop.evaluate(PhaseRunner("test", self._engine, data, call, Signals()), call)
        return self._values([logs[name] for name in self._names], return_dict)

    @names_arguments
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = 0,
        steps: int | None = None,
        callbacks: Iterable[Any] | None = None,
    ) -> Any:
        """Return the outputs for all samples, in inference mode, as NumPy arrays.

        Args:
            x: Samples, or an iterable of batches.
            batch_size: Samples a batch; if None, 32, or what makes so many `steps` of all the data.
            verbose: 0 prints nothing, 1 or "auto" a progress bar.
            steps: Batches to predict, if not all.
            callbacks: Their predict hooks are called.
        """
        data = self._given_data(x, None, None, batch_size, steps, self._arranged_inputs, trains=False)
        call = self._dispatcher(callbacks, verbose, data)
        assert self._engine is not None
        with call:
            batches = loop.predict(PhaseRunner("predict", self._engine, data, call, Signals()), call)
        return jax.tree.map(lambda *parts: np.concatenate(parts), *batches)

    def _given_data(
        self, x: Any, y: Any, weight: Any, batch_size: int | None, steps: int | None, arrange: inputs.Arrange,
        trains: bool = True,
    ) -> Any:  # fmt: skip
        batch_size, steps = _count("batch_size", batch_size), _count("steps", steps)
        if y is None and not inputs.is_arrays(x):
            data: Any = inputs.from_batches(x, steps, arrange=arrange, steps_name="steps", first_epoch=None)
            self._ready(data.peek()[1], trains)
            return data
        parts = arrange(*inputs.arrays(x, y, weight))
        self._ready(parts[1], trains)
        return inputs.from_arrays(*parts, fits=fits, batch_size=_batch_size(batch_size, steps, parts[0]), steps=steps)

    def _dispatcher(self, callbacks: Iterable[Any] | None, verbose: Any, data: Any) -> Dispatcher:
        verbose = _verbosity(verbose)
        bar = [ProgbarLogger()] if verbose else []
        call = Dispatcher([*Dispatcher(callbacks).callbacks, *bar])
        call.prepare(self, {"verbose": verbose, "epochs": 1} | self._facts_of(data))
        return call


def _batch_size(given: int | None, steps: int | None, x: Any) -> int:
    """Return how many samples a batch has: of steps that nobody gave a size, so many that they take all the data."""
    if given is not None:
        return given
    return BATCH_SIZE if steps is None else -(-len(leaves(x)[0]) // steps)


def _verbosity(verbose: Any) -> int:
    """Return how much is printed: 0, 1 or 2; "auto" is 1."""
    if verbose == "auto":
        return 1
    if isinstance(verbose, (bool, np.bool_, int, np.integer)) and 0 <= int(verbose) <= 2:
        return int(verbose)
    raise ValueError(f'verbose is 0, 1, 2 or "auto"; got {verbose!r}.')


def _count(name: str, value: Any) -> int | None:
    return None if value is None else whole(name, value, 1)


def _frequency(given: Any) -> int | list[int]:
    """Return every how many epochs, or in which of them, counted from 1, is validated."""
    if isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1):
        return [whole("validation_freq", epoch, 1) for epoch in given]
    return whole("validation_freq", given, 1)


def _is_arrays_to_validate_on(given: Any) -> bool:
    """Say whether validation data are `(x, y)` or `(x, y, sample_weight)`, and not a list of such batches."""
    if isinstance(given, tuple) and len(given) == 1:
        return True
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        return False
    return isinstance(given, tuple) or not isinstance(given[0], tuple)


def _with_automatic(callbacks: Iterable[Any] | None, verbose: int, shows_module: bool) -> list[Any]:
    """Return the user's callbacks, and what a fit adds to them unless it is there: History, a progress bar."""
    listed = Dispatcher(callbacks).callbacks
    automatic: list[Any] = [History()] if not any(isinstance(c, History) for c in listed) else []
    if verbose and not any(isinstance(c, ProgbarLogger) for c in listed):
        automatic.append(ProgbarLogger())
    return [*([ShowModule()] if shows_module and any(map(runs_user_code, listed)) else []), *listed, *automatic]


class ShowModule(Callback):
    """Lets a user's own module hold the weights whenever an epoch's or a test's hooks look at it."""

    model: Any  # one that has a module

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Write the weights into the module, if they have changed."""
        self.model.module  # noqa: B018 (which does)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Do the same."""
        self.model.module  # noqa: B018

    def on_test_begin(self, logs: Any = None) -> None:
        """Do the same."""
        self.model.module  # noqa: B018
