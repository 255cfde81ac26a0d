"""Which fits and evaluations of a model are going on, also those that a hook of another one starts."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from ..core.engine import Engine
from ..core.protocols import Model


class Activity:
    """The fits and evaluations of one model that are going on, each started in a hook of the one before."""

    def __init__(self) -> None:
        self._depth = 0
        self._fit_threads: list[int] = []

    def check_thread(self, name: str) -> None:
        """Raise a RuntimeError if a fit is going on in another thread."""
        if self._fit_threads and self._fit_threads[-1] != threading.get_ident():
            raise RuntimeError(f"{name} is being trained in another thread: wait until that fit has ended.")

    def check_idle(self, name: str, what: str) -> None:
        """Raise a RuntimeError if a fit is going on, whose compiled steps a change of the model would leave behind."""
        if self._fit_threads:
            raise RuntimeError(
                f"{name} can't {what} while fit trains it, in a hook or in another thread: end the fit "
                "(model.stop_training = True), then compile or change the model, and call fit again."
            )

    @contextmanager
    def fit(self, model: Model) -> Generator[None]:
        """Count a fit; one in a hook leaves the outer one's history and `stop_training` as they are."""
        outer = (model.history, model.stop_training) if self._fit_threads else None
        self._fit_threads.append(threading.get_ident())
        try:
            yield
        finally:
            self._fit_threads.pop()
            if outer is not None:
                model.history, model.stop_training = outer

    @contextmanager
    def apart(self, engine: Engine) -> Generator[None]:
        """Count a pass over data; one in a hook leaves what the outer one's metrics have counted as it is."""
        kept = engine.metric_states() if self._depth else None
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if kept is not None and not engine.lost:
                engine.restore_metric_states(kept)
