"""What stands in the place of `sys.stdout` and `sys.stderr` while a line is redrawn there."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Protocol, TextIO, cast

Name = Literal["stdout", "stderr"]


class Owner(Protocol):
    """Whose line is redrawn."""

    def write_above(self, stream: TextIO, text: str) -> int:
        """Write a text that somebody else prints, above the line."""
        ...

    def give_way(self) -> None:
        """Take the line away: somebody is about to write there by himself."""
        ...


class Guard:
    """A stream that lets what is written to it stand above a line that is redrawn; in all else the stream itself.

    Whoever keeps it beyond its time, and a forked process, writes to the stream as if this weren't there. Who asks for
    the file beneath it (`fileno`, `buffer`), as `input` does, writes past this, so the line gives way.

    Args:
        name: Which stream it stands for.
        owner: Whose line it is.
    """

    def __init__(self, name: Name, owner: Owner) -> None:
        self._name: Name = name
        self.stream: TextIO = getattr(sys, name)
        self._owner: Owner | None = owner
        self._process = os.getpid()

    @property
    def is_in_place(self) -> bool:
        """Whether it still is what others write to: somebody may have put another stream in its place."""
        return getattr(sys, self._name) is self

    def enter(self) -> None:
        """Take the place of the stream, for those who have kept it for their logging, too."""
        setattr(sys, self._name, self)
        _exchange_in_handlers(self.stream, cast("TextIO", self))

    def leave(self) -> None:
        """Give the place back, unless another one has it by now."""
        self._owner = None
        below = self.stream
        while isinstance(below, Guard) and below._owner is None:  # of a fit in another thread that has ended since
            below = below.stream
        if self.is_in_place:
            setattr(sys, self._name, below)
        _exchange_in_handlers(cast("TextIO", self), below)

    def write(self, text: str) -> int:
        """Write a text above the line."""
        if (owner := self._acting_owner) is None:
            return self.stream.write(text)
        return owner.write_above(self.stream, text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts above the line."""
        for line in lines:
            self.write(line)

    def fileno(self) -> int:
        """Return the number of the file, to which somebody is going to write."""
        self._give_way()
        return self.stream.fileno()

    @property
    def buffer(self) -> Any:
        """The bytes below, to which somebody is going to write."""
        self._give_way()
        return self.stream.buffer

    def _give_way(self) -> None:
        if (owner := self._acting_owner) is not None:
            owner.give_way()

    @property
    def _acting_owner(self) -> Owner | None:
        return self._owner if self._process == os.getpid() else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.stream)


def _exchange_in_handlers(old: TextIO, new: TextIO) -> None:
    """Let the handlers of `logging` that write to one stream write to another one."""
    references: list[Any] = list(getattr(logging, "_handlerList", ()))  # those that no logger has, too
    for handler in [reference() for reference in references]:
        if isinstance(handler, logging.StreamHandler) and cast("Any", handler).stream is old:
            cast("Any", handler).setStream(new)
