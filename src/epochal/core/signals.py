"""Ctrl-C and SIGTERM while a fit runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(BaseException):
    """SIGTERM came; raised at a span's end so that the fit closes everything before the process ends."""


class Signals:
    """Keeps signals away from the moments when a run is between two states.

    The engine's call consumes the old state; an exception between that call and the assignment of
    the new one would leave a model of deleted arrays. And a run can be saved only between two moments.

    Args:
        can_save: The fit has a callback that saves the run. Then a first Ctrl-C and SIGTERM wait for the
            end of the moment; without, Ctrl-C waits only while a state is being replaced, and SIGTERM
            is left alone.

    Attributes:
        held: Set while the engine works: a first Ctrl-C waits, a second one raises at once.
        replacing: Set while the engine replaces its state: everything waits.
    """

    def __init__(self, can_save: bool = False) -> None:
        self._can_save = can_save
        self.held = False
        self.replacing = False
        self._came: int | None = None
        self._delivered = False

    @contextmanager
    def handled(self) -> Generator[None]:
        """Install the handlers, in the main thread only, and put the old ones back afterwards.

        A signal that the process ignores, as a job in the background of a script ignores Ctrl-C, stays ignored.
        A `Terminated` that passes through ends the process by SIGTERM, as if nobody had caught it.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM) if self._can_save else (signal.SIGINT,)
        heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        old: dict[int, Any] = {number: signal.signal(number, self._handle) for number in heard}
        terminated = False
        try:
            yield
            self.deliver()  # what came after the last moment
        except Terminated:
            terminated = True
            raise
        finally:
            for number, handler in old.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
            if terminated or self._came == signal.SIGTERM:
                os.kill(os.getpid(), signal.SIGTERM)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again = (self._came is not None or self._delivered) and number == signal.SIGINT
        waits = self.replacing or ((self.held or self._can_save) and not again)
        self._came = number
        if not waits:
            self.deliver()

    def deliver_early(self) -> None:
        """Raise what came while the engine worked, unless a run that can be saved waits for the moment's end."""
        if self._came is not None and not self._can_save:
            self.deliver()

    @property
    def pending(self) -> bool:
        """Say whether a signal waits to be delivered."""
        return self._came is not None

    def deliver(self) -> None:
        """Raise what has come, if anything has.

        Raises:
            KeyboardInterrupt: After Ctrl-C.
            Terminated: After SIGTERM.
        """
        came, self._came = self._came, None
        self._delivered = self._delivered or came is not None
        if came == signal.SIGINT:
            raise KeyboardInterrupt
        if came is not None:
            raise Terminated
