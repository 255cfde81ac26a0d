"""What a model is busy with: fits and evaluations, also those that a hook of another one starts."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


class Underway:
    """The fits and evaluations of one model that are under way, each started in a hook of the one before."""

    def __init__(self) -> None:
        self.depth = 0
        self._fits: list[int] = []  # the threads in which they run

    @property
    def fitting(self) -> bool:
        """Whether a fit is under way."""
        return bool(self._fits)

    def check_thread(self, name: str) -> None:
        """Raise if a fit is under way in another thread."""
        if self._fits and self._fits[-1] != threading.get_ident():
            raise RuntimeError(f"{name} is being trained in another thread: wait until that fit has ended.")

    def check_idle(self, name: str, what: str) -> None:
        """Raise if a fit is under way, whose compiled steps a change of the model would leave behind."""
        if self._fits:
            raise RuntimeError(
                f"{name} can't {what} while fit trains it, in a hook or in another thread: end the fit "
                "(model.stop_training = True), then compile or change the model, and call fit again."
            )

    @contextmanager
    def fit(self, model: Any) -> Generator[None]:
        """Let a fit run; one in a hook leaves the outer one's history and `stop_training` as they are."""
        outer = (model.history, model.stop_training) if self._fits else None
        self._fits.append(threading.get_ident())
        try:
            yield
        finally:
            self._fits.pop()
            if outer is not None:
                model.history, model.stop_training = outer

    @contextmanager
    def apart(self, engine: Any) -> Generator[None]:
        """Let a pass over data run; one in a hook leaves what the outer one's metrics have counted as it is."""
        kept = engine.metric_states() if self.depth else None
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            if kept is not None and not engine.lost:
                engine.restore_metric_states(kept)
