"""What those who record a run wish to know of each epoch beside its logs."""

from __future__ import annotations

from time import perf_counter
from typing import Any, TypeAlias

from .callback import Callback
from .learning_rate import last_learning_rate

Measured: TypeAlias = tuple[float, float | None, float | None]
"""Of an epoch: seconds of training since the run began, seconds that its batches took, and the learning rate.

The batches' seconds are None where the epoch began in another process, the rate where the optimizer doesn't tell it. Of
a schedule it is that of the last step.
"""


class EpochMeter:
    """Measures epochs for a callback.

    It is asked in hooks, whose code is never in the processor's caches: so it reads a clock twice, and looks at the
    learning rate only where that has changed, as optimizers of this package tell, or must be asked for.
    """

    def __init__(self) -> None:
        self.start()

    def start(self, seconds: float = 0.0) -> None:
        """Begin a run, or go on with one that has trained for so many seconds."""
        self._zero = perf_counter() - seconds
        self._begun: float | None = None
        self._trained: float | None = None
        self._rate: float | None = None
        self._rates: Any = None  # which count their changes
        self._changes = -1

    def begin_epoch(self, callback: Callback) -> None:
        """Note when an epoch begins, and with which learning rate."""
        self._begun, self._trained = perf_counter(), None
        if self._rates is None or self._rates.changes != self._changes:
            self._look(callback)

    def end_training(self) -> None:
        """Note that the epoch's batches are through, and that its validation begins."""
        if self._trained is None:
            self._trained = perf_counter()

    def end_epoch(self, callback: Callback) -> Measured:
        """Return what was measured of the epoch."""
        now, begun, self._begun = perf_counter(), self._begun, None
        took = None if begun is None else (self._trained or now) - begun
        return now - self._zero, took, last_learning_rate(callback) if self._rate is None else self._rate

    def seconds(self) -> float:
        """Return the seconds of training up to now."""
        return perf_counter() - self._zero

    def _look(self, callback: Callback) -> None:
        optimizer = getattr(callback.model, "optimizer", None)
        self._rates = getattr(optimizer, "learning_rates", None)
        self._changes = getattr(self._rates, "changes", -1)
        if self._changes < 0:
            self._rates = None
        rate = getattr(optimizer, "lr", None)
        self._rate = rate if type(rate) is float else None


def steps_of(callback: Callback) -> int | None:
    """Return how many batches the epoch had whose batches are through; None if nobody knows."""
    return callback.stop_reason.batches or callback.params.get("steps")


def step_time(took: float | None, steps: int | None) -> float | None:
    """Return the seconds a step took, of the seconds that the epoch's batches took; None where that isn't known."""
    return took / steps if took is not None and steps else None
