"""Stop when a monitored value stops improving."""

from __future__ import annotations

import numpy as np

from ..core.callback import Callback
from ..core.logs import Logs
from ..core.monitored_value import MonitoredValue
from ..messages.numeric import real, whole
from ..messages.printing import say, warn
from ..messages.progress import remark
from ..storage.generation import PlainState


class EarlyStopping(Callback):
    """Stops at the end of the `patience`-th consecutive epoch without an improvement.

    >>> from epochal.callbacks import CallbackList
    >>> stopping = EarlyStopping("loss", patience=2)
    >>> with CallbackList([stopping]) as callbacks:
    ...     callbacks.on_train_begin()
    ...     for epoch, loss in enumerate([0.5, 0.6, 0.7, 0.4]):
    ...         logs = callbacks.on_epoch_end(epoch, {"loss": loss})
    ...         if callbacks.stop_training:
    ...             break
    >>> stopping.stopped_reason
    'loss was best in epoch 1: 0.5; epochs without improvement: 2.'

    Args:
        monitor: The key in the epoch logs.
        min_delta: An improvement is a change by more than this, in the value's units.
        patience: Epochs without improvement; 0 counts as 1.
        verbose: 1 prints why it stopped; 0 nothing.
        mode: "min", "max", or "auto": what the metric or its name tells, else an error asks.
        baseline: An epoch counts as an improvement only if it is also better than this, unless this is None.
        restore_best_weights: Whether a fit that ends normally ends with the weights of the best epoch,
            also if patience wasn't used up.
        start_from_epoch: Epochs, from 0, before which nothing is counted.

    Attributes:
        stopped_epoch: The epoch after which it stopped, counted from 0, or None.
        stopped_reason: Why, in words that count epochs from 1, as the progress bar does, or None.
        best: The best value so far, or None.
        best_epoch: Its epoch, counted from 0, or None.

    Each fit starts afresh, unless the run is resumed.

    Raises:
        ValueError: If `mode` is unknown, or a count is negative.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        patience, start_from_epoch = whole("patience", patience), whole("start_from_epoch", start_from_epoch)
        baseline = None if baseline is None else real("baseline", baseline)
        if patience < 0 or start_from_epoch < 0:
            raise ValueError(f"patience and start_from_epoch count epochs; got {patience} and {start_from_epoch}.")
        self.monitor = MonitoredValue(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self._start()

    def _start(self) -> None:
        self.wait = 0
        self.best_epoch: int | None = None
        self.best_weights: list[np.ndarray] | None = None
        self.stopped_epoch: int | None = None
        self.stopped_reason: str | None = None

    @property
    def best(self) -> float | None:
        """The best value so far."""
        return self.monitor.best

    def awaited_logs(self) -> list[str]:
        """Return the monitored name."""
        return [self.monitor.name]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start afresh."""
        self.monitor.start(self.params, self.tools)
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the monitored value, and stop if patience is used up."""
        value = self.monitor.value_in(logs or {})
        if value is None or epoch < self.start_from_epoch:
            return
        if self.monitor.update(value):
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.monitor.improves(value, self.baseline):
                self.wait = 0
                return
        self.wait += 1
        if self.wait >= max(1, self.patience):
            self._stop(epoch)

    def _stop(self, epoch: int) -> None:
        self.stopped_epoch = epoch
        best = (
            "never had a finite value"
            if self.best_epoch is None
            else f"was best in epoch {self.best_epoch + 1}: {self.best:.6g}"
        )
        self.stopped_reason = f"{self.monitor.name} {best}; epochs without improvement: {self.wait}."
        self.ask_to_stop(self.stopped_reason)
        if self.verbose:
            remark(f"Epoch {epoch + 1}: early stopping. {self.stopped_reason}")

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Put the best weights back."""
        if self.best_weights is not None:
            if self.verbose and self.best_epoch is not None:
                say(f"Restoring the weights of epoch {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def identity(self) -> dict[str, object]:
        """Return what is monitored and which way is better."""
        return self.monitor.identity()

    def state_dict(self) -> PlainState:
        """Return the counts, the best value and the best weights."""
        return {
            "monitor": self.monitor.state_dict(),
            "wait": self.wait,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "stopped_epoch": self.stopped_epoch,
            "stopped_reason": self.stopped_reason,
        }

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`."""
        self.monitor.load_state_dict(state["monitor"])
        self.wait, self.best_epoch, self.best_weights = state["wait"], state["best_epoch"], state["best_weights"]
        self.stopped_epoch, self.stopped_reason = state["stopped_epoch"], state["stopped_reason"]
        if self.best_weights is not None and not self._fits(self.best_weights):
            warn(
                "EarlyStopping: the best weights that were saved have other shapes; what is best is looked for afresh."
            )
            self.best_weights = self.best_epoch = self.monitor.best = None

    def _fits(self, weights: list[np.ndarray]) -> bool:
        return [w.shape for w in weights] == [w.shape for w in self.model.get_weights()]
