"""Runs that can be killed at any instant and resumed bit for bit."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ..core import files, generation, run_state
from ..core.cadence import Cadence, Every
from ..core.callback import Callback
from ..core.generation import Damaged, Generation
from ..core.logs import Logs
from ..core.printing import say, warn
from ..core.writer import Job

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None


class BackupAndRestore(Callback):
    """Saves the whole run, and goes on from what it saved when the same script is run again.

    Weights, optimizer state, random streams, history, every callback's state, the position in the data and
    the lengths of log files are restored, so that the run ends as if it had never been killed. Ctrl-C and
    SIGTERM save too, at the end of the span, before they take their course. A finished run trains nothing
    when it is run again, unless `epochs` is raised.

    Args:
        backup_dir: A folder, one a run. Files there that are no generations are never touched.
        save_freq: "epoch", a number of batches, or an `Every`.
        keep: How many generations stay.
        strict: Whether a change of model, optimizer, data size, batch size or seed is an error; the
            differences are listed. False goes on as far as the state fits.

    Each generation is one file, written durably in the background and checked by a digest when it is
    read. A damaged one is skipped with a warning, and the one before is used. A state whose weights
    aren't finite is never saved.

    Raises:
        ValueError: If an argument is out of range; from `fit`, if the saved run is of something else.
        RuntimeError: From `fit`, if another process uses the folder, or all generations are damaged.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int | Every = "epoch",
        keep: int = 2,
        strict: bool = True,
    ) -> None:
        if keep < 1:
            raise ValueError(f"keep is how many generations stay, at least 1; got {keep!r}.")
        self.backup_dir = Path(backup_dir)
        self.every, self.keep, self.strict = Every.parse(save_freq), keep, strict
        self.cadence: Cadence | None = self.every
        self.save_due = False
        self._lock: IO[str] | None = None
        self._whole: list[int] = []  # generations known to be good, oldest first
        self._newest = 0
        self._warned = False
        self._writing: Job | None = None

    # What the loop asks of one who can save a run

    def restore_run(self, identity: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the newest whole generation that fits this run, else None."""
        files.check_writable(self.backup_dir)
        self._take_lock()
        saved = self._read_newest()
        if saved is None:
            return None
        differences = run_state.differences(saved["identity"], identity)
        if self.strict and differences:
            raise ValueError(
                f"{self.backup_dir} holds a run of something else:\n  "
                + "\n  ".join(differences)
                + "\nDelete it to start afresh, or pass strict=False to go on all the same."
            )
        if run_state.is_finished(saved, self.params["epochs"]):
            say(f"{self.backup_dir}/ is finished ({saved['epoch']} epochs); raise epochs or delete it to train.")
        return saved

    def save_run(self, state: Mapping[str, Any]) -> None:
        """Queue a generation; whoever reads it back finds everything that was queued before it."""
        self.save_due = False
        if not run_state.is_finite(state):
            if not self._warned:
                self._warned = True
                warn(
                    f"weights aren't finite: {self.backup_dir}/ keeps the last state in which they were.", stacklevel=2
                )
            return
        self._newest += 1
        number, encoded = self._newest, Generation(state)
        self._writing = self.writer.put(lambda: self._write(number, encoded))

    def wait(self) -> None:
        """Wait until the last generation is written."""
        if self._writing is not None:
            self._writing.wait()

    # Hooks

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start afresh."""
        self.save_due = self._warned = False

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Ask for a save; only called when one is due."""
        self.save_due = True

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Ask for a save if epochs are counted."""
        if self.every.unit == "epoch":
            self.save_due = self.every.due(epoch, epoch + 1)

    def close(self) -> None:
        """Give the folder free once everything is written."""
        if (lock := self._lock) is not None:
            self._lock = None
            self.writer.put(lock.close)

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the folder says everything."""
        return {}

    # Generations

    def _path(self, number: int) -> Path:
        return self.backup_dir / f"generation-{number:08d}.run"

    def _numbers(self) -> list[int]:
        names = (re.fullmatch(r"generation-([0-9]{8})\.run", entry.name) for entry in self.backup_dir.iterdir())
        return sorted(int(match[1]) for match in names if match)

    def _read_newest(self) -> dict[str, Any] | None:
        numbers = self._numbers()
        self._newest, self._whole = max(numbers, default=0), []
        for number in reversed(numbers):
            try:
                saved = generation.read(self._path(number))
            except Damaged as damage:
                warn(f"{damage}; the generation before is tried.", stacklevel=2)
                continue
            self._whole = [number]
            return saved
        if numbers:
            raise RuntimeError(f"all generations in {self.backup_dir} are damaged. Delete them to start afresh.")
        return None

    def _write(self, number: int, encoded: Generation) -> None:
        if self.writer.failed:
            return  # it would claim a file that was queued before it and isn't there
        files.write_durably(self._path(number), encoded.write, encoded.nbytes)
        self._whole = [*self._whole, number][-self.keep :]
        for old in self._numbers():
            if old not in self._whole:
                self._path(old).unlink(missing_ok=True)

    def _take_lock(self) -> None:
        path = self.backup_dir / "lock"
        self._lock = open(path, "a+")  # noqa: SIM115
        if fcntl is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            owner = self._lock.read().strip()
            self._lock.close()
            self._lock = None
            raise RuntimeError(f"{self.backup_dir} is used by another process, pid {owner}.") from None
        os.register_at_fork(after_in_child=self._lock.close)  # else a child would go on holding it
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
