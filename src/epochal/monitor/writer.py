"""Many posts, one commit: what comes while a commit reaches the disk goes into the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from .event import Event
from .store import Change, Store

MAX_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Delete:
    """The wish to delete a run."""

    run: str


Job = Event | Delete
Outcome = Change | None | Exception


class BusyError(Exception):
    """More posts wait than may; come again later."""


class Writer:
    """Applies jobs in a thread of its own, in the order they came, and answers each when it is committed.

    Args:
        store: Where to.
        tell: Called in the event loop with the changes of each commit.
        waiting: How many jobs may wait; more raise `BusyError`.
    """

    def __init__(self, store: Store, tell: Callable[[list[Change]], None], waiting: int) -> None:
        self._store, self._tell, self._may_wait = store, tell, waiting
        self._waiting: list[tuple[Job, asyncio.Future[Change | None]]] = []
        self._news = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, "epochal-monitor-writer")
        self._task = asyncio.create_task(self._work())

    async def write(self, job: Job) -> Change | None:
        """Return what the job changed, once that is on the disk; None if it was there already.

        Raises:
            BusyError: If too many jobs wait.
            BadEventError: If the job is refused.
            sqlite3.Error: If it couldn't be committed.
        """
        if len(self._waiting) >= self._may_wait:
            raise BusyError
        done: asyncio.Future[Change | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, done))
        self._news.set()
        return await done

    async def close(self) -> None:
        """Commit what waits, then end the thread."""
        self._closing = True
        self._news.set()
        await self._task
        self._thread.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting or not self._closing:
            await self._news.wait()
            together, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
            outcomes = await loop.run_in_executor(self._thread, self._outcomes, [job for job, _ in together])
            self._tell([o for o in outcomes if o is not None and not isinstance(o, Exception)])
            for (_, done), outcome in zip(together, outcomes, strict=True):
                _answer(done, outcome)
            if not self._waiting and not self._closing:
                self._news.clear()

    def _outcomes(self, jobs: list[Job]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for _, alike in groupby(jobs, key=type):
            group = list(alike)
            try:
                outcomes += self._store.add([job for job in group if isinstance(job, Event)])
                outcomes += [self._store.delete(job.run) for job in group if isinstance(job, Delete)]
            except Exception as error:  # a full disk, a locked file: everybody is told, and the next commit is tried
                outcomes += [error] * len(group)
        return outcomes


def _answer(done: asyncio.Future[Change | None], outcome: Outcome) -> None:
    if done.done():  # cancelled: the client has gone
        return
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
