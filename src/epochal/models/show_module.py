"""A user's own module holds the weights whenever the user's hooks may look at it."""

from __future__ import annotations

from typing import Any

from ..core.callback import Callback


class ShowModule(Callback):
    """Writes the weights into a model's own module before the hooks of an epoch or a test."""

    model: Any  # one that has a module

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Write the weights into the module, if they have changed."""
        self.model.module  # noqa: B018 (which does)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the weights into the module, if they have changed."""
        self.model.module  # noqa: B018

    def on_test_begin(self, logs: Any = None) -> None:
        """Write the weights into the module, if they have changed."""
        self.model.module  # noqa: B018
