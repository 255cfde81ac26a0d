"""A fit under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..storage import files
from .callback import Dispatcher
from .logs import Logs
from .phase_runner import PhaseRunner
from .protocols import Data, Engine
from .signals import Signals
from .wakes import BatchHooks


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
        hooks: The callbacks' hooks.
        data: The training batches.
        epochs: The number of the last epoch, counted from 1.
        validation: What epochs are validated on, if anything.
        epoch: The epoch under way, or to come, counted from 0.
        described: Returns what the model and its training are made of, as JSON values.
        logs: Those of the last epoch that ended.
    """

    engine: Engine
    model: Any
    hooks: Dispatcher
    data: Data
    epochs: int
    validation: Validation | None = None
    epoch: int = 0
    described: Callable[[], Mapping[str, Any]] = dict

    def __post_init__(self) -> None:
        files.tell_again()
        self.savers: list[Any] = [c for c in self.hooks.callbacks if hasattr(c, "save_run")]
        self.data.epochs, self.data.beside_hooks = self.epochs, runs_code_of_the_user(self.hooks.watchers("train"))
        if self.validation:
            self.validation.data.beside_hooks = runs_code_of_the_user(self.hooks.watchers("test"))
        self.signals = Signals(can_save=bool(self.savers))
        self.training = PhaseRunner("train", self.engine, self.data, self.hooks, self.signals)
        self.testing = self.validation and PhaseRunner(
            "test", self.engine, self.validation.data, self.hooks, self.signals
        )
        self.epoch_open = False  # whether on_epoch_begin of the epoch has been called, and on_epoch_end has not
        self.named_as_stateless: set[str] = set()
        self.logs = Logs()

    def stopped(self) -> bool:
        """Say whether a callback asked to end the fit."""
        return bool(self.model.stop_training)

    @property
    def folder(self) -> str:
        """Where the run is saved, first of all; the working directory if nobody says."""
        folders = (str(saver.folder) for saver in self.savers if hasattr(saver, "folder"))
        return next(folders, ".")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What a saved run must be of to be resumed here; None in it means anything. Found once, as the fit begins."""
        found = {"engine": self.engine.identity(), "data": self.data.identity(), **self.described()}
        if (validation := self.validation) is not None:
            freq = validation.freq if isinstance(validation.freq, int) else list(validation.freq)
            found["validation"] = validation.data.identity() | {"freq": freq}
        return found


def runs_code_of_the_user(watchers: Iterable[BatchHooks]) -> bool:
    """Return whether any batch hook is somebody else's function."""
    hooks = [hook for watcher in watchers for hook in (watcher.begin, watcher.end) if hook is not None]
    return any(not str(getattr(hook, "__module__", "")).startswith("epochal.") for hook in hooks)
