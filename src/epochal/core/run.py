"""A fit under way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .callback import Dispatcher
from .logs import Logs
from .passes import Pass
from .protocols import Data, Engine
from .signals import Signals


@dataclass
class Validation:
    """What an epoch is validated on, and in which epochs.

    Attributes:
        data: The batches.
        freq: Every how many epochs, or the epochs' numbers counted from 1.
    """

    data: Data
    freq: int | Iterable[int] = 1

    def is_due(self, epoch: int) -> bool:
        """Say whether the epoch, counted from 0, is validated."""
        if isinstance(self.freq, int):
            return (epoch + 1) % self.freq == 0
        return epoch + 1 in self.freq


@dataclass
class Run:
    """A fit under way: who takes part in it, and where it is.

    Attributes:
        engine: Executes the steps and holds what they change.
        model: What callbacks know as `self.model`; `stop_training` is read from it.
        call: The callbacks.
        data: The training batches.
        epochs: The number of the last epoch, counted from 1.
        validation: What epochs are validated on, if anything.
        epoch: The epoch under way, or to come, counted from 0.
        logs: Those of the last epoch that ended.
    """

    engine: Engine
    model: Any
    call: Dispatcher
    data: Data
    epochs: int
    validation: Validation | None = None
    epoch: int = 0

    def __post_init__(self) -> None:
        self.savers: list[Any] = [c for c in self.call.callbacks if hasattr(c, "save_run")]
        self.data.epochs = self.epochs
        self.signals = Signals(can_save=bool(self.savers))
        self.training = Pass("train", self.engine, self.data, self.call, self.signals)
        self.testing = self.validation and Pass("test", self.engine, self.validation.data, self.call, self.signals)
        self.under_way = False  # whether the epoch's on_epoch_begin has been called
        self.named_as_stateless: set[str] = set()
        self.logs = Logs()

    def stopped(self) -> bool:
        """Say whether a callback asked to end the fit."""
        return bool(self.model.stop_training)
