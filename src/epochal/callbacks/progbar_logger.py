"""Progress and values on standard output."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any, Protocol

from ..core.cadence import Every
from ..core.callback import Callback, Params
from ..core.logs import Logs
from ..messages.printing import is_terminal, say, write
from ..storage.generation import PlainState

BAR_WIDTH = 30
REDRAW_SECONDS = 0.1

WAIT_SHARE = 0.1
"""From this share of the time on, the bar says how long the data were waited for."""


class ProgbarLogger(Callback):
    """Prints a progress bar; `fit` has one unless `verbose=0`.

    While an epoch runs the bar shows the last batch's own values, at its end the epoch's. `verbose` of the
    fit decides: 0 nothing, 1 a bar, 2 one line an epoch. The bar is redrawn in place on a terminal, is one
    updating output in a notebook, and is one line an epoch in a pipe or a log file. `data 43%` says that for this
    share of the time the device waited for batches; less than a tenth isn't told.

    >>> from epochal.callbacks import CallbackList
    >>> with CallbackList([ProgbarLogger()], epochs=1, samples=6, batch_size=2, steps=3, verbose=2) as callbacks:
    ...     callbacks.on_epoch_begin(0)
    ...     logs = callbacks.on_epoch_end(0, {"loss": 0.5})  # doctest: +ELLIPSIS
    Epoch 1/1 - ... - loss: 0.5000

    Args:
        count_mode: "samples" or "steps": what the bar counts. Steps are counted where samples aren't known.

    Raises:
        ValueError: If `count_mode` is neither.
    """

    is_sink = True

    def __init__(self, count_mode: str = "samples") -> None:
        if count_mode not in ("samples", "steps"):
            raise ValueError(f"count_mode must be 'samples' or 'steps'; got {count_mode!r}.")
        self.count_mode = count_mode
        self._screen: Screen = Plain()
        self._fitting = False
        self._title = ""
        self._started = self._drawn = self._waited = 0.0
        self._done = 0  # batches
        self._stopped = False  # in the middle of the epoch
        self._counted: int | None = None  # batches of the last whole epoch, where the data don't say

    def set_params(self, params: Params) -> None:
        """Choose how to print; only a screen that is redrawn needs to be woken between epochs."""
        self.params = params
        self._screen = _screen(params.get("verbose", 1))
        self.cadence = Every(REDRAW_SECONDS, "second") if self._screen.redraws else Every(1, "epoch")

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin a fit."""
        self._fitting = True

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Begin an epoch's bar."""
        self._begin(f"Epoch {epoch + 1}/{self.params.get('epochs', '?')}")

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Redraw the bar."""
        self._step(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Print the epoch's final line."""
        self._finish(logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Begin the bar of an `evaluate`; validation inside a fit has none."""
        if not self._fitting:
            self._begin("Evaluation")

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Redraw the bar of an `evaluate`."""
        if not self._fitting:
            self._step(batch, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Print the final line of an `evaluate`."""
        if not self._fitting:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Begin the bar of a `predict`."""
        self._begin("Prediction")

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Redraw the bar of a `predict`."""
        self._step(batch, None)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Print the final line of a `predict`."""
        self._finish(None)

    def close(self) -> None:
        """End a line that an error left unfinished."""
        self._fitting = False
        self._screen.end()

    def state_dict(self) -> PlainState:
        """Return an empty state: a resumed run begins a new bar."""
        return {}

    def _begin(self, title: str) -> None:
        self._title, self._started, self._drawn, self._done = title, time.perf_counter(), 0.0, 0
        self._stopped, self._waited = False, getattr(self.model, "data_wait", 0.0)

    def _step(self, batch: int, logs: Logs | None) -> None:
        self._done, self._stopped = batch + 1, getattr(self.model, "stop_training", False)
        now = time.perf_counter()
        if now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            times = f"{self._left(now)}{self._wait(now)}"
            self._screen.show(f"{self._title} {self._progress(logs)} - {times}{_values(logs)}")

    def _finish(self, logs: Logs | None) -> None:
        steps = self._steps()
        if steps and not self._stopped:
            self._done = steps
        now = time.perf_counter()
        seconds = now - self._started
        pace = f" {_duration(seconds / self._done)}/step" if self._done else ""
        progress = f" {self._progress(logs)}" if self._screen.redraws else ""
        self._screen.finish(f"{self._title}{progress} - {_duration(seconds)}{pace}{self._wait(now)}{_values(logs)}")
        self._counted = self._done or self._counted

    def _steps(self) -> int | None:
        return self.params.get("steps") or self._counted

    def _progress(self, logs: Logs | None) -> str:
        steps = self._steps()
        samples, size = self.params.get("samples"), self.params.get("batch_size")
        done, total = self._done, steps
        if self.count_mode == "samples" and samples and size:
            done, total = min(samples, done * size), min(samples, (steps or 0) * size)
        if not total:
            return f"{done}/?"
        filled = BAR_WIDTH * done // total
        bar = "=" * filled + (">" if filled < BAR_WIDTH else "") + "." * (BAR_WIDTH - filled - 1)
        return f"{done:>{len(str(total))}}/{total} [{bar}]"

    def _wait(self, now: float) -> str:
        """Return the share of the time for which the training waited for its data, if it is worth a word."""
        share = (getattr(self.model, "data_wait", 0.0) - self._waited) / (now - self._started)
        return f" - data {share:.0%}" if share >= WAIT_SHARE else ""

    def _left(self, now: float) -> str:
        steps, passed = self._steps(), now - self._started
        return (
            f"ETA {_duration(passed / self._done * (steps - self._done))}"
            if steps and self._done
            else _duration(passed)
        )


class Screen(Protocol):
    """The place where a bar is shown."""

    redraws: bool

    def show(self, line: str) -> None:
        """Show a line that will be replaced."""
        ...

    def finish(self, line: str) -> None:
        """Show a line that stays."""
        ...

    def end(self) -> None:
        """Leave the screen in order, wherever the training ended."""
        ...


class Plain:
    """Finished lines only; nothing at all if silent."""

    redraws = False

    def __init__(self, silent: bool = False) -> None:
        self._silent = silent

    def show(self, line: str) -> None:
        """Show nothing."""

    def finish(self, line: str) -> None:
        """Print the line."""
        if not self._silent:
            say(line)

    def end(self) -> None:
        """Do nothing."""


class Terminal:
    """A line redrawn in place, as long as standard output is a terminal; afterwards finished lines only."""

    redraws = True

    def __init__(self) -> None:
        self._open = False

    def show(self, line: str) -> None:
        """Replace the line, cut to the terminal's width."""
        if is_terminal(sys.stdout):
            write("\r\x1b[2K" + line[: shutil.get_terminal_size().columns - 1])
            self._open = True

    def finish(self, line: str) -> None:
        """Replace the line for the last time."""
        write(f"\r\x1b[2K{line}\n" if is_terminal(sys.stdout) else f"{line}\n")
        self._open = False

    def end(self) -> None:
        """Go to the next line."""
        if self._open and is_terminal(sys.stdout):
            write("\n")
        self._open = False


class Notebook:
    """One output with all lines, updated in place; plain lines where the notebook can't show it."""

    redraws = True

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._handle: Any = None

    def show(self, line: str) -> None:
        """Replace the last line."""
        self._update([*self._lines, line])

    def finish(self, line: str) -> None:
        """Keep the line."""
        self._lines.append(line)
        if not self._update(self._lines):
            say(line)

    def _update(self, lines: list[str]) -> bool:
        """Show the lines; return whether that went well."""
        try:
            from IPython.display import display  # pyright: ignore

            output = {"text/plain": "\n".join(lines)}
            if self._handle is None:
                self._handle = display(output, raw=True, display_id=True)
            else:
                self._handle.update(output, raw=True)
        except Exception:  # the front end has gone, or is another one than it said
            return False
        return True

    def end(self) -> None:
        """Do nothing: the output stays as it is."""


def _screen(verbose: int) -> Screen:
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 0, 1 or 2; got {verbose!r}.")
    if verbose != 1:
        return Plain(silent=not verbose)
    if _is_notebook():
        return Notebook()
    return Terminal() if is_terminal(sys.stdout) else Plain()


def _is_notebook() -> bool:
    if "ipykernel" not in sys.modules or "IPython" not in sys.modules:
        return False
    shell = getattr(sys.modules["IPython"], "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _values(logs: Logs | None) -> str:
    shown = {name: value for name, value in (logs or Logs()).items() if name not in ("batch", "size")}
    return "".join(f" - {name}: {_number(value)}" for name, value in shown.items())


def _number(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if not value or abs(value) >= 1e-3 else f"{value:.3e}"


def _duration(seconds: float) -> str:
    if seconds >= 60:
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    for unit, scale in (("s", 1), ("ms", 1e3)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.0f}{unit}"
    return f"{seconds * 1e6:.0f}us"
