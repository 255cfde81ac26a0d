"""What those who record a run wish to know of each epoch beside its logs."""

from __future__ import annotations

import time

from .callback import Callback


class EpochMeter:
    """Measures epochs for a callback: the learning rate, seconds a step, seconds of training since the run began.

    It is asked in hooks, so it reads two clocks and a float; only a schedule's rate is fetched from the device.

    Attributes:
        learning_rate: The rate with which the epoch was trained, of a schedule that of its last step; None if the
            optimizer doesn't tell.
        step_time: Seconds a step of the epoch, without its validation; None where the number of steps isn't known.
        seconds: Seconds since the run began, without those in which it wasn't running.
    """

    def __init__(self) -> None:
        self.learning_rate: float | None = None
        self.step_time: float | None = None
        self.seconds = 0.0
        self._before, self._since = 0.0, time.perf_counter()
        self._begun: float | None = None
        self._trained: float | None = None
        self._has_float: bool | None = None  # whether the optimizer's rate is a number that only hooks change

    def start(self, seconds: float = 0.0) -> None:
        """Begin a run, or go on with one that has trained for so many seconds."""
        self._before, self._since, self.seconds = seconds, time.perf_counter(), seconds
        self._begun = self._trained = self._has_float = None

    def begin_epoch(self, callback: Callback) -> None:
        """Note when an epoch begins, and with which rate."""
        self._begun, self._trained = time.perf_counter(), None
        self.learning_rate = callback.model.optimizer.lr if self._reads_float(callback) else None

    def end_training(self) -> None:
        """Note that the epoch's batches are through, and that its validation begins."""
        if self._begun is not None and self._trained is None:
            self._trained = time.perf_counter()

    def end_epoch(self, callback: Callback, steps: int | None) -> None:
        """Measure the epoch.

        Args:
            callback: For whom.
            steps: How many batches it had; None if that isn't known.
        """
        now = time.perf_counter()
        self.seconds, self.step_time = self._before + now - self._since, None
        if steps and self._begun is not None:
            self.step_time = ((self._trained or now) - self._begun) / steps
        self._begun = None
        if self.learning_rate is None or not self._has_float:
            self.learning_rate = callback.model.optimizer.lr if self._reads_float(callback) else _asked(callback)

    def so_far(self) -> float:
        """Return the seconds of training up to now."""
        return self._before + time.perf_counter() - self._since

    def _reads_float(self, callback: Callback) -> bool:
        if self._has_float is None:
            optimizer = getattr(callback.model, "optimizer", None)
            self._has_float = type(getattr(optimizer, "lr", None)) is float
        return self._has_float


def _asked(callback: Callback) -> float | None:
    ask = getattr(callback.tools, "last_learning_rate", None)
    return None if ask is None else ask()
