"""The epoch logs of a fit, as lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.callback import Callback
from ..core.logs import ByName, Logs


class History(Callback):
    """Records the epoch logs; every fit has one, returns it, and keeps it as `model.history`.

    Attributes:
        epoch: The epochs' numbers, counted from 0.
        history: A list for each name in the logs; `acc` and `accuracy` are taken for each other.
    """

    is_sink = True

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

    def state_dict(self) -> dict[str, Any]:
        """Return what was recorded."""
        return {"epoch": list(self.epoch), "history": {name: list(values) for name, values in self.history.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what was recorded."""
        self.epoch = list(state["epoch"])
        self.history = ByName({name: list(values) for name, values in state["history"].items()})
