"""Set the learning rate of each epoch by a function."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

from ..core.callback import Callback
from ..core.learning_rate import learning_rate_of, set_learning_rate
from ..core.logs import Logs
from ..messages.numeric import is_real, plain_number
from ..messages.printing import say
from ..storage.generation import PlainState


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    >>> from types import SimpleNamespace
    >>> from epochal.callbacks import CallbackList
    >>> model = SimpleNamespace(optimizer=SimpleNamespace(lr=0.1))
    >>> with CallbackList([LearningRateScheduler(lambda epoch: 0.1 * 0.5**epoch)], model) as callbacks:
    ...     for epoch in range(3):
    ...         callbacks.on_epoch_begin(epoch)
    >>> model.optimizer.lr
    0.025

    Args:
        schedule: `schedule(epoch)` or `schedule(epoch, lr)`, told apart by its signature: the epoch counted
            from 0, the current rate; returns the new one.
        verbose: 1 prints each rate; 0 nothing.

    Adds `lr` to the epoch logs: the rate that the epoch ran with.

    Raises:
        TypeError: If `schedule` takes neither one nor two positional arguments.
        ValueError: From the hook, if what it returned is no finite number.
    """

    calls_user_functions = True

    def __init__(self, schedule: Callable[..., object], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose
        self._takes_rate = _takes_rate(schedule)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the rate that the schedule returns."""
        rate = self.schedule(epoch, learning_rate_of(self.model)) if self._takes_rate else self.schedule(epoch)
        rate = plain_number(rate)
        if not is_real(rate) or not math.isfinite(rate):
            asked = f"schedule({epoch}{', lr' if self._takes_rate else ''})"
            raise ValueError(
                f"the schedule must return a finite number; for epoch {epoch + 1}, {asked} returned {rate!r}."
            )
        set_learning_rate(self.model, float(rate))
        if self.verbose:
            say(f"Epoch {epoch + 1}: setting the learning rate to {float(rate):.6g}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Log the rate."""
        if logs is not None:
            logs.setdefault("lr", learning_rate_of(self.model))

    def state_dict(self) -> PlainState:
        """Return an empty state: the optimizer keeps the rate."""
        return {}


def _takes_rate(schedule: Callable[..., object]) -> bool:
    try:
        signature = inspect.signature(schedule)
    except ValueError:  # some built-in functions have none
        return False
    for arguments in ((0, 0.0), (0,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments) == 2
    raise TypeError(f"a schedule is called with (epoch) or (epoch, lr); this one takes {signature}.")
