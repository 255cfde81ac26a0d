"""Stop when the loss is no number."""

from __future__ import annotations

import math

from ..core.cadence import Cadence, WhenNotFinite
from ..core.callback import Callback
from ..core.logs import Logs
from ..core.stop_reason import NAN
from ..messages.printing import say
from ..storage.generation import PlainState


class TerminateOnNaN(Callback):
    """Stops after the very batch whose loss is NaN or infinite, and prints which, counted from 1.

    That batch's step has been applied. The loss is looked at inside the span, so watching costs nothing.

    >>> from epochal.callbacks import CallbackList
    >>> with CallbackList([TerminateOnNaN()]) as callbacks:
    ...     callbacks.on_train_begin()
    ...     callbacks.on_epoch_begin(0)
    ...     callbacks.on_train_batch_end(3, {"loss": float("nan")})
    Epoch 1, batch 4: the loss is nan, terminating training.
    >>> callbacks.stop_training
    True

    Attributes:
        stopped_batch: The batch in its epoch, counted from 0, or None.
    """

    cadence: Cadence | None = WhenNotFinite()

    def __init__(self) -> None:
        self.stopped_batch: int | None = None
        self._epoch: int | None = None  # none has begun

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start afresh."""
        self.stopped_batch = self._epoch = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch that batches belong to."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Stop if the loss isn't finite."""
        loss = (logs or Logs()).get("loss")
        if loss is not None and not math.isfinite(loss):
            self.stopped_batch, epoch = batch, (self._epoch or 0) + 1
            self.ask_to_stop(f"{'NaN' if math.isnan(loss) else loss} loss at batch {batch + 1} of epoch {epoch}", NAN)
            say(f"Epoch {epoch}, batch {batch + 1}: the loss is {loss}, terminating training.")

    def state_dict(self) -> PlainState:
        """Return the batch at which it stopped, and the epoch under way."""
        return {"stopped_batch": self.stopped_batch, "epoch": self._epoch}

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`."""
        self.stopped_batch, self._epoch = state["stopped_batch"], state["epoch"]
