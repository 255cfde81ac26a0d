"""Epoch logs as rows of a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ..core.callback import Callback
from ..core.logs import Logs, knows
from ..core.printing import warn


class CSVLogger(Callback):
    """Writes one row an epoch: `epoch` counted from 0, then the logs in their order.

    Args:
        filename: The file; its folder is made if there is none.
        separator: One character between the values.
        append: True keeps what the file has: its header decides the columns, rows are added. False
            writes the file anew, at the first epoch's end.

    The columns are those of the fit's first epoch, `val_…` included where there is validation. A missing
    value is `NA`; a name that comes later gives one warning and no column. A row is handed to the
    operating system when its epoch ends. A resumed run cuts off what was written after the point it
    goes on from.

    Raises:
        ValueError: If the separator isn't one character; at the first epoch's end, if `append` finds a file
            that has no such header.
    """

    is_sink = True

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if len(separator) != 1:
            raise ValueError(f"separator must be one character; got {separator!r}.")
        self.filename, self.separator, self.append = Path(filename), separator, append
        self._file: IO[str] | None = None
        self._start()

    def _start(self) -> None:
        self._columns: list[str] = []
        self._length = self.filename.stat().st_size if self.append and self.filename.exists() else 0  # bytes to keep
        self._warned = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start afresh; the file is opened with the first row, since a resume may still say where to go on."""
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a row."""
        logs = Logs() if logs is None else logs
        file = self._file or self._open(logs)
        unknown = [name for name in logs if not knows(self._columns, name)]
        if unknown and not self._warned:
            self._warned = True
            message = f"{self.filename} has no column for {', '.join(unknown)}: not in the first epoch."
            warn(message, stacklevel=2)
        self._write(file, [epoch, *(logs.get(name, "NA") for name in self._columns)])
        file.flush()
        self._length = file.tell()

    def _open(self, logs: Logs) -> IO[str]:
        self.filename.parent.mkdir(parents=True, exist_ok=True)
        self._file = file = open(self.filename, "a+", newline="", encoding="utf-8")  # noqa: SIM115
        file.truncate(min(self._length, self.filename.stat().st_size))
        file.seek(0)
        kept = file.read()
        if not kept:
            self._columns = self._columns or self._expected(logs)
            self._write(file, ["epoch", *self._columns])
            return file
        self._columns = self._header(kept)
        if not kept.endswith("\n"):
            file.write("\n")
        return file

    def _header(self, kept: str) -> list[str]:
        line = kept.splitlines()[0]
        first, *columns = next(csv.reader([line], delimiter=self.separator)) or [""]
        if first != "epoch":
            raise ValueError(
                f"{self.filename} begins with {line!r}: no header of columns separated by {self.separator!r}, "
                f"the first of which is epoch."
            )
        return columns

    def _expected(self, logs: Logs) -> list[str]:
        """Return the metrics, of which this epoch may not have all (`val_loss`), then what else it has."""
        metrics: list[str] = list(self.params.get("metrics") or ())
        return [*metrics, *(name for name in logs if not knows(metrics, name))]

    def _write(self, file: IO[str], row: list[Any]) -> None:
        csv.writer(file, delimiter=self.separator, lineterminator="\n").writerow(row)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def state_dict(self) -> dict[str, Any]:
        """Return the columns and how long the file was."""
        return {"columns": self._columns, "length": self._length, "warned": self._warned}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned; the file is cut to that length when it is opened."""
        self._columns, self._length, self._warned = list(state["columns"]), state["length"], state["warned"]
