"""Runs that can be killed at any instant and resumed bit for bit."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ..core import identity
from ..core.cadence import Cadence, Every
from ..core.callback import Callback
from ..core.logs import Logs
from ..core.parts import Parts, located, stored
from ..core.processes import THIS
from ..core.run_state import RunState
from ..core.signals import Terminated
from ..messages.numeric import whole
from ..messages.printing import say, warn
from ..storage import files, generation
from ..storage.folder_lock import FolderLock
from ..storage.generation import Damaged, Generation, OtherVersion, PlainState
from ..storage.writer import BackgroundWriter, WriteJob

KINDS = ("arrays", "end")
"""How the names of the folders end that arrays are in: of a run under way, and of its end."""


class BackupAndRestore(Callback):
    """Saves the whole run, and goes on from what it saved when the same script is run again.

    Weights, optimizer state, random streams, history, every callback's state, the position in the data and
    the lengths of log files are restored, so that the run ends as if it had never been killed. Ctrl-C and
    SIGTERM save too, at the end of the span, before they take their course. A finished run trains nothing
    when it is run again, unless `epochs` is raised.

    >>> import tempfile
    >>> from epochal.layers import Dense
    >>> from epochal.models import Sequential
    >>> model = Sequential([Dense(1, input_dim=1)])
    >>> model.compile("sgd", "mse")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for epochs in (2, 3):  # the second fit goes on after the first one
    ...         backup = BackupAndRestore(folder)
    ...         history = model.fit([[1.0]], [[1.0]], epochs=epochs, verbose=0, callbacks=[backup])
    >>> history.epoch
    [0, 1, 2]

    Args:
        backup_dir: A folder, one a run. Files there that are no generations are never touched.
        save_freq: "epoch", a number of batches, or an `Every`. The state before the first batch is saved too.
        keep: The number of generations that stay, at least 1.
        strict: Whether it is an error if the run is another one: other layers, losses, metrics, optimizer or
            learning rate, other data, batch size or seed; the differences are listed. False goes on as far as the
            state fits, takes the new learning rate, and warns of what it left; if the data are others, an epoch under
            way begins again.
        in_parts: Whether each of several processes writes its part of the arrays, with Orbax, into a folder beside the
            generation's file; None for where the primary's memory can't hold the state.

    Each generation is one file, written durably in the background and checked by a digest when it is
    read. A damaged one is skipped with a warning, and the one before is used. A state whose weights
    aren't finite is never saved. Of several BackupAndRestores in a fit, the one whose run has got furthest decides.

    Attributes:
        folder: `backup_dir` as an absolute path, once a fit has begun.

    Raises:
        ValueError: If an argument is out of range; from `fit`, if the saved run is of something else.
        RuntimeError: From `fit`, if the folder is in use already, is replaced meanwhile, or all generations are
            damaged.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int | Every = "epoch",
        keep: int = 2,
        strict: bool = True,
        in_parts: bool | None = None,
    ) -> None:
        keep = whole("keep", keep)
        if keep < 1:
            raise ValueError(f"keep is how many generations stay, at least 1; got {keep!r}.")
        if in_parts not in (True, False, None):
            raise ValueError(f"in_parts must be True, False or None; got {in_parts!r}.")
        if not str(backup_dir or "").strip():
            raise ValueError(f"backup_dir is the path of a folder, one a run; got {backup_dir!r}.")
        self.backup_dir = self.folder = Path(backup_dir)
        self.every, self.keep, self.strict, self.in_parts = Every.parse(save_freq), keep, strict, in_parts
        self.cadence: Cadence | None = self.every
        self.save_due = False
        self._lock: FolderLock | None = None
        self._whole: list[int] = []  # generations known to be good, oldest first
        self._newest = -1
        self._begins = True  # nothing was restored
        self._warned = False
        self._where = ""
        self._writing: WriteJob | None = None
        self._parts_writer: BackgroundWriter | None = None  # of a process that isn't the primary

    # What the loop asks of a callback that saves runs

    def restore_run(self, wanted: PlainState) -> RunState | None:
        """Return the newest whole generation that fits this run, else None."""
        self.folder = Path(os.path.abspath(self.backup_dir))  # a hook may change the working directory
        self._begins, self._where = True, ""
        if THIS.is_primary:  # the others read, and never write
            files.check_writable(self.backup_dir)
            self._lock = FolderLock(self.folder)
        saved = self._read_newest()
        if saved is None:
            return None
        differences = identity.differences(saved.identity, wanted)
        if self.strict and differences:
            raise ValueError(
                f"{self.backup_dir} holds a run of something else:\n  "
                + "\n  ".join(identity.shortened(differences))
                + "\nDelete it to start afresh, or pass strict=False to go on all the same."
            )
        self._tell(saved)
        self._begins, self._where = False, saved.where
        return dataclasses.replace(saved, differences=differences)

    def _tell(self, saved: RunState) -> None:
        """Say what is done with a saved run: why a fit begins in the middle, or doesn't train."""
        if not saved.is_finished_at(self.params["epochs"]):
            if self.params["verbose"] and THIS.is_primary:
                say(f"{self.backup_dir}/: going on after {saved.where}.")
            return
        ended, most = f"is finished ({saved.epoch} epochs)", ""
        if saved.epoch < saved.epochs:
            reason = f" ({saved.stop_reason[1].rstrip('.')})" if saved.stop_reason[1] else ""
            ended = f"was stopped after {saved.epoch} of {saved.epochs} epochs{reason}"
            most = f" above {saved.epochs}"
        say(f"{self.backup_dir}/ {ended}; raise epochs{most} or delete it to train.")

    def save_run(self, state: RunState) -> None:
        """Queue a generation; whoever reads it back finds everything that was queued before it."""
        self.save_due = False
        if not state.has_finite_weights():
            if not self._warned:
                self._warned = True
                warn(f"weights aren't finite: {self.backup_dir}/ keeps the last state in which they were.")
            return
        self._newest += 1
        self._where = state.where
        if state.parts():
            self._save_parts(self._newest, state)
            return
        number, encoded = self._newest, Generation(state.to_dict())
        self._writing = self.writer.put(lambda: self._write(number, encoded))

    def _save_parts(self, number: int, state: RunState) -> None:
        """Begin to save the arrays, in every process, and queue what comes when they are on the disk."""
        parts = state.parts()
        if THIS.is_primary:
            next(iter(parts.values())).remove_leftovers(self.folder)
        savings = {name: part.save(self._path(number, name)) for name, part in parts.items()}

        def write() -> None:
            for saving in savings.values():
                saving.wait()
            if THIS.is_primary:
                named = state.with_engines(lambda name, engine: stored(engine, self._path(number, name), savings[name]))
                self._write(number, Generation(named.to_dict()), parts)

        if not THIS.is_primary and self._parts_writer is None:
            self._parts_writer = BackgroundWriter()
        self._writing = (self._parts_writer or self.writer).put(write)

    def wait(self) -> None:
        """Wait until the last generation is written."""
        if self._writing is not None:
            self._writing.wait()
        if self._parts_writer is not None:
            self._parts_writer.check()

    # Hooks

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Ask for a save of the beginning: a kill before the next one then leaves nothing twice in a log."""
        self.save_due, self._warned = self._begins, False

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Ask for a save; only called when one is due."""
        self.save_due = True

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Ask for a save if epochs are counted."""
        if self.every.unit == "epoch":
            self.save_due = self.every.due(epoch, epoch + 1)

    def on_exception(self, error: BaseException) -> None:
        """Say after Ctrl-C or SIGTERM what is saved: whoever ended the fit may want to go on."""
        if isinstance(error, (KeyboardInterrupt, Terminated)) and self._where and THIS.is_primary:
            say(f"{self.backup_dir}/ holds the run up to {self._where}: the same script goes on from there.", "stderr")

    def close(self) -> None:
        """Release the folder once everything is written."""
        if self._lock is not None:
            self.writer.put(self._release)
        if self._parts_writer is not None:
            self._parts_writer.close()
            self._parts_writer = None

    def state_dict(self) -> PlainState:
        """Return an empty state: the folder has everything."""
        return {}

    # Generations

    def _path(self, number: int, kind: str = "run") -> Path:
        return self.folder / f"generation-{number:08d}.{kind}"

    def _numbers(self, kind: str = "run") -> list[int]:
        """Return the generations' numbers in their order; an entry with a name that isn't made here is none."""
        entries = self.folder.iterdir() if self.folder.is_dir() else ()
        named = ((re.match(r"generation-([0-9]+)", entry.name), entry) for entry in entries)
        numbers = ((int(match[1]), entry) for match, entry in named if match)
        return sorted(
            number
            for number, entry in numbers
            if self._path(number, kind).name == entry.name and entry.is_file() == (kind == "run")
        )

    def _read_newest(self) -> RunState | None:
        numbers = self._numbers()
        without_file = [number for kind in KINDS for number in self._numbers(kind)]  # a kill came before it was written
        self._newest, self._whole = max([*numbers, *without_file], default=-1), []
        for number in reversed(numbers):
            try:
                saved = RunState.from_dict(generation.read(self._path(number)))
            except OtherVersion as other:
                raise ValueError(
                    f"{self.backup_dir} holds a run that another version of epochal saved ({other}). Finish it with "
                    f"that version, or delete {self.backup_dir} to start afresh; weights that a ModelCheckpoint saved "
                    "can be loaded by any."
                ) from other
            except Damaged as damage:
                warn(f"{damage}; the generation before is tried.")
                continue
            self._whole = [number]
            return saved.with_engines(lambda name, engine: located(engine, self.folder))
        if numbers:
            raise RuntimeError(f"all generations in {self.backup_dir} are damaged. Delete them to start afresh.")
        return None

    # In the writer's thread

    def _write(self, number: int, encoded: Generation, parts: Mapping[str, Parts] = MappingProxyType({})) -> None:
        if self.writer.failed:
            return  # it would claim a file that was queued before it and isn't there
        self._keep_hold()
        files.write_durably(self._path(number), encoded.write, encoded.nbytes)
        self._whole = [*self._whole, number][-self.keep :]
        for old in self._numbers():
            if old not in self._whole:
                self._path(old).unlink(missing_ok=True)
        for kind in KINDS if parts else ():
            for old in self._numbers(kind):
                if old not in self._whole:
                    parts["arrays"].remove(self._path(old, kind))

    def _keep_hold(self) -> None:
        """Lock the folder again if it was removed meanwhile, unless another run is in its place."""
        if self._lock is None or self._lock.is_held():
            return
        files.make_folder(self.folder)
        lost, self._lock = self._lock, FolderLock(self.folder)
        lost.close()
        if strange := sorted({*self._numbers()} - {*self._whole}):
            raise RuntimeError(
                f"{self.folder} was replaced while it was in use, and has generation {strange[-1]} of another run: "
                f"nothing more is written to it."
            )

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
