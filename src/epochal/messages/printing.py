"""Lines for people, on streams that may be gone: whatever becomes of them, no training ends by it."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Literal

Name = Literal["stdout", "stderr"]

_told: dict[Name, object] = {}
"""The stream of each name that a warning was about, so that there is one warning a stream."""


def say(line: str, to: Name = "stdout") -> None:
    """Print a line on standard output, or on standard error, if that is possible; see `write`."""
    write(f"{line}\n", to)


def write(text: str, to: Name = "stdout") -> None:
    """Write to the stream that is `sys.stdout` or `sys.stderr` now, and flush it.

    What the stream can't encode is escaped. A stream that fails, whatever it raises, gets one warning, and is tried
    again the next time; None, which programs without a console have, gets nothing.
    """
    stream: Any = getattr(sys, to)
    if stream is None:
        return
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(stream, "encoding", None) or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            _tell_once(
                to, f"can't encode some characters ({encoding}), which are escaped; PYTHONIOENCODING=utf-8 helps"
            )
        if (flush := getattr(stream, "flush", None)) is not None:
            flush()
    except Exception as error:
        _tell_once(to, f"can't be written to ({type(error).__name__}: {error}): what goes there is lost")


def is_terminal(stream: Any) -> bool:
    """Return whether a stream is a terminal; one that can't tell isn't."""
    try:
        return bool(stream.isatty())
    except Exception:  # it has no such method, is closed, or is None
        return False


def warn(text: str, stacklevel: int = 1) -> None:
    """Warn, also where standard error is closed; what a filter makes an error of is raised.

    Args:
        text: The message.
        stacklevel: As in `warnings.warn`, counted from the caller.
    """
    try:
        warnings.warn(text, stacklevel=stacklevel + 1)
    except Warning:
        raise
    except Exception:  # a standard error that raises anything but OSError, as a closed one does
        return


def _tell_once(to: Name, what: str) -> None:
    if _told.get(to) is getattr(sys, to):
        return
    _told[to] = getattr(sys, to)
    text = f"sys.{to} {what}. Training goes on."
    try:
        warn(text, stacklevel=3)
    except Warning:  # a filter made an error of it, but a stream is no reason to end a training
        if to != "stderr":
            say(text, "stderr")
