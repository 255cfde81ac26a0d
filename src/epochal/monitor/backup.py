"""A copy of the monitor's file, made while the monitor writes it."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from .schema import FORMAT


@contextmanager
def reading(db: str | os.PathLike[str]) -> Generator[sqlite3.Connection]:
    """Give a connection that reads the file of a monitor, which may be running.

    Raises:
        ValueError: If it isn't there, is no monitor's or of another version, or can't be read or written on the way.
    """
    path = Path(db)
    if not path.is_file():
        raise ValueError(f"there is no file {path}: name the monitor's with --db.")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10)) as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found != FORMAT:
                ours = (
                    f"its format is {found}, and this is {FORMAT}; a monitor of this version brings older ones up to it"
                )
                raise ValueError(f"{path} can't be read: {ours}.")
            yield connection
    except sqlite3.Error as error:
        raise ValueError(f"{path} can't be read: {error}.") from None


def copy_file(db: str | os.PathLike[str], target: Path) -> None:
    """Copy the monitor's file as it is at one moment, and check the copy.

    Posts go on meanwhile: they are written beside the file, and the copy has those that were acknowledged before.

    Raises:
        ValueError: If the file can't be read, or the copy isn't whole.
        OSError: If the copy can't be written, as on a full disk.
    """
    with reading(db) as source, closing(sqlite3.connect(target)) as copy:
        try:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # so that it is one file, with nothing beside it
            found = copy.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise  # what is damaged came from there, and isn't the copy's fault
            raise OSError(errno.ENOSPC if "full" in str(error) else errno.EIO, str(error)) from None
        if found != "ok":
            raise ValueError(f"{db} is damaged: {found}.")
