"""Exponentially averaged weights."""

from __future__ import annotations

from typing import Any

from ..core.callback import Callback
from ..core.logs import Logs
from ..messages.numeric import real


class SwapEMAWeights(Callback):
    """Keeps an exponential average of the weights: after each step `decay * average + (1 - decay) * weights`.

    The average is updated inside the compiled step. Validation, checkpoints and `get_weights` see it; a fit
    that ends normally ends with it. Training goes on with the raw weights, which are also what an error
    leaves. A saved run holds both.

    Args:
        decay: From 0 to less than 1; the nearer to 1, the longer the average looks back.

    Raises:
        ValueError: If `decay` is out of range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = real("decay", decay)
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay is from 0 to less than 1; got {decay!r}.")
        self._averages = False

    def set_model(self, model: Any) -> None:
        """Begin to average, before a saved run is restored, since its state has both."""
        model.track_average(self.decay)
        self.model, self._averages = model, True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Go on with the average."""
        self.model.use_average()

    def close(self) -> None:
        """Stop averaging."""
        if self._averages:
            self.model.track_average(None)
            self._averages = False

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the average is part of the model's state."""
        return {}
