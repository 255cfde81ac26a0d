"""A user's own module holds the weights whenever the user's hooks may look at it."""

from __future__ import annotations

from typing import Protocol, cast

from ..core.callback import Callback
from ..core.logs import Logs


class HasModule(Protocol):
    """A model of a user's own module."""

    @property
    def module(self) -> object:
        """The module; asking for it writes the weights into it."""


class ShowModule(Callback):
    """Writes the weights into a model's own module before the hooks of an epoch or a test."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the weights into the module, if they have changed."""
        self._show()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the weights into the module, if they have changed."""
        self._show()

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Write the weights into the module, if they have changed."""
        self._show()

    def _show(self) -> None:
        cast("HasModule", self.model).module  # noqa: B018
