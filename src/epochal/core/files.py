"""Durable writes: a reader never sees half a file, and a kill never destroys the one before."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_durably(path: str | os.PathLike[str], write: Callable[[Path], None], size: int | None = None) -> None:
    """Replace a file as a whole, on the disk itself.

    A temporary file in the same folder is written, synced and renamed, and the folder is synced. The
    temporary file's name depends on nothing but `path`, so that what a kill leaves is overwritten by the
    next write.

    Args:
        path: The file; missing folders are made.
        write: Writes the content to the path it is given.
        size: About how many bytes it needs, for the message when there is no room.

    Raises:
        OSError: If anything failed; then the file is as it was and the temporary file is gone. Only if the
            folder couldn't be synced, the last thing to be done, the file is new, but perhaps not for long.
    """
    path = Path(path)
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        write(temporary)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            needed = f"; about {size:,} bytes were needed" if size else ""
            reason = os.strerror(error.errno) if error.errno else error  # libraries tell long stories
            raise OSError(error.errno, f"could not write {path}: {reason}{needed}") from error
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        sync(made.parent)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of files, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_writable(folder: Path) -> None:
    """Make a folder and a file in it, and remove the file.

    Raises:
        OSError: If nothing can be written there; says so.
    """
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(error.errno, f"nothing can be written to {folder}: {error.strerror}") from error
