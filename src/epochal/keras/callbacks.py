"""What a fit does for a Keras model by itself."""

from __future__ import annotations

from ..core.callback import Callback
from ..core.logs import Logs
from .optimizer import finish


class FinishedWeights(Callback):
    """Gives a model the averaged weights that its optimizer keeps, when a fit ends in any way, as Keras's fit does.

    >>> FinishedWeights().state_dict()
    {}
    """

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Give the weights; the hooks of the user's callbacks come after."""
        finish(self.model)

    def on_exception(self, error: BaseException) -> None:
        """Give the weights after an error, too."""
        finish(self.model)
