"""Exponentially averaged weights."""

from __future__ import annotations

from ..core.callback import Callback
from ..core.logs import Logs
from ..core.protocols import Model
from ..messages.numeric import real
from ..storage.generation import PlainState


class SwapEMAWeights(Callback):
    """Keeps an exponential average of the weights: after each step `decay * average + (1 - decay) * weights`.

    The average is updated inside the compiled step. Validation, checkpoints and `get_weights` see it; a fit
    that ends normally ends with it. Training goes on with the raw weights, which are also what an error
    leaves. A saved run holds both.

    >>> from epochal.layers import Dense
    >>> from epochal.models import Sequential
    >>> model = Sequential([Dense(1, input_dim=1, kernel_initializer="zeros")])
    >>> model.compile("sgd", "mse")
    >>> history = model.fit([[1.0]], [[1.0]], epochs=20, verbose=0, callbacks=[SwapEMAWeights(decay=0.5)])
    >>> print(round(float(model.get_weights()[0].item()), 3))
    0.269

    Args:
        decay: From 0 to less than 1; the nearer to 1, the more steps the average is over, about `1 / (1 - decay)`.

    Raises:
        ValueError: If `decay` is out of range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = real("decay", decay)
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay is from 0 to less than 1; got {decay!r}.")
        self._averages = False

    def set_model(self, model: Model) -> None:
        """Begin to average, before a saved run is restored, since its state has both."""
        self.model = model
        self.tools.track_average(self.decay)
        self._averages = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Go on with the average."""
        self.tools.use_average()

    def close(self) -> None:
        """Stop averaging."""
        if self._averages:
            self.tools.track_average(None)
            self._averages = False

    def state_dict(self) -> PlainState:
        """Return an empty state: the average is part of the model's."""
        return {}
