"""Tracebacks of failed fits: the user's frames, and one of this package's own."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from collections.abc import Callable, Iterator
from types import CodeType, TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

SETTING = "EPOCHAL_TRACEBACK"
"""The environment variable that decides: "full" leaves tracebacks as they are."""

OWN = __name__.partition(".")[0]

LEFT_OUT = frozenset(
    (OWN, "concurrent", "contextlib", "flax", "functools", "importlib", "jax", "jaxlib", "keras", "optax", "threading")
)
"""The packages whose frames say nothing about what a user has written."""

NOTE = f"Frames of {OWN} and below are left out; {SETTING}=full shows them."

_entries: set[CodeType] = set()
"""The code of the methods by which a user's code calls this package's."""


def shows_users_frames(method: Callable[P, R]) -> Callable[P, R]:
    """Wrap a method that users call, so that tracebacks of what it raises are about their own code.

    Frames of callbacks, layers, losses and generators stay, and so does one of this package: that of the method where
    it has called the user's code, else the one that raised the error. Causes and contexts are shortened, and stay.
    """
    _entries.add(inspect.unwrap(method).__code__)

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except BaseException as error:
            if os.environ.get(SETTING, "").lower() != "full":
                _shorten(error)
            raise

    return call


def _shorten(error: BaseException) -> None:
    is_shorter = False
    for each in _chain(error):
        frames = list(_frames(each.__traceback__))
        kept = _kept(frames)
        is_shorter = is_shorter or len(kept) < len(frames)
        each.with_traceback(_linked(kept))  # which asks no `__setattr__` of the user's
    if is_shorter:
        with contextlib.suppress(Exception):  # an error may refuse notes, and is raised all the same
            if NOTE not in getattr(error, "__notes__", ()):
                error.add_note(NOTE)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _kept(frames: list[TracebackType]) -> list[TracebackType]:
    """Return the frames that stay, outermost first."""
    users = [at for at, each in enumerate(frames) if _package(each) not in LEFT_OUT]
    last_users = users[-1] if users else -1
    own_behind = [at for at in range(last_users + 1, len(frames)) if _package(frames[at]) == OWN]
    entries = [at for at in range(last_users) if frames[at].tb_frame.f_code in _entries]
    return [frames[at] for at in sorted({*users, *entries, *own_behind[-1:]})]


def _package(traceback: TracebackType) -> str:
    return str(traceback.tb_frame.f_globals.get("__name__")).partition(".")[0]


def _linked(frames: list[TracebackType]) -> TracebackType | None:
    """Return a traceback of these frames."""
    linked = None
    for each in reversed(frames):
        linked = TracebackType(linked, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return linked
