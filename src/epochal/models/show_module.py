"""Arrays of a user's own module at which no look is noticed are current whenever the user's hooks may look there."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..core.cadence import Cadence, Every
from ..core.callback import Callback, Dispatcher
from ..core.logs import Logs
from ..core.user_code import runs_user_code


class ShowModule(Callback):
    """Shows the arrays before the hooks of an epoch or a test.

    Args:
        show: Lets the module hold the current arrays.
    """

    def __init__(self, show: Callable[[], None]) -> None:
        super().__init__()
        self._show = show

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Show them."""
        self._show()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Show them."""
        self._show()

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Show them."""
        self._show()


class ShowModuleInBatches(Callback):
    """Shows the arrays before the batch hooks of another callback.

    Args:
        show: Lets the module hold the current arrays.
        cadence: When the other callback is woken.
    """

    def __init__(self, show: Callable[[], None], cadence: Cadence) -> None:
        super().__init__()
        self._show, self.cadence = show, cadence

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Show them."""
        self._show()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Show them."""
        self._show()


def showing(callbacks: Iterable[object], show: Callable[[], None]) -> list[Callback]:
    """Return callbacks that show the arrays whenever the user's code among others may look at them."""
    users = Dispatcher(filter(runs_user_code, callbacks))
    woken = [_as_often(watcher.cadence) for watcher in users.watchers("train") if not watcher.only_reads_logs]
    in_batches = [ShowModuleInBatches(show, cadence) for cadence in dict.fromkeys(woken)]
    return [ShowModule(show), *in_batches] if users.callbacks else []


def _as_often(cadence: Cadence) -> Cadence:
    """Return a cadence that is due whenever another one is; two clocks would be apart by a batch now and then."""
    return Every(1, "batch") if isinstance(cadence, Every) and cadence.unit == "second" else cadence
