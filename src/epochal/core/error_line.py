"""An error in one line, with the place in the user's code that it comes from."""

from __future__ import annotations

import traceback
from pathlib import Path

PACKAGE = str(Path(__file__).parents[1])
LONGEST = 300


def error_line(error: BaseException) -> str:
    """Return an error's type and words, and the file and line of the user's that it comes from.

    >>> try:
    ...     raise ValueError("shapes (3,) and (4,)")
    ... except ValueError as error:
    ...     print(error_line(error).partition(" (<")[0])
    ValueError: shapes (3,) and (4,)
    """
    words = " ".join(str(error).split())
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if not frame.filename.startswith(PACKAGE) and "-packages" not in frame.filename]
    place = next(iter((users or frames)[::-1]), None)
    shown = said if len(said) <= LONGEST else said[:LONGEST] + "…"
    return shown if place is None else f"{shown} ({Path(place.filename).name}:{place.lineno})"
