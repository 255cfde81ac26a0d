"""What whoever shows the progress of a training is told by those who don't know that there is one."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from .printing import say


class Bar(Protocol):
    """Shows the progress of what this thread does."""

    def compiling(self) -> None:
        """Something begins to be compiled."""
        ...

    def remark(self, line: str) -> None:
        """Say a line behind the epoch's own."""
        ...


class _Here(threading.local):
    """What is so in one thread: its bars, the innermost fit's last, and the seconds that it has compiled in all."""

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self.compiled = 0.0
        self.is_compiling = False


_here = _Here()


def open_bar(bar: Bar) -> None:
    """Tell a bar from now on what this thread does."""
    _here.bars.append(bar)


def close_bar(bar: Bar) -> None:
    """Tell a bar nothing more; one that isn't open stays so."""
    _here.bars = [other for other in _here.bars if other is not bar]


def remark(line: str) -> None:
    """Say something about the epoch that ends: behind the epoch's own line, if a bar is going to print one."""
    if _here.bars:
        _here.bars[-1].remark(line)
    else:
        say(line)


@contextmanager
def compiling() -> Generator[None]:
    """Let it be known that what is done here is compiling, which takes its time, and isn't the steps' pace."""
    if _here.is_compiling:  # within it
        yield
        return
    started, _here.is_compiling = time.perf_counter(), True
    for bar in _here.bars[-1:]:
        bar.compiling()
    try:
        yield
    finally:
        _here.is_compiling = False
        _here.compiled += time.perf_counter() - started


def seconds_compiled() -> float:
    """Return for how many seconds this thread has compiled in all."""
    return _here.compiled
