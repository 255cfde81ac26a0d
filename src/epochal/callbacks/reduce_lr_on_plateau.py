"""Reduce the learning rate when a monitored value stops improving."""

from __future__ import annotations

from ..core.callback import Callback
from ..core.learning_rate import check_settable, learning_rate_of, set_learning_rate
from ..core.logs import Logs
from ..core.monitored_value import MonitoredValue
from ..messages.numeric import real, whole
from ..messages.progress import remark
from ..storage.generation import PlainState


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by `factor` after `patience` consecutive epochs without an improvement.

    >>> from types import SimpleNamespace
    >>> from epochal.callbacks import CallbackList
    >>> model = SimpleNamespace(optimizer=SimpleNamespace(lr=0.1))
    >>> with CallbackList([ReduceLROnPlateau("loss", factor=0.5, patience=1)], model) as callbacks:
    ...     callbacks.on_train_begin()
    ...     for epoch, loss in enumerate([0.5, 0.5, 0.4]):
    ...         logs = callbacks.on_epoch_end(epoch, {"loss": loss})
    >>> model.optimizer.lr
    0.05

    Args:
        monitor: The key in the epoch logs.
        factor: Greater than 0, less than 1: the new rate is `lr * factor`.
        patience: Epochs without improvement; 0 counts as 1.
        verbose: 1 prints each reduction; 0 nothing.
        mode: "min", "max", or "auto": what the metric or its name tells, else an error asks.
        min_delta: An improvement is a change by more than this, in the value's units; 1e-4 if None.
        cooldown: Epochs after a reduction that are not counted.
        min_lr: The least rate: it is never reduced below this.
        epsilon: The older name of `min_delta`; give one of the two.

    Adds `lr` to the epoch logs: the rate that the epoch ran with.

    Raises:
        ValueError: If `mode` is unknown or a number is out of its range.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float | None = None,
        cooldown: int = 0,
        min_lr: float = 0.0,
        epsilon: float | None = None,
    ) -> None:
        factor, min_lr = real("factor", factor), real("min_lr", min_lr)
        patience, cooldown = whole("patience", patience), whole("cooldown", cooldown)
        if not 0 < factor < 1:
            raise ValueError(f"factor must be greater than 0 and less than 1, to reduce the rate; got {factor!r}.")
        if min(patience, cooldown, min_lr) < 0:
            raise ValueError(f"patience, cooldown and min_lr can't be negative; got {patience}, {cooldown}, {min_lr}.")
        if min_delta is not None and epsilon is not None:
            raise ValueError("min_delta and epsilon are two names of one argument; give one.")
        delta = next((value for value in (min_delta, epsilon) if value is not None), 1e-4)
        self.monitor = MonitoredValue(monitor, mode, delta)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.wait = self.cooldown_counter = 0

    def awaited_logs(self) -> list[str]:
        """Return the monitored name."""
        return [self.monitor.name]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start afresh; a rate that nobody can set is an error now, not when it is to be reduced."""
        check_settable(self.model)
        self.monitor.start(self.params, self.tools)
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Log the rate, look at the monitored value, and reduce the rate if patience is used up."""
        logs = Logs() if logs is None else logs
        logs.setdefault("lr", learning_rate_of(self.model))
        if (value := self.monitor.value_in(logs)) is None:
            return
        if self.monitor.update(value):
            self.wait = 0
        elif self.cooldown_counter == 0:
            self.wait += 1
        self.cooldown_counter = max(0, self.cooldown_counter - 1)
        if self.wait >= max(1, self.patience):
            self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        old = learning_rate_of(self.model)
        self.wait, self.cooldown_counter = 0, self.cooldown
        if old > self.min_lr:
            new = max(old * self.factor, self.min_lr)
            set_learning_rate(self.model, new)
            if self.verbose:
                remark(f"Epoch {epoch + 1}: reducing the learning rate from {old:.6g} to {new:.6g}.")

    def identity(self) -> dict[str, object]:
        """Return what is monitored and which way is better."""
        return self.monitor.identity()

    def state_dict(self) -> PlainState:
        """Return the counts and the best value; the optimizer keeps the rate."""
        return {
            "monitor": self.monitor.state_dict(),
            "wait": self.wait,
            "cooldown_counter": self.cooldown_counter,
        }

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`."""
        self.monitor.load_state_dict(state["monitor"])
        self.wait, self.cooldown_counter = state["wait"], state["cooldown_counter"]
