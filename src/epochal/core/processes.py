"""Which of the processes that train together this one is, for the rooms that know no framework."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic
from typing import NoReturn


def _alone(topic: str, text: str, is_over: Callable[[], bool] | None = None) -> list[str]:
    return [text]


class Process:
    """A process of those that train together: which it is, what it does, and whether another one has ended.

    The process alone is number 0 of 1, and then everything here is cheap and nothing raises. `initialize` of
    `epochal.distribution` sets the numbers of several; its watch reads the rest from a thread of its own.

    >>> Process().is_primary
    True

    Attributes:
        index: Its number, from 0.
        count: How many processes there are.
        stage: What it does, in words that continue "it …", and since when (`time.monotonic`).
        meetings: How many waits for the others are over.
        waits_since: When the present wait for the others began; None while there is none.
        ended: How another process ended, a whole error text; None as long as all live.
        told: Whether that error was raised here.
        exchange: `(topic, text)`: returns the texts of all processes, in their order; each process must call it. A
            third argument, if any, returns whether to give up.
        collect: `(topic, text)`: the same, but that only the primary gets them; the others get nothing.
        explain: Returns the error to raise where waiting for the others raised one.
        primary_hook: The hook that runs in this process alone, since it is the primary; None outside of such hooks.
    """

    def __init__(self) -> None:
        self.index, self.count = 0, 1
        self.stage = ("runs the script", monotonic())
        self.meetings = 0
        self.waits_since: float | None = None
        self.ended: str | None = None
        self.told = False
        self.exchange: Callable[..., list[str]] = _alone
        self.collect: Callable[[str, str], list[str]] = _alone
        self.explain: Callable[[Exception], Exception] = lambda error: error
        self.primary_hook: str | None = None

    @property
    def is_primary(self) -> bool:
        """Whether this is the process that writes files and prints for all."""
        return self.index == 0

    def at(self, stage: str) -> None:
        """Say what this process does from now on, such as "waits for data", for the others' warnings and errors."""
        self.stage = (stage, monotonic())

    @contextmanager
    def waiting(self) -> Generator[None]:
        """Mark lines that wait for the other processes: what takes part in a collective, or fetches what it yields.

        All processes must go through the same waits in the same order, in the main thread. A wait within another is
        part of that.

        Raises:
            RuntimeError: If another process has ended.
        """
        self.check()
        if self.waits_since is not None:
            yield
            return
        self.waits_since = monotonic()
        try:
            yield
        except Exception as error:
            if (told := self.explain(error)) is error:
                raise
            raise told from error
        finally:
            self.meetings += 1
            self.waits_since = None

    def refuse_alone(self, what: str) -> None:
        """Raise a RuntimeError in a hook that runs on the primary only, since the others don't take part in it.

        Args:
            what: What all processes must do together, such as "evaluate".
        """
        if self.count > 1 and self.primary_hook is not None:
            raise RuntimeError(
                f"{what} takes all processes, and {self.primary_hook} runs on the primary only: do it in a callback "
                f"with primary_only = False, which does the rest where distribution.is_primary()."
            )

    def differ(self, where: str) -> NoReturn:
        """Raise the RuntimeError that says in which moments the processes are, when they should be in the same one."""
        moments = self.exchange("moment", where)
        found = "; ".join(f"process {index} is {moment}" for index, moment in enumerate(moments))
        raise RuntimeError(
            f"the processes do different things: {found}. All of them must call fit, evaluate and predict alike, in "
            f"hooks, too; what only the primary is to do mustn't need the others."
        )

    def check(self) -> None:
        """Raise the RuntimeError that names the process that has ended, if one has."""
        if self.ended is not None:
            raise self.error()

    def error(self) -> RuntimeError:
        """Return the error about the process that has ended; the caller raises it."""
        self.told = True
        return RuntimeError(self.ended)


THIS = Process()
"""The process in which this runs."""
