"""An output of a notebook's cell that is updated in place."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, TextIO

from ..messages.printing import say
from .guard import Guard
from .line import Line

REDRAW_SECONDS = 0.1

MOST_LINES = 200
"""Lines of one output: all of them are sent each time, so that there is another one for more."""


class Notebook:
    """Shows lines in an output of their own, and above the last one what others print meanwhile.

    Where the notebook can't show it, lines are printed as anywhere else.
    """

    redraws = True

    def __init__(self) -> None:
        self.seconds: float | None = REDRAW_SECONDS
        self._text = ""  # that stays
        self._line: Line | None = None  # that is replaced
        self._shown, self._updated = "", 0.0
        self._handle: Any = None
        self._fails = False
        self._guard: Guard | None = None
        self._lock = threading.RLock()

    def show(self, line: Line) -> None:
        """Replace the last line."""
        with self._lock:
            self._line = line
            self._update()

    def finish(self, line: Line) -> None:
        """Keep a line."""
        with self._lock:
            self._line = None
            if self._fails:
                say(line.within())
                return
            self._text = f"{self._whole_lines()}{line.within()}\n"
            self._update()

    def end(self) -> None:
        """Show what there is to show, and let others print into the cell again."""
        with self._lock:
            if self._shown != self._all_text():
                self._update(at_once=True)
            if self._guard is not None:
                self._guard.leave()
            self._guard = self._handle = self._line = None
            self._text = self._shown = ""

    def write_above(self, stream: TextIO, text: str) -> int:
        """Put a text that somebody else prints above the last line."""
        with self._lock:
            if self._fails:
                return stream.write(text)
            self._text += text
            if "\r" in self._text:
                *lines, last = self._text.split("\n")
                returns = "\r" if last.endswith("\r") else ""
                self._text = "\n".join([*map(_overwritten, lines), _overwritten(last) + returns])
            self._update()
        return len(text)

    def give_way(self) -> None:
        """Do nothing: what is written past this comes elsewhere."""

    def _whole_lines(self) -> str:
        """Return what stays, with a line's end at its end."""
        text = self._text.rstrip("\r")
        return text if not text or text.endswith("\n") else f"{text}\n"

    def _all_text(self) -> str:
        return (self._whole_lines() + (self._line.within() if self._line is not None else "")).rstrip("\n")

    def _update(self, at_once: bool = False) -> None:
        """Bring the output up to date, unless it was a moment ago."""
        is_early = self._handle is not None and time.perf_counter() - self._updated < REDRAW_SECONDS
        if self._fails or (is_early and not at_once):
            return
        try:
            if self._text.count("\n") > MOST_LINES:
                self._send(self._text.rstrip("\n"))
                self._handle, self._text = None, ""
            if (text := self._all_text()) or self._handle is not None:
                self._send(text)
        except Exception:  # the front end has gone, or is another one than it said
            self._fails, text, self._text = True, self._text.rstrip("\n"), ""
            if text:
                say(text)
        self._updated = time.perf_counter()

    def _send(self, text: str) -> None:
        from IPython.display import display  # pyright: ignore

        output, self._shown = {"text/plain": text}, text
        if self._handle is None:
            self._handle: Any = display(output, raw=True, display_id=True)
            if self._guard is None:
                self._guard = Guard("stdout", self)
                self._guard.enter()
        else:
            self._handle.update(output, raw=True)


def _overwritten(line: str) -> str:
    """Return what a terminal would show of a line whose carriage returns let its end stand in the place of the rest."""
    return line.rstrip("\r").rpartition("\r")[2]


def is_notebook() -> bool:
    """Return whether this runs in the cell of a notebook."""
    if "ipykernel" not in sys.modules or "IPython" not in sys.modules:
        return False
    shell = getattr(sys.modules["IPython"], "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"
