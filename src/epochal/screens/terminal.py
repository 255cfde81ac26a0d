"""A line that is redrawn in place on a terminal, below whatever else is printed there."""

from __future__ import annotations

import os
import re
import sys
import threading
from typing import TextIO

from ..messages.printing import is_terminal, say, write_to
from .guard import Guard
from .line import Line
from .texts import cells

REDRAW_SECONDS = 0.1

SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z^_])")
"""What a terminal takes for a command, such as another colour (ECMA-48): no part of a line."""

NARROWEST = 20
"""The least columns that a terminal is believed to have."""


class Terminal:
    """Redraws a line, as long as standard output is a terminal; afterwards there are finished lines only.

    From the first line to the end what others print stands above the line: `Guard` says how. With `NO_COLOR` set
    nothing but a carriage return and spaces is used for it.

    Args:
        guards: Whether others are known to print; False for a line that nobody may ever end.
    """

    redraws = True

    def __init__(self, guards: bool = True) -> None:
        self.seconds: float | None = REDRAW_SECONDS
        self._guards: list[Guard] = []
        self._wants_guards = guards
        self._lock = threading.RLock()
        self._out: TextIO | None = None  # the terminal, once something was shown
        self._line: Line | None = None  # which stands there, or will as soon as there is place
        self._drawn = 0  # cells
        self._is_amid_line = False  # of somebody else

    def show(self, line: Line) -> None:
        """Show a line in the place of the one before, in the terminal's width."""
        if self._out is None and is_terminal(sys.stdout):
            self._open()
        with self._lock:
            if not self._is_open:
                self._erase()
                self._line = None
                return
            self._line = line
            if not self._is_amid_line:
                self._draw(line)

    def finish(self, line: Line) -> None:
        """Show a line for good."""
        if self._out is None or not self._is_open:
            self.end()
            say_within(line)
            return
        with self._lock:
            if self._is_amid_line:
                self._put("\n")
            self._draw(line)
            self._put("\n")
            self._line, self._drawn, self._is_amid_line = None, 0, False

    def end(self) -> None:
        """Go to the next line, and leave the terminal to others."""
        with self._lock:
            if self._drawn:
                self._put("\n")
            self._line, self._drawn, self._is_amid_line = None, 0, False
        for guard in reversed(self._guards):
            guard.leave()
        self._guards, self._out = [], None

    def write_above(self, stream: TextIO, text: str) -> int:
        """Write a text that somebody else prints: above the line, which comes back when that one's line is whole."""
        with self._lock:
            if text:
                self._erase()
            written = stream.write(text)
            if seen := SEQUENCE.sub("", text):
                self._is_amid_line = not seen.endswith(("\n", "\r"))
            if self._line is not None and not self._is_amid_line:
                self._draw(self._line)
        return written

    def give_way(self) -> None:
        """Take the line away until it is shown the next time."""
        with self._lock:
            self._erase()

    def _open(self) -> None:
        self._out = sys.stdout
        if self._wants_guards:
            self._guards = [Guard("stdout", self)]
            if is_terminal(sys.stderr):
                self._guards.append(Guard("stderr", self))
            for guard in self._guards:
                guard.enter()

    @property
    def _is_open(self) -> bool:
        """Whether what is shown goes to the terminal, and nobody has put another stream in its place."""
        return self._guards[0].is_in_place if self._guards else self._out is not None and self._out is sys.stdout

    def _draw(self, line: Line) -> None:
        text = line.within(columns_of(self._out) - 1)
        rest = " " * (self._drawn - cells(text)) if _is_plain() else "\x1b[K"
        self._put(f"\r{text}{rest}")
        self._drawn = cells(text)

    def _erase(self) -> None:
        if self._drawn:
            self._put(f"\r{' ' * self._drawn}\r" if _is_plain() else "\r\x1b[K")
            self._drawn = 0

    def _put(self, text: str) -> None:
        write_to(self._out, text)


def say_within(line: Line) -> None:
    """Print a line as wide as the terminal, or whole where there is none."""
    say(line.within(columns_of(sys.stdout) - 1 if is_terminal(sys.stdout) else None))


def _is_plain() -> bool:
    """Return whether the environment asks for no escape sequences."""
    return bool(os.environ.get("NO_COLOR"))


def columns_of(stream: TextIO | None) -> int:
    """Return how many columns a terminal has: what `COLUMNS` says, or else the terminal itself; 80 if neither."""
    try:
        columns = int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(stream.fileno() if stream else 1).columns
    except (OSError, ValueError, AttributeError):  # ValueError: it is closed
        columns = 0
    return max(columns, NARROWEST) if columns > 0 else 80
