"""The time for which a model has waited for its data."""

from __future__ import annotations

from .protocols import Data, Model


class DataWait:
    """Adds to a model's `data_wait` for how many seconds its data let a phase wait.

    Args:
        model: What has the attribute.
        data: Know how long they were waited for.
    """

    def __init__(self, model: Model, data: Data) -> None:
        self._model, self._data, self._counted = model, data, 0.0

    def count(self) -> None:
        """Add what has been waited since the last call."""
        waited = self._data.waited
        if waited != self._counted:
            self._model.data_wait = getattr(self._model, "data_wait", 0.0) + waited - self._counted
            self._counted = waited
