"""The screens on which progress is shown, and which one there is."""

from __future__ import annotations

import os
import sys
from typing import Protocol

from ..messages.printing import is_terminal
from .line import Line
from .notebook import Notebook, is_notebook
from .terminal import Terminal, say_within

MINUTE = 60.0


class Screen(Protocol):
    """The place where a bar is shown.

    Attributes:
        seconds: How often at most a line that will be replaced is shown; None for never.
        redraws: Whether that takes the place of the one before.
    """

    seconds: float | None
    redraws: bool

    def show(self, line: Line) -> None:
        """Show a line that will be replaced."""
        ...

    def finish(self, line: Line) -> None:
        """Show a line that stays."""
        ...

    def end(self) -> None:
        """Leave the screen in order, wherever the training ended."""
        ...


class Plain:
    """Lines that stay, one after the other.

    Args:
        seconds: How often at most a line is printed within an epoch; None for never.
        silent: Whether nothing is printed at all.
    """

    redraws = False

    def __init__(self, seconds: float | None = None, silent: bool = False) -> None:
        self.seconds, self._silent = seconds, silent

    def show(self, line: Line) -> None:
        """Print the line."""
        self.finish(line)

    def finish(self, line: Line) -> None:
        """Print the line."""
        if not self._silent:
            say_within(line)

    def end(self) -> None:
        """Do nothing."""


def screen_for(verbose: int) -> Screen:
    """Return what shows the progress: a terminal or a notebook for 1, and lines where there is none, or for 2.

    Raises:
        ValueError: If `verbose` is none of 0, 1 and 2.
    """
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 0, 1 or 2; got {verbose!r}.")
    if verbose != 1:
        return Plain(silent=not verbose)
    if is_notebook():
        return Notebook()
    return Terminal() if can_redraw() else Plain(MINUTE)


def can_redraw() -> bool:
    """Return whether standard output is a terminal on which a line can take another one's place."""
    return is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"
