"""Many posts, one commit: posts that come while a commit reaches the disk share the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice

from .changes import Added, Change
from .event import PostedEvent
from .store import Store

MAX_TOGETHER = 500
"""Events in one commit, about."""


Command = Sequence[PostedEvent] | Callable[[Store], Change | None]
"""The events of a post, or what else is to be done with the store, which returns what it changed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a command.

    Attributes:
        changes: What it changed; nothing where all of it was there already.
        error: Why some or all of it was refused.
    """

    changes: list[Change]
    error: Exception | None = None


class BusyError(Exception):
    """More posts wait than may; come again later."""


class CommitQueue:
    """Commands that wait for a commit; a thread applies them in the order in which they came.

    Args:
        store: Where runs are kept; written by that thread alone.
        tell: Called in the event loop with the changes of each commit.
        waiting: How many commands may wait; more raise `BusyError`.
    """

    def __init__(self, store: Store, tell: Callable[[list[Change]], None], waiting: int) -> None:
        self._store, self._tell, self._may_wait = store, tell, waiting
        self._waiting: deque[tuple[Command, asyncio.Future[list[Change]]]] = deque()
        self._news = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, "epochal-monitor-writer")
        self._task = asyncio.create_task(self._work())

    async def write(self, command: Command) -> list[Change]:
        """Return what a command changed, once that is on the disk.

        Raises:
            BusyError: If too many commands wait.
            BadEventError: If one of the events is refused, or another error of it; the others are on the disk.
            StopError: If the command is to stop a run that can't be stopped.
            sqlite3.Error: If it couldn't be committed.
        """
        if len(self._waiting) >= self._may_wait:
            raise BusyError
        done: asyncio.Future[list[Change]] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, done))
        self._news.set()
        return await done

    async def close(self) -> None:
        """Commit the commands that wait, then end the thread."""
        self._closing = True
        self._news.set()
        await self._task
        self._thread.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting or not self._closing:
            await self._news.wait()
            together = self._next()
            outcomes = await loop.run_in_executor(self._thread, self._outcomes, [command for command, _ in together])
            self._tell([change for outcome in outcomes for change in outcome.changes])
            for (_, done), outcome in zip(together, outcomes, strict=True):
                _answer(done, outcome)
            if not self._waiting and not self._closing:
                self._news.clear()

    def _next(self) -> list[tuple[Command, asyncio.Future[list[Change]]]]:
        """Take the commands that share the next commit."""
        taken: list[tuple[Command, asyncio.Future[list[Change]]]] = []
        events = 0
        while self._waiting and events < MAX_TOGETHER:
            taken.append(self._waiting.popleft())
            command = taken[-1][0]
            events += 1 if callable(command) else len(command)
        return taken

    def _outcomes(self, commands: list[Command]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for _, alike in groupby(commands, key=callable):
            group = list(alike)
            posts = [command for command in group if not callable(command)]
            others = [command for command in group if callable(command)]
            outcomes += self._added(posts) if posts else [self._done(command) for command in others]
        return outcomes

    def _done(self, command: Callable[[Store], Change | None]) -> Outcome:
        """Do something in a commit of its own, and return the outcome."""
        try:
            change = command(self._store)
        except Exception as error:
            return Outcome([], error)
        return Outcome([] if change is None else [change])

    def _added(self, posts: Sequence[Sequence[PostedEvent]]) -> list[Outcome]:
        """Commit the events of posts together, and return the outcome of each post."""
        try:
            found = iter(self._store.add([event for post in posts for event in post]))
        except Exception as error:  # a full disk, a locked file: everybody is told, and the next commit is tried
            return [Outcome([], error)] * len(posts)
        outcomes: list[Outcome] = []
        for post in posts:
            of_events = list(islice(found, len(post)))
            refused = next((outcome for outcome in of_events if isinstance(outcome, Exception)), None)
            outcomes.append(Outcome([outcome for outcome in of_events if isinstance(outcome, Added)], refused))
        return outcomes


def _answer(done: asyncio.Future[list[Change]], outcome: Outcome) -> None:
    if done.done():  # cancelled: the client has gone
        return
    if outcome.error is not None:
        done.set_exception(outcome.error)
    else:
        done.set_result(outcome.changes)
