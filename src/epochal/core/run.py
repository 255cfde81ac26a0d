"""A fit under way."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..storage import files
from ..storage.generation import PlainState
from .accord import Accord, Wishes
from .callback import Dispatcher
from .engine import Engine
from .logs import Logs
from .parts import free_host_bytes
from .phase_runner import PhaseRunner
from .processes import THIS
from .protocols import Data, Model, RunSaver
from .signals import Signals
from .user_code import are_users


@dataclass
class Validation:
    """The data that epochs are validated on, and which epochs.

    Attributes:
        data: The batches.
        freq: Validate each `freq`-th epoch, or these epochs, counted from 1.
    """

    data: Data
    freq: int | Collection[int] = 1

    def is_due(self, epoch: int) -> bool:
        """Return whether an epoch, counted from 0, is validated."""
        if isinstance(self.freq, int):
            return (epoch + 1) % self.freq == 0
        return epoch + 1 in self.freq


@dataclass
class Run:
    """A fit under way: who takes part in it, and where it is.

    Attributes:
        engine: Executes the steps and holds what they change.
        model: The `self.model` of the callbacks; `stop_training` is read from it.
        hooks: The callbacks' hooks.
        data: The training batches.
        epochs: The number of the last epoch, counted from 1.
        validation: The data that epochs are validated on, if any.
        epoch: The epoch under way, or to come, counted from 0.
        describe_model: Returns what the model and its training are made of, as JSON values.
        first_epoch: Returns the epoch to begin with when `on_train_begin` has been called: a callback of another
            library may have told the model another one.
        validates_when_stopped: Whether an epoch that a callback has ended amid its batches is validated.
        savers: The callbacks that can save the run.
        accord: Lets several processes decide alike.
        training: Runs the training batches.
        testing: Runs the validation; None if there is none.
        epoch_open: Whether `on_epoch_begin` of the epoch has been called, and its `on_epoch_end` hasn't.
        logs: The logs of the last epoch that ended.
    """

    engine: Engine
    model: Model
    hooks: Dispatcher
    data: Data
    epochs: int
    validation: Validation | None = None
    epoch: int = 0
    describe_model: Callable[[], Mapping[str, object]] = dict
    first_epoch: Callable[[int], int] = lambda epoch: epoch
    validates_when_stopped: bool = False

    def __post_init__(self) -> None:
        files.tell_again()
        self.savers: list[RunSaver] = [c for c in self.hooks.callbacks if isinstance(c, RunSaver)]
        self.data.epochs, self.data.beside_hooks = self.epochs, are_users(self.hooks.watchers("train"))
        if self.validation:
            self.validation.data.beside_hooks = are_users(self.hooks.watchers("test"))
        self.signals = Signals(can_save=bool(self.savers))
        # Not a method of this: in a cycle data, and their arrays on the device, would stay until garbage is collected
        self.accord = Accord(self.engine.least, functools.partial(_wishes, self.signals, self.savers))
        self.training = PhaseRunner("train", self.engine, self.data, self.hooks, self.signals, self.accord)
        self.testing = self.validation and PhaseRunner(
            "test", self.engine, self.validation.data, self.hooks, self.signals, self.accord
        )
        self.epoch_open = False
        self.named_as_stateless: set[str] = set()
        self.logs = Logs()

    def stopped(self) -> bool:
        """Return whether a callback asked to end the fit."""
        return self.training.stop.is_set

    def is_interrupted(self) -> bool:
        """Return whether the fit is to end, a signal waits, or a callback is to save the run."""
        return (
            bool(self.model.stop_training)
            or self.signals.pending
            or (bool(self.savers) and any(saver.save_due for saver in self.savers))
        )

    def meet(self, moment: str) -> None:
        """Agree with the other processes, if there are any, on what hooks of a moment of this epoch have asked for."""
        self.training.stop.meet(f"{moment} of epoch {self.epoch + 1}")

    def due_validation(self) -> PhaseRunner | None:
        """Return what validates the epoch under way; None if it isn't validated."""
        is_due = self.validation is not None and self.validation.is_due(self.epoch)
        return self.testing if is_due else None

    @property
    def folder(self) -> str:
        """The folder of the first callback that saves the run; the working directory if none says it."""
        folders = (getattr(saver, "folder", None) for saver in self.savers)
        return next((str(folder) for folder in folders if folder is not None), ".")

    @cached_property
    def saves_parts(self) -> bool:
        """Whether each process saves its part of the state: callbacks want it, or the primary couldn't hold it all."""
        wants = {getattr(saver, "in_parts", False) for saver in self.savers}
        if not wants or False in wants:
            return False
        if True in wants:
            return True
        whole = self.engine.whole_bytes()
        too_large = whole is not None and whole > free_host_bytes() // 2
        return THIS.exchange("parts", str(too_large))[0] == "True"  # the primary's memory counts

    @cached_property
    def identity(self) -> PlainState:
        """The description that a saved run must have too, made once, as the fit begins; None in it fits anything."""
        found = {"engine": self.engine.identity(), "data": self.data.identity(), **self.describe_model()}
        if (validation := self.validation) is not None:
            freq = validation.freq if isinstance(validation.freq, int) else list(validation.freq)
            found["validation"] = validation.data.identity() | {"freq": freq}
        return found


def _wishes(signals: Signals, savers: Sequence[RunSaver]) -> Wishes:
    """Return what this process asks for: to let a signal take its course, to save the run."""
    return Wishes(signal=signals.pending, save=any(saver.save_due for saver in savers))
