"""The epoch logs of a fit, as lists."""

from __future__ import annotations

from typing import Any

from ..core.callback import Callback
from ..core.logs import ByName, Logs
from ..storage.generation import PlainState


class History(Callback):
    """Records the epoch logs; every fit has one, returns it, and keeps it as `model.history`.

    >>> from epochal.callbacks import CallbackList
    >>> history = History()
    >>> with CallbackList([history]) as callbacks:
    ...     for epoch, loss in enumerate([0.5, 0.25]):
    ...         logs = callbacks.on_epoch_end(epoch, {"loss": loss})
    >>> history.epoch, history.history
    ([0, 1], {'loss': [0.5, 0.25]})

    Attributes:
        epoch: The epochs' numbers, counted from 0.
        history: A list for each name in the logs; `acc` and `accuracy` are taken for each other.
    """

    is_sink = True
    primary_only = False

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: ByName[list[Any]] = ByName()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start afresh."""
        self.epoch, self.history = [], ByName()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Record an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or Logs()).items():
            self.history.setdefault(name, []).append(value)

    def state_dict(self) -> PlainState:
        """Return the numbers and the logs of the epochs."""
        return {"epoch": list(self.epoch), "history": {name: list(values) for name, values in self.history.items()}}

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`."""
        self.epoch = list(state["epoch"])
        self.history = ByName({name: list(values) for name, values in state["history"].items()})
