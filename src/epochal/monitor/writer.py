"""Many posts, one commit: what waits while a commit reaches the disk goes into the next one."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from .store import Change, Job, Store

MAX_TOGETHER = 500


class BusyError(Exception):
    """More posts wait than may; come again later."""


class Writer:
    """Applies jobs in a thread, in the order they came, and answers each when it is committed.

    Args:
        store: Where to.
        tell: Called in the event loop with the changes of each commit.
        waiting: How many jobs may wait; more raise `BusyError`.
    """

    def __init__(self, store: Store, tell: Callable[[list[Change]], None], waiting: int) -> None:
        self._store, self._tell, self._may_wait = store, tell, waiting
        self._waiting = 0
        self._jobs: queue.SimpleQueue[tuple[Job, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="epochal-monitor-writer", daemon=True)
        self._thread.start()

    async def write(self, job: Job) -> Change | None:
        """Return what the job changed, once that is on the disk; None if it was there already.

        Raises:
            BusyError: If too many jobs wait.
            BadEventError: If the job is refused.
            sqlite3.Error: If it couldn't be committed.
        """
        if self._waiting >= self._may_wait:
            raise BusyError
        done: asyncio.Future[Change | None] = self._loop.create_future()
        self._waiting += 1
        self._jobs.put((job, done))
        return await done

    async def close(self) -> None:
        """Commit what waits, then end the thread."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while (taken := self._jobs.get()) is not None:
            together = [taken]
            while len(together) < MAX_TOGETHER and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    self._jobs.put(None)
                    break
                together.append(following)
            outcomes = self._outcomes([job for job, _ in together])
            self._loop.call_soon_threadsafe(self._answer, [done for _, done in together], outcomes)

    def _outcomes(self, jobs: list[Job]) -> list[Change | None | Exception]:
        try:
            return self._store.apply(jobs)
        except Exception as error:  # a full disk, a locked file: everybody is told, and the next commit is tried
            return [error] * len(jobs)

    def _answer(self, waiting: list[asyncio.Future[Any]], outcomes: list[Change | None | Exception]) -> None:
        self._waiting -= len(waiting)
        self._tell([o for o in outcomes if o is not None and not isinstance(o, Exception)])
        for done, outcome in zip(waiting, outcomes, strict=True):
            if done.cancelled():
                continue
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)
