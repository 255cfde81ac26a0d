"""Event files: records of `Event` messages that TensorBoard reads while they grow."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from ..messages.printing import warn
from ..storage.files import make_folder, sync_if_there
from ..storage.writer import BackgroundWriter, WriteJob
from .protos import Event, Message, SessionLog, Summary
from .records import frame, whole_records

PENDING = 4096
"""Events that may wait; who logs one more waits until those are written."""

FIRST_RECORDS = 2
"""Every file begins with the version of its format and a session start."""

TOGETHER = 256
"""Events that are written in one piece."""


class Entry(NamedTuple):
    """Something logged that isn't written yet; `fields` are the message's and are made in the writer's thread."""

    step: int
    time: float
    fields: Callable[[], Mapping[str, object]]


class EventFile:
    """The events of one fit in one folder, written in the background in the order in which they are logged.

    The file is opened at the first event. It begins with a session start, at which TensorBoard forgets what it has
    read before from the folder's other files with that step or a later one.

    Args:
        folder: Where it is; made if there is none.
        fit: Distinguishes the files of this fit, in all of its processes, from others in the folder.
        first_step: The step of the session start.
        resumed: Whether the fit goes on. Then what it wrote after `mark` is removed before the file is opened.
        mark: Where the fit goes on: the result of `mark` when it was saved; None if it had no file yet.
        writer: Does the work.
    """

    def __init__(
        self,
        folder: Path,
        fit: str,
        writer: BackgroundWriter,
        first_step: int,
        resumed: bool = False,
        mark: tuple[str, int] | None = None,
    ) -> None:
        self._folder, self._fit, self._writer = folder, fit, writer
        self._first_step, self._resumed, self._resumed_from = first_step, resumed, mark
        self._path: Path | None = None
        self._file: IO[bytes] | None = None
        self._failed = False  # then what is logged is dropped: one failure is told once
        self._end = self._synced = 0  # bytes of whole records, and those that are on the disk
        self._waiting: deque[Entry] = deque()
        self._logged = 0
        self._job: WriteJob | None = None
        self._job_is_due = False

    def log(self, step: int, values: Callable[[], Iterable[Message]]) -> WriteJob:
        """Log summary values.

        Args:
            step: Their step.
            values: Returns `Summary.Value` messages; called in the writer's thread.

        Returns:
            A job to wait for until they are written and handed to the operating system.
        """
        return self._log(step, lambda: {"summary": Summary(value=values())})

    def log_graph(self, graph_def: Callable[[], bytes]) -> WriteJob:
        """Log the graph that the Graphs tab shows, a serialized GraphDef."""
        return self._log(0, lambda: {"graph_def": graph_def()})

    def _log(self, step: int, fields: Callable[[], Mapping[str, object]]) -> WriteJob:
        if self._path is None:
            self._path = _new_path(self._folder, self._fit)
        if len(self._waiting) >= PENDING and self._job is not None:
            self._job.wait()
        self._waiting.append(Entry(step, time.time(), fields))
        self._logged += 1
        # One job writes all that waits when it runs, so that a burst of small events costs few switches of threads.
        if self._job is None or not self._job_is_due:
            self._job_is_due = True
            self._job = self._writer.put(self._write)
        return self._job

    def mark(self) -> tuple[str, int] | None:
        """Return where a fit saved now would go on: the file, and how many records it has when all are written.

        They are on the disk before a fit is saved.
        """
        if self._path is not None:
            self._writer.put(self._sync)
        return self._resumed_from if self._path is None else (self._path.name, FIRST_RECORDS + self._logged)

    def close(self) -> WriteJob:
        """Close the file when everything logged is written."""
        return self._writer.put(self._close)

    # In the writer's thread

    def _write(self) -> None:
        self._job_is_due = False  # what is logged from now on needs another job, unless it comes in time for this one
        if self._failed or self._path is None:
            self._waiting.clear()
            return
        try:
            file = self._file or self._open(self._path)
            while entries := self._next_entries():
                self._append(
                    file, frame([_message(entry.time, step=entry.step, **entry.fields()) for entry in entries])
                )
        except OSError as error:
            self._failed = True
            raise OSError(error.errno, f"could not write {self._path}: {error.strerror}") from error

    def _append(self, file: IO[bytes], records: bytes) -> None:
        """Write whole records, or nothing of them if that fails."""
        left = memoryview(records)
        try:
            while left:
                left = left[file.write(left) :]
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(self._end)
            raise
        self._end += len(records)

    def _sync(self) -> None:
        if self._path is not None and self._end > self._synced:
            self._synced = self._end
            sync_if_there(self._path)

    def _next_entries(self) -> list[Entry]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER))]

    def _open(self, path: Path) -> IO[bytes]:
        make_folder(self._folder)
        if self._resumed:
            cut(self._folder, self._fit, self._resumed_from)
        file = open(path, "xb", buffering=0)  # noqa: SIM115
        now, start = time.time(), SessionLog(status=SessionLog.START)
        version = _message(now, file_version="brain.Event:2")
        try:
            self._append(file, frame([version, _message(now, step=self._first_step, session_log=start)]))
        except OSError:
            file.close()
            path.unlink(missing_ok=True)
            raise
        self._file = file
        return file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _message(wall_time: float, **fields: object) -> bytes:
    return Event(wall_time=wall_time, **fields).SerializeToString()


def _new_path(folder: Path, fit: str) -> Path:
    """Return a name that comes last in the folder, since TensorBoard reads files in the order of their names."""
    stamps = [int(stamp) for path in _event_files(folder) if (stamp := path.name.split(".")[3]).isdecimal()]
    stamp = max([int(time.time()), *(stamp + 1 for stamp in stamps)])
    return folder / f"events.out.tfevents.{stamp:010d}.{socket.gethostname()}.{fit}"


def _event_files(folder: Path, fit: str = "") -> list[Path]:
    return sorted(path for path in folder.glob("events.out.tfevents.*") if path.name.endswith(fit))


def cut(folder: Path, fit: str, mark: tuple[str, int] | None) -> None:
    """Remove what a fit wrote after a mark; the files of other fits stay as they are, and lost events are warned of."""
    name, records = mark or ("", 0)
    there = 0
    for path in _event_files(folder, f".{fit}"):
        if path.name > name:
            path.unlink()
        elif path.name == name:
            there, length = whole_records(path, records)
            os.truncate(path, length)
    if there < records:
        warn(
            f"{folder / name} is shorter than the saved run remembers: {records - there} of {records} events are lost."
        )
