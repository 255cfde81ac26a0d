"""One background thread that writes a fit's files, first in, first out."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

PENDING = 16
"""Jobs that may wait, at most; a hook that puts one more waits itself."""


class WriteJob:
    """A piece of work for the writer, which may be waited for."""

    def __init__(self, work: Callable[[], None], failed: Callable[[], None] | None) -> None:
        self._work: Callable[[], None] = work
        self._failed = failed
        self.done = threading.Event()

    def run(self) -> None:
        """Do the work, once; if it raises, call `failed` first."""
        work, self._work = self._work, _do_nothing  # what it holds may be large
        try:
            work()
        except BaseException:
            if self._failed is not None:
                self._failed()
            raise

    def wait(self) -> None:
        """Wait until the work is done, or has failed."""
        self.done.wait()


def _do_nothing() -> None:
    pass


class BackgroundWriter:
    """Does jobs in their order, in a thread that runs from the first one until `close`.

    The first failure is raised by the next `check` or `close`; jobs behind it are done all the same, and
    may look at `failed`.

    Args:
        works: Whether jobs are done; else they count as done at once: another process does them.

    Attributes:
        failed: Whether any job failed, shown or not.
    """

    def __init__(self, works: bool = True) -> None:
        self._works = works
        self._jobs: queue.Queue[WriteJob | None] = queue.Queue(PENDING)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self.failed = False

    def put(self, work: Callable[[], None], failed: Callable[[], None] | None = None) -> WriteJob:
        """Queue a job, and return it.

        Args:
            work: Is called in the writer's thread.
            failed: Is called there if `work` raised, before the failure is shown.
        """
        job = WriteJob(work, failed)
        if not self._works:
            job.done.set()
            return job
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="epochal-writer", daemon=True)
            self._thread.start()
        self._jobs.put(job)
        return job

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job.run()
            except BaseException as error:
                self.failed, self._failure = True, self._failure or error
            job.done.set()

    def check(self) -> None:
        """Raise the first failure, once."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """Wait until everything is written, end the thread, and raise the first failure."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        self.check()
