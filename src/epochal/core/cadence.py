"""When a callback's batch hooks must be woken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..messages.numeric import is_real, is_whole, real, whole


@dataclass(frozen=True)
class Every:
    """Each time a count crosses a multiple of `n`.

    >>> Every(500, "batch").due(before=499, now=500)
    True
    >>> Every(0, "batch")
    Traceback (most recent call last):
    ValueError: Every(n, 'batch') needs a whole n of at least 1; got 0.

    Args:
        n: A whole number of batches or epochs, at least 1, or any positive number of seconds.
        unit: "batch" counts batches since the run began, whatever the epochs' lengths. "second" wakes at the first span
            end after `n` seconds, and bounds the span's length. With "epoch", the default, batch hooks aren't called:
            epoch hooks need no waking.

    Raises:
        ValueError: If `n` isn't positive, isn't whole where it must be, or the unit is unknown.
    """

    n: float
    unit: Literal["epoch", "batch", "second"] = "epoch"

    def __post_init__(self) -> None:
        if self.unit not in ("epoch", "batch", "second"):
            raise ValueError(f"Every counts epochs, batches or seconds; got the unit {self.unit!r}.")
        if self.unit != "second" and not is_whole(self.n, 1):
            raise ValueError(f"Every(n, {self.unit!r}) needs a whole n of at least 1; got {self.n!r}.")
        if not is_real(self.n) or not self.n > 0:
            raise ValueError(f"Every(n, 'second') needs a positive n; got {self.n!r}.")
        object.__setattr__(self, "n", whole("n", self.n) if is_whole(self.n) else real("n", self.n))

    @classmethod
    def parse(cls, freq: str | int | Every) -> Every:
        """Read a `save_freq` or `update_freq`: "epoch", "batch", a number of batches, or an `Every`.

        Raises:
            ValueError: If it is none of these.
        """
        if isinstance(freq, Every):
            return freq
        if isinstance(freq, str) and freq in ("epoch", "batch"):
            return cls(1, freq)
        if is_whole(freq):
            return cls(whole("a frequency", freq), "batch")
        raise ValueError(f"a frequency is 'epoch', 'batch', a number of batches or an Every; got {freq!r}.")

    def due(self, before: int, now: int) -> bool:
        """Return whether a count that went from `before` to `now` crossed a multiple of `n`."""
        return now // self.n > before // self.n


@dataclass(frozen=True)
class WhenNotFinite:
    """At the very batch whose loss is NaN or infinite, which the engine looks for inside the span.

    >>> from epochal.callbacks import Callback
    >>> class Alarm(Callback):
    ...     cadence = WhenNotFinite()
    ...     def on_train_batch_end(self, batch, logs=None):
    ...         print(f"the loss of batch {batch} is {logs['loss']}")

    Nobody can know of that batch before it has run, so a begin hook is called right before the end hook.
    """


Cadence = Every | WhenNotFinite
