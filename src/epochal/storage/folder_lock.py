"""A folder that one run at a time may use."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from . import files

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None


class FolderLock:
    """Keeps a folder for one owner, until `close` or the end of the process.

    Args:
        folder: Where the file `lock` is made.

    Raises:
        RuntimeError: If somebody else has it; says who.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._file = open(self._path, "a+")  # noqa: SIM115
        try:
            self._take(folder)
        except BaseException:
            self._file.close()
            raise
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        _held.add(self)

    def _take(self, folder: Path) -> None:
        mine = self.file_id()
        if any(lock.is_held() and lock.file_id() == mine for lock in list(_held)):
            raise RuntimeError(
                f"{folder} is used by this process, pid {os.getpid()}, already: give each BackupAndRestore a folder of "
                f"its own."
            )
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            raise RuntimeError(f"{folder} is used by another process, pid {self._file.read().strip()}.") from None
        except OSError as error:
            if error.errno not in files.NOT_SUPPORTED:
                raise
            files.warn_once(
                "lock", f"{folder} can't be locked ({error.strerror}): see to it that no other process uses it."
            )

    def file_id(self) -> tuple[int, int]:
        """Return the device and the number of the locked file, which no other file has."""
        status = os.fstat(self._file.fileno())
        return status.st_dev, status.st_ino

    def is_held(self) -> bool:
        """Return whether the folder still has the file that was locked, which others may have removed or replaced."""
        try:
            status = os.stat(self._path)
        except OSError:
            return False
        return not self._file.closed and (status.st_dev, status.st_ino) == self.file_id()

    def close(self) -> None:
        """Release the folder."""
        _held.discard(self)
        self._file.close()


_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _close_in_child() -> None:
    """Close what a forked process has inherited: it would go on holding it."""
    for lock in list(_held):
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
