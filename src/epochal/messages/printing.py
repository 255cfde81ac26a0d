"""Lines for people, on streams that may be gone: whatever becomes of them, no training ends by it."""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import Any, Literal

Name = Literal["stdout", "stderr"]

NOT_THE_USER = (__name__.partition(".")[0], "contextlib", "flax", "functools", "jax", "keras", "optax", "threading")
"""The packages whose lines a warning isn't about."""

_told: dict[Name, object] = {}
"""The stream of each name that a warning was about, so that there is one warning a stream."""


_speaks = True
"""Whether this process says on standard output what it does: of several that do the same only one does."""


def let_another_speak() -> None:
    """Say nothing on standard output from now on, since another process says it."""
    global _speaks
    _speaks = False


def say(line: str, to: Name = "stdout") -> None:
    """Print a line on standard output, or on standard error, if that is possible; see `write`."""
    if _speaks or to != "stdout":
        write(f"{line}\n", to)


def write(text: str, to: Name = "stdout") -> None:
    """Write to the stream that is `sys.stdout` or `sys.stderr` now, and flush it; see `write_to`."""
    write_to(getattr(sys, to), text, to)


def write_to(stream: Any, text: str, name: Name = "stdout") -> None:
    """Write to a stream, and flush it.

    What the stream can't encode is escaped, but for `…`, which has another spelling. A stream that fails, whatever it
    raises, gets one warning, and is tried again the next time; None, which programs without a console have, gets
    nothing.

    Args:
        stream: Is written to.
        text: Whole, with its line's end.
        name: Of the stream, in the warning.
    """
    if stream is None:
        return
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(stream, "encoding", None) or "ascii"
            escaped = text.replace("…", "...").encode(encoding, "backslashreplace").decode(encoding)
            stream.write(escaped)
            if escaped != text.replace("…", "..."):
                _tell_once(
                    name, f"can't encode some characters ({encoding}), which are escaped; PYTHONIOENCODING=utf-8 helps"
                )
        if (flush := getattr(stream, "flush", None)) is not None:
            flush()
    except Exception as error:
        _tell_once(name, f"can't be written to ({type(error).__name__}: {error}): what goes there is lost")


def is_terminal(stream: Any) -> bool:
    """Return whether a stream is a terminal; one that can't tell isn't."""
    try:
        return bool(stream.isatty())
    except Exception:  # it has no such method, is closed, or is None
        return False


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the user's line, also where standard error is closed; what a filter makes an error of is raised.

    The user's line is the innermost one that is neither in this package nor in a library that calls the package back.

    Args:
        text: The message.
        category: Its class, by which it can be filtered.
    """
    try:
        warnings.warn(text, category, stacklevel=_level_of_user())
    except Warning:
        raise
    except Exception:  # a standard error that raises anything but OSError, as a closed one does
        return


def _level_of_user() -> int:
    """Return the `stacklevel` for `warn` to give: that of the user's line, else of the line that calls `warn`."""
    here = inspect.currentframe()
    frame, level = (here.f_back.f_back, 2) if here and here.f_back else (None, 2)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in NOT_THE_USER:
            return level
        frame, level = frame.f_back, level + 1
    return 2


def _tell_once(to: Name, what: str) -> None:
    if _told.get(to) is getattr(sys, to):
        return
    _told[to] = getattr(sys, to)
    text = f"sys.{to} {what}. Training goes on."
    try:
        warn(text)
    except Warning:  # a filter made an error of it, but a stream is no reason to end a training
        if to != "stderr":
            say(text, "stderr")
