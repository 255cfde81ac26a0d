"""A SQLite file that one process has: opened, locked, and written as a whole or not at all."""

from __future__ import annotations

import functools
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None


class Database:
    """The file, its one connection that writes, and as many that read as are wanted.

    Args:
        path: The file; made, readable by its owner only, if it isn't there.
        schema: The statements that make its tables.
        version: The schema's number, which is kept in the file.
        migrate: Called with the connection and the number of an earlier schema, to bring the tables to this one.

    Attributes:
        writer: The connection that writes, in one thread at a time.

    Raises:
        ValueError: If the file is of another program, of a later version of this one, or another process has it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        schema: str,
        version: int,
        migrate: Callable[[sqlite3.Connection, int], None],
    ) -> None:
        self.path = Path(path)
        self._place = os.fspath(path)
        self._places_beside = [f"{self._place}-wal", f"{self._place}-shm"]  # the log and its index
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600))
        self._file = _identity(self._place)
        self._lock = _locked(self.path.with_name(f"{self.path.name}-lock"))
        try:
            self._open()
            self._prepare(schema, version, migrate)
            self.writer.execute("PRAGMA foreign_keys = ON")
            self._beside = self._files_beside()
        except (sqlite3.Error, ValueError) as error:
            self.close()
            raise ValueError(f"{self.path} is no file of this monitor: {error}. Name another with --db.") from None

    def connect(self, **options: Any) -> sqlite3.Connection:
        """Return a connection that reads."""
        there = f"{self.path.absolute().as_uri()}?mode=rw"  # a reader must not make a file that has been taken away
        return sqlite3.connect(there, uri=True, isolation_level=None, timeout=10, **options)

    def size(self) -> int:
        """Return how many bytes the file has, its write-ahead log included."""
        places = [self._place, *self._places_beside]
        return sum(os.stat(place).st_size for place in places if os.path.exists(place))

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit the writes of a `with` block, or none of them if it raises; a commit survives the process.

        Raises:
            sqlite3.Error: If it couldn't be committed, or the file isn't there any more.
        """
        self._keep()
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.writer.execute("COMMIT")
        except BaseException:
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK")
            raise
        self._keep()  # before anybody is told that it is kept

    def close(self) -> None:
        """Close the file; its write-ahead log is folded into it."""
        if hasattr(self, "writer"):
            self.writer.close()
        if hasattr(self, "_beside") and _identity(self._place) != self._file:
            self._clear_away()
        self._lock.close()

    def _keep(self) -> None:
        """Raise, or mend it, if a commit doesn't lie where a restart will look for it.

        A write-ahead log that somebody has removed is still open here, and the only place of what isn't in the file
        yet: that is moved into the file, and a new log begun.
        """
        if _identity(self._place) != self._file:  # what is written now would be gone with the next restart
            raise sqlite3.OperationalError(f"{self.path} has been taken away; start the monitor again")
        if self._files_beside() == self._beside:
            return
        busy, *_ = self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError(
                f"the write-ahead log of {self.path} was removed, and readers are in the way"
            )
        self.writer.close()
        self._open()
        self.writer.execute("PRAGMA foreign_keys = ON")
        self.writer.execute("BEGIN IMMEDIATE")  # which makes the new log
        self.writer.execute("ROLLBACK")
        self._beside = self._files_beside()

    def _clear_away(self) -> None:
        """Remove the log of a file that is gone, before it is taken for that of another one in its place."""
        for place, own in zip(self._places_beside, self._beside, strict=True):
            if own is not None and _identity(place) == own:
                Path(place).unlink(missing_ok=True)

    def _files_beside(self) -> list[tuple[int, int] | None]:
        """Return the identities of the log and its index."""
        return [_identity(place) for place in self._places_beside]

    def _open(self) -> None:
        self.writer = self.connect(check_same_thread=False)
        self.writer.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives a power cut too

    def _prepare(self, schema: str, version: int, migrate: Callable[[sqlite3.Connection, int], None]) -> None:
        found = self.writer.execute("PRAGMA user_version").fetchone()[0]
        if found > version:
            raise ValueError(f"a later epochal wrote it (format {found}; this one reads {version})")
        if found == 0 and self.writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise ValueError("another program's tables are in it")
        self.writer.execute("PRAGMA journal_mode = WAL")
        if found == 0:
            self.writer.executescript(f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {version}; COMMIT;")
        elif found < version:
            self.writer.execute("PRAGMA foreign_keys = OFF")  # else the points of a run would go with its old row
            self.writer.execute("BEGIN IMMEDIATE")
            migrate(self.writer, found)
            self.writer.execute(f"PRAGMA user_version = {version}")
            self.writer.execute("COMMIT")


def _identity(place: str) -> tuple[int, int] | None:
    """Return the identity of the file at a place, None if there is none; asked for twice at each commit."""
    try:
        found = os.stat(place)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _locked(path: Path) -> IO[str]:
    """Return a file that only one process has at a time; the lock dies with the process.

    Raises:
        ValueError: If another one has it.
    """
    lock = open(path, "a+", opener=functools.partial(os.open, mode=0o600))  # noqa: SIM115
    if fcntl is not None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ValueError(
                f"another monitor has {path.name.removesuffix('-lock')}: name another with --db."
            ) from None
    return lock
