"""Keeps looks at the state and steps that consume it apart, also where they come from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from .device_state import DeviceState

PATIENCE = 20.0
"""Seconds for which a look at a weight waits until another thread has compiled and started a step."""

LOST = (
    "The training state was consumed by the call that failed. Load it again: load_weights(…), load_model(…), or fit "
    "with BackupAndRestore."
)


class StepLock:
    """Is held while a step consumes the state, and while somebody looks at it.

    Args:
        state: The state that steps consume.

    Attributes:
        is_consumed: Whether a step is consuming the state; whoever looks meanwhile is code that the step itself runs.
    """

    def __init__(self, state: DeviceState[Any]) -> None:
        self._state, self._lock, self._thread = state, threading.RLock(), 0
        self.is_consumed = False

    @contextmanager
    def consuming(self, hide: Callable[[], None]) -> Generator[None]:
        """Let a step consume the state, of which nobody else has an array then.

        Args:
            hide: Lets nobody else hold arrays of the state; called before and after the step.
        """
        with self._lock:
            self._thread = threading.get_ident()
            try:
                hide()
                self._state.own()
                self.is_consumed = True
                yield
            except Exception as error:
                if self._state.lost:
                    error.add_note(LOST)
                raise
            finally:
                self.is_consumed = False
                hide()

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold the lock while nobody else may see what is changed."""
        with self._lock:
            yield

    @contextmanager
    def between_steps(self) -> Generator[None]:
        """Wait for a step that another thread is running; code that the step itself runs there would wait for ever."""
        if not self._lock.acquire(timeout=PATIENCE):
            raise RuntimeError(
                "a weight was looked at while a step is changing it, in code that the step calls or in another thread: "
                "look between batches, in a hook."
            )
        try:
            yield
        finally:
            self._lock.release()

    @property
    def is_led_elsewhere(self) -> bool:
        """Whether hooks in another thread are behind the state; it can't be taken back to them from here."""
        return self._state.on_use is not None and threading.get_ident() != self._thread
