"""Callbacks: the hooks one may override, and the table that calls only those overridden.

on_train_begin
for each epoch:
    on_epoch_begin
    for each batch that somebody watches:
        on_train_batch_begin … on_train_batch_end        (also as on_batch_begin, on_batch_end)
    on_test_begin … on_test_batch_begin/end … on_test_end (if the epoch is validated)
    on_epoch_end
on_train_end
on_exception if anything raised, then close, always
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from ..messages.arguments import NamesArguments
from ..messages.printing import warn
from ..storage.generation import PlainState
from ..storage.writer import BackgroundWriter
from .cadence import Cadence, Every
from .hook_code import may_follow, overridden
from .keras_logs import is_of_keras, without_facts
from .logs import Logs
from .primary_only import here
from .processes import THIS
from .protocols import Model, ModelTools
from .stop_reason import EARLY, StopReason
from .wakes import BatchHooks, Phase

Params: TypeAlias = Mapping[str, Any]
"""The facts of a fit, None where not known: verbose, batch_size, epochs, steps, samples, do_validation, metrics,
validation_samples, validation_steps, and the seed that somebody has chosen."""


class Callback(NamesArguments):
    """The base of all callbacks: override any hook; the loop never calls the ones you leave alone.

    >>> from epochal.callbacks import CallbackList
    >>> class Losses(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print(f"epoch {epoch}: {logs['loss']}")
    >>> with CallbackList([Losses()]) as callbacks:
    ...     logs = callbacks.on_epoch_end(0, {"loss": 0.5})
    epoch 0: 0.5

    Attributes:
        model: The model that is trained; set before the first hook. `model.stop_training = True` ends the fit;
            `ask_to_stop` also says why.
        params: Facts of the fit: verbose, batch_size, epochs, steps, samples, do_validation, metrics, …; see `Params`.
        validation_data: `(x, y, sample_weight)` when validation data are arrays, else None.
        writer: Writes files in the background, one after the other; what failed there is raised at the
            next hook and at the end of the fit, which waits until everything is written.
        cadence: When batch hooks must be woken: `Every(n, "batch")`, `Every(t, "second")` or
            `WhenNotFinite()`. None is for every batch. Of a callback with one of the two batch hooks they are then
            called after many batches have run, one batch after the other, each with its own logs; a look at the
            model takes it back to that batch. Nothing shows it but the clock: with both hooks, or one that
            asks for the time, each batch waits for them, as with `Every(1, "batch")`.
        replay: True promises that batch hooks only read logs: both may then be called after many batches
            have run. Such a hook may set `model.stop_training`; anything else it asks of the model is an error.
        reads_means: Whether the end hook of a batch gets the means of the epoch so far; it needs a `cadence`.
        is_sink: True says "I only record": run after callbacks that are no sinks, of several processes in the primary.
        primary_only: Whether of several processes only the primary calls the hooks; None for what `is_sink` says.
        calls_user_functions: Whether hooks of this class call functions that a user passed.

    `logs` is always passed. What a hook writes into epoch logs is seen by the callbacks after it and by every sink.
    """

    model: Model = cast("Model", None)  # a fit sets it before the first hook
    params: Params = MappingProxyType({})
    validation_data: Any = None
    writer: BackgroundWriter = BackgroundWriter()
    cadence: Cadence | None = None
    replay: bool = False
    reads_means: bool = False
    is_sink: bool = False
    primary_only: bool | None = None
    calls_user_functions: bool = False
    _tools: ModelTools | None = None
    _stop_reason: StopReason | None = None

    @property
    def tools(self) -> ModelTools:
        """Through which the model is asked for files, averages and looks inside: the model, unless a fit says else."""
        return cast("ModelTools", self._tools or self.model)

    @tools.setter
    def tools(self, tools: ModelTools | None) -> None:
        self._tools = tools

    @property
    def stop_reason(self) -> StopReason:
        """Why the fit ends before its last epoch, as far as it was said; outside a fit one that nobody reads."""
        return self._stop_reason or StopReason()

    @stop_reason.setter
    def stop_reason(self, reason: StopReason) -> None:
        self._stop_reason = reason

    def ask_to_stop(self, reason: str, kind: str = EARLY) -> None:
        """End the fit as `model.stop_training = True` does, and say why, for those who record the run.

        Args:
            reason: Why, for people.
            kind: "early", "nan" for a loss that isn't finite, or "stopped" if a person wants it.
        """
        self.model.stop_training = True
        self.stop_reason.say(reason, kind)

    def set_model(self, model: Model) -> None:
        """Receive the model that is trained. Called before `on_train_begin`."""
        self.model = model

    def set_params(self, params: Params) -> None:
        """Receive the facts of the fit, one dict shared by all callbacks. Called before `set_model`."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called once, before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called once, after the last epoch, with its logs; not called after an error."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before the first batch of an epoch (counted from 0)."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after the epoch's validation, with the epoch's means and `val_…`."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch (counted from 0 in its epoch); `logs` has `batch` and `size`."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch; `logs` has `batch`, `size`, this batch's own loss and metrics."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_begin`; override one of the two."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_end`; override one of the two."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called before an evaluation, inside `fit` or by `evaluate`."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called after an evaluation, with its means."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch of an evaluation, with this batch's own loss and metrics."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called before a prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called after a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch of a prediction; `logs["outputs"]` is its output array."""

    def awaited_logs(self) -> Sequence[str]:
        """Return the names in the epoch logs without which this callback does nothing.

        A `val_…` among them is an error before the first batch of a fit without validation.
        """
        return ()

    def on_exception(self, error: BaseException) -> None:
        """Called when anything raised inside the fit, Ctrl-C too, before `close`."""

    def close(self) -> None:
        """Release files, sockets and threads. Called at the end of every fit; safe to call twice."""

    def identity(self) -> Mapping[str, object]:
        """Return what tells this callback from others of its class, by name: plain values, and paths as `Path`.

        A resumed run gives each state back to the callback of the same class and identity, wherever it stands in the
        list; of equal ones the first one's state goes to the first. Say here what a callback follows and where it
        writes, if there may be several of them.
        """
        return {}

    def state_dict(self) -> PlainState:
        """Return what a resumed run must know, by name: plain JSON values and arrays."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state returned by `state_dict`. Called after `on_train_begin` of a resumed run."""

    def __getstate__(self) -> dict[str, object]:
        """Return its attributes for pickle and deepcopy, less what a fit has lent it."""
        return {name: value for name, value in vars(self).items() if name not in LENT}

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for name in (n for n in vars(cls) if n.startswith("on_") and n not in HOOKS):
            if near := difflib.get_close_matches(name, HOOKS, n=1, cutoff=0.83):
                raise TypeError(f"{cls.__name__}.{name} would never be called. Did you mean `{near[0]}`?")
            if name.endswith(("_start", "_begin", "_end")) and inspect.isfunction(vars(cls)[name]):  # another library's
                warn(f"{cls.__name__}.{name} is no hook, so no fit calls it. The hooks are {', '.join(HOOKS)}.")


LENT = ("model", "validation_data", "writer", "_tools", "_stop_reason")
"""Attributes that pickle and deepcopy leave out: a fit lends them, and whoever has them has all of it."""

HOOKS: tuple[str, ...] = tuple(name for name in vars(Callback) if name.startswith("on_"))


class Dispatcher:
    """Calls each hook on the callbacks that override it: in list order, sinks last.

    Args:
        callbacks: Callbacks, or any objects with hook methods; None counts as no callbacks.

    Raises:
        TypeError: If an item is a class instead of an instance, or has no hook at all.
    """

    def __init__(self, callbacks: Iterable[Any] | None) -> None:
        self.callbacks: list[Any] = sorted(_checked(callbacks), key=lambda c: bool(getattr(c, "is_sink", False)))
        self._table = {hook: [(c, f) for c in self.callbacks if (f := here(c, overridden(c, hook)))] for hook in HOOKS}
        self.writer = BackgroundWriter(works=THIS.is_primary)
        self.model: Model = cast("Model", None)  # as of each callback
        self.stop_reason = StopReason()

    def __call__(self, hook: str, *args: object) -> None:
        """Call a hook on everyone who overrides it; raise first what failed in the background.

        A callback of any library that has set `stop_training` without a word is named as the reason.
        """
        self.writer.check()
        stopped = getattr(self.model, "stop_training", True)
        for callback, call in self._table[hook]:
            if THIS.count > 1:
                THIS.at(f"is in {type(callback).__name__}.{hook}")
            call(*args)
            if not stopped and self.model.stop_training:
                self.stop_reason.say(f"{type(callback).__name__} has set model.stop_training")

    def watchers(self, phase: Phase) -> list[BatchHooks]:
        """Return the batch hooks of a kind of pass, each with its callback's cadence.

        Raises:
            TypeError: If a cadence is none, or lacks where means are read.
        """
        found: list[BatchHooks] = []
        for callback in self.callbacks:
            begin, end = (overridden(callback, f"on_{phase}_batch_{moment}") for moment in ("begin", "end"))
            may_lag = may_follow(begin, end)
            begin, end = here(callback, begin), here(callback, end)
            own_cadence, only_reads_logs = getattr(callback, "cadence", None), bool(getattr(callback, "replay", False))
            cadence = own_cadence or Every(1, "batch")
            if not isinstance(cadence, Cadence):
                raise TypeError(
                    f"{type(callback).__name__}.cadence must be Every(…) or WhenNotFinite(); got {cadence!r}."
                )
            if (begin or end) and getattr(cadence, "unit", None) != "epoch":
                follows = only_reads_logs or (own_cadence is None and may_lag)
                reads_means = bool(getattr(callback, "reads_means", False))
                if is_of_keras(callback):
                    begin, end = (hook and without_facts(hook) for hook in (begin, end))
                found.append(BatchHooks(callback, begin, end, cadence, follows, only_reads_logs, reads_means))
        return found

    def prepare(
        self, model: Model, params: Params, validation_data: Any = None, tools: ModelTools | None = None
    ) -> None:
        """Tell every callback its fit: params, model, validation data and writer.

        Args:
            model: The `self.model` of callbacks.
            params: Facts of the fit.
            validation_data: Arrays, or None.
            tools: What `Callback.tools` is; None for the model.
        """
        self.model = model
        for callback in self.callbacks:
            if isinstance(callback, Callback):
                callback.tools, callback.stop_reason = tools or cast("ModelTools", model), self.stop_reason
            if set_params := getattr(callback, "set_params", None):
                set_params(params)
            if set_model := getattr(callback, "set_model", None):
                set_model(model)
            callback.validation_data = validation_data
            callback.writer = self.writer

    @contextmanager
    def closed_after_error(self) -> Generator[None]:
        """Close every callback if what is done here, before the fit begins, raises."""
        try:
            yield
        except BaseException as error:
            self.close(error)
            raise

    def __enter__(self) -> Dispatcher:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """Call `on_exception(error)` if there is an error, then `close()`; each is tried, whatever raises.

        Raises:
            BaseException: The first thing a `close` raised, if there is no `error` to go before it;
                else it is added to the error's notes.
        """
        calls: list[Callable[[], object]] = []
        if error is not None:
            calls += [functools.partial(hook, error) for _, hook in self._table["on_exception"]]
        calls += [close for c in self.callbacks if callable(close := getattr(c, "close", None))]
        calls += [self.writer.close]  # the last: a callback may still have something to write
        first = error
        for call in calls:
            try:
                call()
            except BaseException as raised:
                if first is None:
                    first = raised
                elif first is not raised:
                    first.add_note(f"While closing the callbacks, too: {type(raised).__name__}: {raised}")
        if error is None and first is not None:
            raise first


def _checked(callbacks: Iterable[Any] | None) -> list[Any]:
    if callbacks is None:
        return []
    checked: list[Any] = list(callbacks) if hasattr(callbacks, "__iter__") else [callbacks]
    for callback in checked:
        if isinstance(callback, type):
            raise TypeError(
                f"callbacks must be instances; got the class {callback.__name__}. Write {callback.__name__}(…)."
            )
        if not any(hasattr(callback, hook) for hook in HOOKS):
            raise TypeError(f"callbacks must have hooks such as on_epoch_end; {callback!r} has none.")
    return checked
