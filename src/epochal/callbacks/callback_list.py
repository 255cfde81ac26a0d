"""Hooks driven by a loop that the user writes, and the epoch means such a loop needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, cast

import numpy as np

from ..core.cadence import Every
from ..core.callback import Callback, Dispatcher, Phase
from ..core.logs import LoggedValues, Logs
from ..core.means import Means
from ..core.protocols import Model, RunSaver
from ..core.wakes import BatchHooks
from ..storage.generation import PlainState


class BaseLogger(Callback):
    """Adds the means of the batch logs, weighted by the batches' sizes, to the epoch logs that don't have them yet.

    A `CallbackList` has one, without being asked. In `fit` the epoch logs are complete already.

    >>> with CallbackList() as callbacks:
    ...     callbacks.on_epoch_begin(0)
    ...     callbacks.on_train_batch_end(0, {"loss": 1.0, "size": 3})
    ...     callbacks.on_train_batch_end(1, {"loss": 2.0, "size": 1})
    ...     callbacks.on_epoch_end(0)
    {'loss': 1.25}
    """

    replay = True

    def __init__(self) -> None:
        self._means: dict[str, Means] = {}

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Start afresh."""
        self._means = {}

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Add a batch's values, weighted by `size` (1 if the logs have none)."""
        logs = Logs() if logs is None else logs
        size = int(logs.get("size", 1))
        for name, value in logs.items():
            if name not in ("batch", "size"):
                self._means.setdefault(name, Means()).add(np.array([[float(value) * size]]), size)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Put the means into the epoch logs."""
        if logs is not None:
            for name, means in self._means.items():
                if name not in logs:
                    logs[name] = means.values()[0]

    def so_far(self, batch_logs: Logs) -> Logs:
        """Return a batch's logs with the means of the epoch so far in the place of its own values."""
        facts = {name: batch_logs[name] for name in ("batch", "size") if name in batch_logs}
        return Logs(facts, self._means, lambda: [means.values()[0] for means in self._means.values()])

    def state_dict(self) -> PlainState:
        """Return the sums over the batches of the epoch under way."""
        return {name: means.state_dict() for name, means in self._means.items()}

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`."""
        self._means = {}
        for name, sums in state.items():
            self._means[name] = Means()
            self._means[name].load_state_dict(sums)


class CallbackList:
    """Calls the hooks of callbacks from a loop of your own:

        with CallbackList([EarlyStopping("loss"), CSVLogger("log.csv")], epochs=20) as callbacks:
            callbacks.on_train_begin()
            for epoch in range(20):
                callbacks.on_epoch_begin(epoch)
                for batch, (x, y) in enumerate(batches):
                    callbacks.on_train_batch_begin(batch, {"size": len(x)})
                    loss = step(x, y)
                    callbacks.on_train_batch_end(batch, {"loss": loss, "size": len(x)})
                callbacks.on_epoch_end(epoch)
                if callbacks.stop_training:
                    break
            callbacks.on_train_end()

    Leaving the `with` block closes the callbacks, after `on_exception` if it raised. Values in the logs may be scalar
    arrays of any framework; they are fetched when a callback reads them.

    >>> from epochal.callbacks import EarlyStopping
    >>> with CallbackList([EarlyStopping("loss", patience=2)]) as callbacks:
    ...     callbacks.on_train_begin()
    ...     for epoch, loss in enumerate([0.5, 0.6, 0.7, 0.4]):
    ...         callbacks.on_epoch_begin(epoch)
    ...         logs = callbacks.on_epoch_end(epoch, {"loss": loss})
    ...         if callbacks.stop_training:
    ...             break
    ...     callbacks.on_train_end(logs)
    >>> epoch
    2

    Args:
        callbacks: Any callbacks. Batch hooks are called at every n-th batch where the cadence says so, else at every
            one; where it counts epochs, at none.
        model: The `self.model` of the callbacks, which must have what they ask of it; one that can only be told to
            stop if None.
        **params: Facts for the callbacks: epochs (1), steps, samples, batch_size, verbose (1), metrics, do_validation.

    Attributes:
        callbacks: The callbacks in the order in which they are called.
        stop_training: Whether a callback has asked to end the training.

    Raises:
        TypeError: If an item is a class instead of an instance, has no hook at all, or saves runs of `fit`; for Keras's
            `add_history=True` and `add_progbar=True`.
    """

    def __init__(self, callbacks: Iterable[object] | None = None, model: Any = None, **params: object) -> None:
        for name, kind in _OF_KERAS.items():
            if params.pop(name, False):
                raise TypeError(f"CallbackList has no {name}=True: put {kind}() into the list.")
        self.model: Model = cast("Model", _NoModel()) if model is None else model
        if not hasattr(self.model, "stop_training"):
            self.model.stop_training = False
        self._means = BaseLogger()
        self._call = Dispatcher([self._means, *Dispatcher(callbacks).callbacks])
        self.params = {"verbose": 1, "epochs": 1, "steps": None, "samples": None, "batch_size": None} | params
        for saver in self._call.callbacks:
            if isinstance(saver, RunSaver):
                raise TypeError(
                    f"{type(saver).__name__} saves and resumes the runs of fit, whose state is all in the model; "
                    "a loop of your own saves its state itself. Leave it out."
                )
        self._call.prepare(self.model, self.params)
        self._watchers = {phase: self._call.watchers(phase) for phase in _PHASES}
        self._finished = dict.fromkeys(_PHASES, 0)  # batches

    @property
    def callbacks(self) -> Sequence[object]:
        """The callbacks in the order in which they are called."""
        return self._call.callbacks

    @property
    def stop_training(self) -> bool:
        """Whether a callback asked to end the training."""
        return bool(self.model.stop_training)

    def __enter__(self) -> CallbackList:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """Close all callbacks, after `on_exception(error)` if there was an error."""
        self._call.close(error)

    def on_train_begin(self, logs: LoggedValues | None = None) -> None:
        """Begin the training."""
        self.model.stop_training = False
        self._call.stop_reason.clear()
        self._finished = dict.fromkeys(_PHASES, 0)
        self._call("on_train_begin", Logs.of(logs or {}))

    def on_train_end(self, logs: LoggedValues | None = None) -> None:
        """End the training."""
        self._call("on_train_end", Logs.of(logs or {}))

    def on_epoch_begin(self, epoch: int, logs: LoggedValues | None = None) -> None:
        """Begin an epoch, counted from 0."""
        self._call("on_epoch_begin", epoch, Logs.of(logs or {}))

    def on_epoch_end(self, epoch: int, logs: LoggedValues | None = None) -> Logs:
        """End an epoch; return its logs, with the means of the batch logs and what callbacks added."""
        full = Logs.of(logs or {})
        self._call("on_epoch_end", epoch, full)
        return full

    def on_train_batch_begin(self, batch: int, logs: LoggedValues | None = None) -> None:
        """Begin a training batch."""
        self._batch("train", "begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: LoggedValues | None = None) -> None:
        """End a training batch."""
        self._batch("train", "end", batch, logs)

    on_batch_begin = on_train_batch_begin
    on_batch_end = on_train_batch_end

    def on_test_begin(self, logs: LoggedValues | None = None) -> None:
        """Begin an evaluation."""
        self._call("on_test_begin", Logs.of(logs or {}))

    def on_test_end(self, logs: LoggedValues | None = None) -> None:
        """End an evaluation."""
        self._call("on_test_end", Logs.of(logs or {}))

    def on_test_batch_begin(self, batch: int, logs: LoggedValues | None = None) -> None:
        """Begin a batch of an evaluation."""
        self._batch("test", "begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: LoggedValues | None = None) -> None:
        """End a batch of an evaluation."""
        self._batch("test", "end", batch, logs)

    def on_predict_begin(self, logs: LoggedValues | None = None) -> None:
        """Begin a prediction."""
        self._call("on_predict_begin", Logs.of(logs or {}))

    def on_predict_end(self, logs: LoggedValues | None = None) -> None:
        """End a prediction."""
        self._call("on_predict_end", Logs.of(logs or {}))

    def on_predict_batch_begin(self, batch: int, logs: LoggedValues | None = None) -> None:
        """Begin a batch of a prediction."""
        self._batch("predict", "begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: LoggedValues | None = None) -> None:
        """End a batch of a prediction."""
        self._batch("predict", "end", batch, logs)

    def _batch(self, phase: Phase, moment: str, batch: int, logs: LoggedValues | None) -> None:
        full, finished = Logs.of({"batch": batch} | dict(logs or {})), self._finished[phase]
        for watcher in self._watchers[phase]:
            if (hook := getattr(watcher, moment)) and _is_called(watcher, finished):
                has_means = watcher.reads_means and moment == "end" and phase == "train"
                hook(batch, self._means.so_far(full) if has_means else full)
        if moment == "end":
            self._finished[phase] += 1


_PHASES: tuple[Phase, ...] = ("train", "test", "predict")

_OF_KERAS = {"add_history": "History", "add_progbar": "ProgbarLogger"}
"""Arguments of Keras's list, and what stands for them here."""


def _is_called(watcher: BatchHooks, finished: int) -> bool:
    """Return whether hooks are called for the batch after so many others."""
    cadence = watcher.cadence
    if watcher.only_reads_logs or not isinstance(cadence, Every) or cadence.unit != "batch":
        return True
    return cadence.due(finished, finished + 1)


class _NoModel:
    """Stands in for a model that nobody gave: it can be told to stop."""

    stop_training = False

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"a callback asked for model.{name}: give CallbackList the model, CallbackList(callbacks, model)."
        )
