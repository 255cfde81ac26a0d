"""Ctrl-C and SIGTERM while a fit runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

Handler: TypeAlias = "Callable[[int, FrameType | None], object] | int | None"


class Terminated(BaseException):
    """SIGTERM came; raised at a span's end so that the fit closes everything before the process ends."""


class Signals:
    """Keeps signals away from the moments when a run is between two states.

    The engine's call consumes the old state; an exception between that call and the assignment of
    the new one would leave a model of deleted arrays. And a run can be saved only between two moments.
    What waits is delivered afterwards: a handler of the script's own is called, and if it returns the fit goes on;
    without one, Ctrl-C raises KeyboardInterrupt and SIGTERM ends the process.

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
        self._came: list[tuple[int, FrameType | None]] = []  # what waits, and where it came
        self._delivered = False
        self._old: dict[int, Handler] = {}  # the handlers that were there before

    @contextmanager
    def handled(self) -> Generator[None]:
        """Install the handlers, in the main thread only, and put the old ones back afterwards.

        A signal that the process ignores, as a job in the background of a script ignores Ctrl-C, stays ignored, and
        one whose handler isn't Python's is left to it. A `Terminated` that passes through ends the process by
        SIGTERM, as if nobody had caught it.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM) if self._can_save else (signal.SIGINT,)
        heard = [number for number in numbers if signal.getsignal(number) not in (signal.SIG_IGN, None)]
        self._old = {number: signal.signal(number, self._handle) for number in heard}
        terminated = False
        try:
            yield
            self.deliver()  # what came after the last moment
        except Terminated:
            terminated = True
            raise
        finally:
            for number, handler in self._old.items():
                if signal.getsignal(number) == self._handle:  # else the script has chosen another meanwhile
                    signal.signal(number, handler)
            if terminated or any(number == signal.SIGTERM for number, _ in self._came):
                os.kill(os.getpid(), signal.SIGTERM)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again = (bool(self._came) or self._delivered) and number == signal.SIGINT
        waits = self.replacing or ((self.held or self._can_save) and not again)
        self._came.append((number, frame))
        if not waits:
            self.deliver()

    @contextmanager
    def uninterrupted(self) -> Generator[None]:
        """Let every signal wait while a state is replaced; somebody delivers it afterwards."""
        before, self.replacing = self.replacing, True
        try:
            yield
        finally:
            self.replacing = before

    def deliver_early(self) -> None:
        """Deliver what came while the engine worked, unless a run that can be saved waits for the moment's end."""
        if not self._can_save:
            self.deliver()

    @property
    def pending(self) -> bool:
        """Whether a signal waits to be delivered."""
        return bool(self._came)

    def deliver(self) -> None:
        """Let what has come take its course, in the order in which it came.

        Raises:
            KeyboardInterrupt: After Ctrl-C, unless the script has a handler of its own.
            Terminated: After SIGTERM, unless the script has.
            BaseException: What a handler of the script's own raises.
        """
        while self._came:
            number, frame = self._came.pop(0)
            if (own := self._own_handler(number)) is not None:
                own(number, frame)
                continue
            self._came = [(other, where) for other, where in self._came if other != number]
            self._delivered = True
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    def _own_handler(self, number: int) -> Callable[[int, FrameType | None], object] | None:
        """Return the script's handler; in a fit within a fit, the outer one's if the script has one, which calls it."""
        handler = self._old.get(number)
        outer = getattr(handler, "__self__", None)
        if isinstance(outer, Signals):
            return handler if callable(handler) and outer._own_handler(number) is not None else None
        return handler if callable(handler) and handler is not signal.default_int_handler else None
