"""Epoch logs as rows of a CSV file."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from ..core.callback import Callback
from ..core.logs import Logs, knows
from ..messages.printing import warn
from ..storage import files
from ..storage.generation import PlainState


class CSVLogger(Callback):
    """Writes one row an epoch: `epoch` counted from 0, then the logs in their order.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from epochal.callbacks import CallbackList
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with CallbackList([CSVLogger(f"{folder}/log.csv")]) as callbacks:
    ...         callbacks.on_train_begin()
    ...         for epoch, loss in enumerate([0.5, 0.25]):
    ...             logs = callbacks.on_epoch_end(epoch, {"loss": loss})
    ...     print(Path(folder, "log.csv").read_text(), end="")
    epoch,loss
    0,0.5
    1,0.25

    Args:
        filename: The file; its folder is made if there is none.
        separator: One character between the values.
        append: True keeps what the file has: its header decides the columns, rows are added. False
            writes the file anew, at the first epoch's end.

    The first epoch decides the columns, `val_…` included where there is validation. A missing
    value is `NA`; a name that comes later gives one warning and no column. A row is handed to the
    operating system when its epoch ends. A resumed run cuts off what was written after the point it
    goes on from.

    A file that is appended to is looked at before the first batch. Its line ends, and a byte order mark, stay; a
    metric that it has no column for, and a last line that was cut off, are warned of.

    Raises:
        ValueError: If the separator isn't one character, or no character between values; before the first batch, if
            `append` finds a file that has no such header, isn't UTF-8, or ends within a quoted value.
        OSError: If the file can't be written to, before the first batch if that can be known; if a row couldn't be
            written, the file ends with the row before.
    """

    is_sink = True

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if len(separator) != 1 or separator in '"\r\n':
            raise ValueError(f"separator must be one character; got {separator!r}. A quote or a line end is none.")
        self.filename, self.separator, self.append = Path(filename), separator, append
        self._file: IO[bytes] | None = None
        self._start()

    def _start(self) -> None:
        self._columns: list[str] = []
        self._length = self.filename.stat().st_size if self.append and self.filename.exists() else 0  # bytes to keep
        self._start_length = self._length
        self._lines = 0  # written since then
        self._synced = 0  # bytes on the disk
        self._warned = False
        self._line_end, self._checked = "\n", False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start afresh; the file is opened with the first row, since a resume may still say where to go on."""
        self._start()
        files.check_writable(self.filename.parent)
        if self.filename.is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{self.filename} is a folder; a log is a file.")
        if self.filename.exists() and not os.access(self.filename, os.W_OK):
            raise PermissionError(errno.EACCES, f"{self.filename} can't be written to: it is protected.")

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before the first epoch, look at the file that rows are appended to."""
        self._check()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a row."""
        logs = Logs() if logs is None else logs
        file = self._file or self._open(logs)
        self._warn_of(logs, "not in the first epoch")
        self._write(file, [epoch, *(logs.get(name, "NA") for name in self._columns)])

    def _check(self) -> None:
        """Read the columns of a file that is there already, as far as it stays."""
        if self._checked:
            return
        self._checked = True
        kept = self._kept()
        if not kept:
            return
        header, unfinished = self._read(kept)
        self._columns = header[1:]
        first_end = kept.find("\n") + 1
        self._line_end = "\r\n" if kept[:first_end].endswith("\r\n") else "\n" if first_end else "\r"
        if unfinished:
            warn(f"{self.filename} ends in the unfinished line {unfinished!r}; it stays.")
        self._warn_of(self.params.get("metrics") or (), "it goes on with the columns that it has")

    def _kept(self) -> str:
        """Return the part of the file that stays, as text."""
        if not self._length or not self.filename.exists():
            return ""
        with open(self.filename, "rb") as file:
            kept = file.read(self._length)
        try:
            return kept.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{self.filename} isn't UTF-8 text, in which rows are appended: {error}. Convert it, or log to "
                "another file."
            ) from error

    def _read(self, kept: str) -> tuple[list[str], str]:
        """Return the header of a log, and its last line if that was cut off."""
        try:
            header, *_ = rows = list(csv.reader(io.StringIO(kept, newline=""), delimiter=self.separator, strict=True))
        except csv.Error as error:
            raise ValueError(
                f"{self.filename} can't be appended to: {error}. If its last line was cut off within a quoted value, "
                "delete that line; or log to another file."
            ) from error
        if header[:1] != ["epoch"]:
            line = kept.splitlines()[0]
            raise ValueError(
                f"{self.filename} begins with {line!r}: no header of columns separated by {self.separator!r}, "
                f"the first of which is epoch."
            )
        return header, "" if kept.endswith(("\n", "\r")) else self.separator.join(rows[-1])

    def _warn_of(self, names: Iterable[str], why: str) -> None:
        """Warn, once, of names that have no column."""
        unknown = [name for name in names if not knows(self._columns, name)]
        if unknown and not self._warned:
            self._warned = True
            warn(f"{self.filename} has no column for {', '.join(unknown)}: {why}.")

    def _open(self, logs: Logs) -> IO[bytes]:
        self._check()
        self.filename.parent.mkdir(parents=True, exist_ok=True)
        self._file = file = open(self.filename, "ab", buffering=0)  # noqa: SIM115
        self._length = min(self._length, self.filename.stat().st_size)
        file.truncate(self._length)
        if not self._length:
            self._columns = self._columns or self._expected(logs)
            self._write(file, ["epoch", *self._columns])
        elif not self._ends_in_a_line_end():
            self._write(file, [])
        return file

    def _ends_in_a_line_end(self) -> bool:
        with open(self.filename, "rb") as file:
            file.seek(self._length - 1)
            return file.read(1) in (b"\n", b"\r")

    def _expected(self, logs: Logs) -> list[str]:
        """Return the metrics, of which this epoch may not have all (`val_loss`), then what else it has."""
        metrics: list[str] = list(self.params.get("metrics") or ())
        return [*metrics, *(name for name in logs if not knows(metrics, name))]

    def _write(self, file: IO[bytes], row: Sequence[object]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.separator, lineterminator=self._line_end).writerow(row)
        left = text.getvalue().encode()
        size = len(left)
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                file.truncate(self._length)  # of the row, nothing stays
            reason = f"{os.strerror(error.errno or 0)}; {size:,} bytes were needed"
            raise OSError(error.errno, f"could not write {self.filename}: {reason}") from error
        self._length += size
        self._lines += 1

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def identity(self) -> dict[str, object]:
        """Return the file."""
        return {"filename": self.filename}

    def state_dict(self) -> PlainState:
        """Return the columns and the length of the file, in bytes; all of it is on the disk before a run is saved."""
        if self._length > self._synced:
            self._synced, path = self._length, Path(os.path.abspath(self.filename))
            self.writer.put(lambda: files.sync_if_there(path))
        return {
            "columns": self._columns,
            "length": self._length,
            "start": self._start_length,
            "lines": self._lines,
            "warned": self._warned,
        }

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`; the file is cut to that length when it is opened.

        A file that has become shorter is warned of, and cut to its last whole line.
        """
        self._columns, self._length, self._warned = list(state["columns"]), state["length"], state["warned"]
        self._start_length, self._lines = state["start"], state["lines"]
        size = self.filename.stat().st_size if self.filename.exists() else 0
        if size < self._length:
            self._cut_to_whole_lines(size)

    def _cut_to_whole_lines(self, size: int) -> None:
        there = self.filename.read_bytes() if size else b""
        whole = there[: max(there.rfind(b"\n"), there.rfind(b"\r")) + 1]
        lines = len(whole[self._start_length :].splitlines())
        warn(
            f"{self.filename} is shorter than the saved run remembers, {size:,} of {self._length:,} bytes: "
            f"{self._lines - lines} of its lines are lost."
        )
        self._length, self._lines = len(whole), lines
        self._start_length = min(self._start_length, len(whole))
