"""Durable writes: a reader never sees half a file, and a kill never destroys the one before."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import socket
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from ..messages.printing import warn

NOT_SUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
"""Errors of file systems that can't do something: sync a folder, or lock a file."""

PARTIAL = ".partial"
"""What the names of temporary files have in them, after their owner."""

STALE_SECONDS = 86400.0
"""The age from which another machine's temporary file counts as left by a kill."""

_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
_numbers = itertools.count()
_in_use: set[Path] = set()  # temporary files of this process
_told: set[str] = set()


def tell_again() -> None:
    """Let the next warning about what a file system can't do be shown; there is one of each kind a fit."""
    _told.clear()


def warn_once(kind: str, text: str) -> None:
    """Warn of what a file system can't do, unless it was told."""
    if kind not in _told:
        _told.add(kind)
        warn(text)


def write_durably(
    path: str | os.PathLike[str], write: Callable[[Path], None], size: int | None = None, suffix: str = ""
) -> None:
    """Replace a file as a whole, on the disk itself.

    A temporary file in the same folder is written, synced and renamed, and the folder is synced. The temporary
    file's name is this process's own, so that several may write to one path; what a kill left there is removed.
    A symbolic link stays, and the file that it leads to is replaced.

    Args:
        path: The file; missing folders are made.
        write: Writes the content to the path it is given.
        size: About how many bytes it needs, for the message when there is no room.
        suffix: How the temporary file's name must end, for libraries that go by it.

    Raises:
        OSError: If anything failed; then the file is as it was and the temporary file is gone. Only if the
            folder couldn't be synced, the last thing to be done, the file is new, but perhaps not for long.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    temporary = _temporary(target, suffix)
    _in_use.add(temporary)
    try:
        make_folder(target.parent)
        _remove_leftovers(target)
        write(temporary)
        sync(temporary)
        os.replace(temporary, target)
        sync(target.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            needed = f"; about {size:,} bytes were needed" if size else ""
            reason = os.strerror(error.errno) if error.errno else error  # libraries tell long stories
            raise OSError(error.errno, f"could not write {path}: {reason}{needed}") from error
        raise
    finally:
        _in_use.discard(temporary)


def _stem(path: Path) -> str:
    """Return how the names of a file's temporary files begin; cut, since a name has 255 bytes at most."""
    return "." + os.fsdecode(os.fsencode(path.name)[:180]) + "."


def _temporary(path: Path, suffix: str) -> Path:
    return path.with_name(f"{_stem(path)}{_HOST}-{os.getpid()}-{next(_numbers)}{PARTIAL}{suffix}")


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of processes that are no more."""
    stem = _stem(path)
    for name in os.listdir(path.parent):
        if name.startswith(stem) and PARTIAL in name:
            left = path.with_name(name)
            with contextlib.suppress(OSError):
                if _is_left(left, name.removeprefix(stem).partition(PARTIAL)[0].split("-")):
                    left.unlink(missing_ok=True)


def _is_left(path: Path, owner: list[str]) -> bool:
    if len(owner) != 3 or owner[0] != _HOST or not owner[1].isdecimal():
        return len(owner) == 3 and time.time() - path.stat().st_mtime > STALE_SECONDS
    if int(owner[1]) == os.getpid():
        return path not in _in_use
    if os.name == "nt":  # where `os.kill` would end it
        return time.time() - path.stat().st_mtime > STALE_SECONDS
    try:
        os.kill(int(owner[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it is there, and somebody else's
    return False


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably; others may do so at the same time."""
    folder = Path(os.path.realpath(folder))
    for attempt in reversed(range(10)):
        try:
            missing = [f for f in (folder, *folder.parents) if not f.exists()]
            for made in reversed(missing):
                made.mkdir(exist_ok=True)
                sync(made.parent)
            return
        except OSError as error:  # somebody may remove what was just made, or a server may forget it
            if not attempt or error.errno not in (errno.ENOENT, errno.EEXIST, errno.ESTALE):
                raise


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of files, is on the disk; warn where that can't be asked for."""
    handle = None
    try:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED and not (handle is None and _is_closed_folder(path, error)):
            raise
        warn_once("sync", f"{path} can't be synced ({error.strerror}): what is written may be lost in a power cut.")
    finally:
        if handle is not None:
            os.close(handle)


def _is_closed_folder(path: Path, error: OSError) -> bool:
    """Return whether a folder can't be opened for want of a right that writing into it doesn't need."""
    return error.errno in (errno.EACCES, errno.EPERM, errno.EISDIR) and os.path.isdir(path)


def sync_if_there(path: Path) -> None:
    """Wait as `sync` does, unless the file is gone, which others may have removed."""
    with contextlib.suppress(FileNotFoundError):
        sync(path)


def digest_of_file(path: str | os.PathLike[str]) -> str | None:
    """Return a digest of a file's content; None if there is no such file."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:24]
    except (FileNotFoundError, NotADirectoryError):
        return None


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
