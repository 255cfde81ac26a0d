"""Save the model while it trains."""

from __future__ import annotations

import numbers
import os
import string
from pathlib import Path

from ..core.cadence import Cadence, Every
from ..core.callback import Callback
from ..core.logs import ByName, Logs, is_validation_name, knows
from ..core.monitored_value import MonitoredValue, warn_if_unknown
from ..core.protocols import Snapshot
from ..messages.names import suggest
from ..messages.numeric import real, whole
from ..messages.printing import say, warn
from ..messages.progress import remark
from ..storage import files
from ..storage.generation import PlainState
from ..storage.writer import WriteJob


class ModelCheckpoint(Callback):
    """Saves the model or its weights at the ends of epochs, or every so many batches.

    >>> import os, tempfile
    >>> from epochal.layers import Dense
    >>> from epochal.models import Sequential
    >>> model = Sequential([Dense(1, input_dim=1)])
    >>> model.compile("sgd", "mse")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = ModelCheckpoint(folder + "/{epoch:02d}.h5", save_weights_only=True)
    ...     history = model.fit([[1.0]], [[1.0]], epochs=2, verbose=0, callbacks=[checkpoint])
    ...     print(sorted(os.listdir(folder)))
    ['01.h5', '02.h5']

    Args:
        filepath: The file; `weights.{epoch:02d}-{val_loss:.2f}.h5` is filled from the epoch and, if
            batches are counted, the `batch`, both counted from 1, and the logs. The suffix decides the format.
        monitor: The key in the logs that `save_best_only` looks at.
        verbose: 1 prints each save; 0 nothing.
        save_best_only: Whether to save only when the monitored value is better than ever.
        save_weights_only: Whether to leave out the model's description and the optimizer's state.
        mode: "min", "max", or "auto": what the metric or its name tells, else an error asks.
        period: Epochs between saves.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: With `save_best_only`, only a value that is better than this is saved; any if None.
        keep: How many files of this callback stay, the best ones with `save_best_only`, else the latest;
            all of them if None. A file that has another content than the one that was saved is never removed.

    A file is replaced as a whole and written in the background, while training goes on. A write that
    failed is an error at the next hook or at the end of the fit, and its value no longer counts as best.

    Raises:
        ValueError: If an argument is out of range, the template has more than plain fields, a save that isn't at
            an epoch's end needs a `val_…`, or one that is needs a `batch`.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        period: int = 1,
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
        keep: int | None = None,
    ) -> None:
        if period != 1 and save_freq != "epoch":
            raise ValueError(f"period counts epochs and save_freq={save_freq!r} batches; give one of the two.")
        period, keep = whole("period", period), None if keep is None else whole("keep", keep)
        if keep is not None and keep < 1:
            raise ValueError(f"keep is how many files stay, at least 1; got {keep!r}.")
        self.filepath = os.fspath(filepath)
        self.fields = _fields(self.filepath)
        self._before_fields = self.filepath.partition("{")[0] if self.fields else self.filepath
        self.every = Every(period, "epoch") if save_freq == "epoch" else Every.parse(save_freq)
        self.cadence: Cadence | None = self.every
        self.monitor = MonitoredValue(monitor, mode)
        if initial_value_threshold is not None:
            self.monitor.best = real("initial_value_threshold", initial_value_threshold)
        self.verbose, self.keep = verbose, keep
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self._epoch = 0
        self._threshold = self.monitor.best
        self._folder = self._fixed_folder()
        self._kept: list[str] = []  # absolute paths, oldest first
        self._digests: dict[str, str | None] = {}  # of the files that `keep` may remove one day
        self._snapshot: Snapshot | None = None
        self._writing: WriteJob | None = None
        self._check_what_batches_know()

    def _fixed_folder(self) -> str:
        """Return the folder in which all files are, or the folders that the template makes; an absolute path."""
        return os.path.dirname(os.path.abspath(self._before_fields + "_"))

    def awaited_logs(self) -> list[str]:
        """Return the names in the template, and the monitored one if only the best is saved."""
        return [*self.fields, *([self.monitor.name] if self.save_best_only else [])]

    def _check_what_batches_know(self) -> None:
        late = [name for name in self.awaited_logs() if is_validation_name(name)]
        if self.every.unit != "epoch" and late:
            raise ValueError(f"{late[0]!r} is known only when an epoch ends; save_freq={self.every} saves within it.")
        if self.every.unit == "epoch" and "batch" in self.fields:
            raise ValueError(
                f"{self.filepath!r} has {{batch}}, but it is saved at the ends of epochs: give save_freq a number of "
                "batches, or leave {batch} out."
            )

    @property
    def best(self) -> float | None:
        """The best value that is saved or queued."""
        return self.monitor.best

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Check that the folder can be written to, and the names in the template."""
        if self.save_best_only:
            self.monitor.start(self.params, self.tools, best=self.monitor.best)
        if check := getattr(self.tools, "check_filepath", None):
            check(self.filepath, self.save_weights_only)
        for name in self.fields:
            if name not in ("epoch", "batch", "size"):
                warn_if_unknown(f"{self.filepath!r} has {{{name}}}, which", name, self.params)
        self._folder = self._fixed_folder()  # a hook may change the working directory
        files.check_writable(Path(os.path.dirname(self._before_fields)))

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch for the names of files saved within it."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Save; only called when it is due."""
        self._save(self._epoch, Logs() if logs is None else logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save if it is due."""
        if self.every.unit == "epoch" and self.every.due(epoch, epoch + 1):
            self._save(epoch, Logs() if logs is None else logs)

    def _save(self, epoch: int, logs: Logs) -> None:
        if self._writing is not None:
            self._writing.wait()  # a failure takes the best back, and the snapshot is about to be reused
            self.writer.check()
        before = self.monitor.best
        if not self._has_all_fields(logs):
            return
        if self.save_best_only and ((value := self.monitor.value_in(logs)) is None or not self.monitor.update(value)):
            return
        path = self._fill(epoch, logs)
        if self.verbose:
            better = f"{self.monitor.name} improved to {self.monitor.best:.6g}, " if self.save_best_only else ""
            tell = say if "batch" in logs else remark  # amid an epoch, or at its end
            tell(f"Epoch {epoch + 1}: {better}saving {path}.")
        self._queue(path, before)

    def _queue(self, path: str, best_before: float | None) -> None:
        self._snapshot = snapshot = self.tools.snapshot(weights_only=self.save_weights_only, reuse=self._snapshot)
        target = self._absolute(path)
        kept_before, all_kept = self._kept, [*(kept for kept in self._kept if kept != target), target]
        self._kept = all_kept[-self.keep :] if self.keep else all_kept
        forgotten = all_kept[: -len(self._kept)]

        def write() -> None:
            snapshot.save(target)
            if self.keep:
                self._digests[target] = files.digest_of_file(target)
            for old in forgotten:
                self._remove(old)

        def take_back() -> None:
            self.monitor.best, self._kept = best_before, kept_before

        self._writing = self.writer.put(write, failed=take_back)

    def _absolute(self, path: str) -> str:
        fixed = os.path.dirname(self._before_fields) or os.curdir
        return os.path.normpath(os.path.join(self._folder, os.path.relpath(path, fixed)))

    def _remove(self, path: str) -> None:
        """Remove a file of this callback, unless somebody has put another in its place."""
        digest = self._digests.pop(path, None)
        if digest is not None and digest == files.digest_of_file(path):
            Path(path).unlink(missing_ok=True)

    def _has_all_fields(self, logs: Logs) -> bool:
        """Return whether the logs have the template's keys; an epoch that wasn't validated may lack `val_…`."""
        awaited = self.params.get("metrics") or ()
        return all(name in logs or not knows(awaited, name) for name in self.fields)

    def _fill(self, epoch: int, logs: Logs) -> str:
        values = ByName({**logs, "epoch": epoch + 1} | ({"batch": logs["batch"] + 1} if "batch" in logs else {}))
        for name in self.fields:
            if name not in values:
                there = ", ".join(values)
                raise ValueError(
                    f"{self.filepath!r} has {{{name}}}, which is not in the logs: {there}. {suggest(name, values)}"
                )
            if not isinstance(values[name], numbers.Real):
                raise ValueError(f"{self.filepath!r} has {{{name}}}, whose value {values[name]!r} is no number.")
        return self.filepath.format_map(values)

    def close(self) -> None:
        """Let go of the snapshot once it is written."""
        self._snapshot = self._writing = None

    def identity(self) -> dict[str, object]:
        """Return the file, and what is monitored if only the best is saved."""
        monitored = self.monitor.identity() if self.save_best_only else {}
        return {"filepath": Path(self.filepath), **monitored}

    def state_dict(self) -> PlainState:
        """Return the best value, the epoch under way and the files that stay, those queued for writing included."""
        kept = [[os.path.relpath(path, self._folder), self._digests.get(path)] for path in self._kept]
        return {"monitor": self.monitor.state_dict(), "epoch": self._epoch, "kept": kept}

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`; files are looked for where this callback writes."""
        self.monitor.load_state_dict(state["monitor"])
        kept = {os.path.normpath(os.path.join(self._folder, name)): digest for name, digest in state["kept"]}
        self._epoch, self._kept = state["epoch"], list(kept)
        if self.keep:
            self._digests = {path: digest or files.digest_of_file(path) for path, digest in kept.items()}
        if self.save_best_only and self._kept and not os.path.exists(self._kept[-1]):
            warn(f"{self._kept[-1]}, the best that was saved, is missing; what is best is looked for afresh.")
            self.monitor.best = self._threshold


def _fields(template: str) -> list[str]:
    """Return the names in a template of plain fields.

    Raises:
        ValueError: If a field is more than a name with a format, such as `{loss.real}` or `{0}`.
    """
    names: list[str] = []
    for _, name, spec, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if not name.isidentifier() or conversion or "{" in (spec or ""):
            raise ValueError(f"{template!r}: a field is a name with a format, such as {{epoch:02d}}; got {{{name}}}.")
        names.append(name)
    return names
