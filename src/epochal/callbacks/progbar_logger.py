"""Progress and values on standard output."""

from __future__ import annotations

import time
from typing import Any

from ..core.cadence import Every
from ..core.callback import Callback, Params
from ..core.logs import Logs, validation_name
from ..messages.printing import say
from ..messages.progress import close_bar, open_bar
from ..screens.line import Line, Part, Rank, values
from ..screens.pace import Pace
from ..screens.screen import Plain, Screen, screen_for
from ..screens.texts import cells, duration, number, padded, printable, whole_seconds
from ..storage.generation import PlainState

WAIT_SHARE = 0.1
"""From this share of the time on, the bar says how long the data were waited for."""

VALUE_CELLS = 6
"""The least room for a value, so that those of most metrics stand below each other: `0.1234`."""


class ProgbarLogger(Callback):
    """Prints a progress bar; `fit` has one unless `verbose=0`.

    While an epoch runs the bar shows the means of the epoch so far, at its end the epoch's values (of metrics that
    are no means, such as `AUC`, the mean of the batches' own values until then). `verbose` of the fit decides: 0
    nothing, 1 a bar, 2 one line an epoch.

    On a terminal the bar is redrawn in place, below what callbacks print, and is as wide as the terminal: what doesn't
    fit is left out whole, the least important first, with `…` at the end. In a notebook it is one updating output. In a
    pipe or a log file there is one line an epoch, and within an epoch of minutes one a minute. That something is
    compiled is told, and isn't part of the time that a step takes. `data 43%` says that for this share of the time the
    device waited for batches; less than a tenth isn't told.

    >>> from epochal.callbacks import CallbackList
    >>> with CallbackList([ProgbarLogger()], epochs=1, samples=6, batch_size=2, steps=3, verbose=2) as callbacks:
    ...     callbacks.on_epoch_begin(0)
    ...     logs = callbacks.on_epoch_end(0, {"loss": 0.5})  # doctest: +ELLIPSIS
    Epoch 1/1 - ... - loss: 0.5000

    Args:
        count_mode: "steps" or "samples": what the bar counts. Steps are counted where samples aren't known. The
            default is what Keras 3 counts; Keras 2's was "samples".

    Raises:
        ValueError: If `count_mode` is neither.
    """

    is_sink = True
    reads_means = True
    _screen: Screen = Plain(silent=True)

    def __init__(self, count_mode: str = "steps") -> None:
        if count_mode not in ("samples", "steps"):
            raise ValueError(f"count_mode must be 'samples' or 'steps'; got {count_mode!r}.")
        self.count_mode = count_mode
        self._is_fitting = self._is_testing = False
        self._title = ""
        self._epoch: int | None = None  # the one under way
        self._activity = ""  # what is done that is no training
        self._pace, self._testing = Pace(None), Pace(None)
        self._counted: dict[str, int] = {}  # batches of the last whole epoch and validation, where the data don't say
        self._logs: dict[str, Any] = {}  # the last values shown
        self._remarks: list[str] = []
        self._widths: dict[str, int] = {}
        self._drawn = self._waited = 0.0

    def set_params(self, params: Params) -> None:
        """Choose how to print, and so how often batch hooks are called."""
        self.params = params
        self._screen = screen_for(params.get("verbose", 1))
        seconds = self._screen.seconds
        self.cadence = Every(1, "epoch") if seconds is None else Every(seconds, "second")

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin a fit."""
        self._is_fitting, self._epoch = True, None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Begin an epoch's bar."""
        epochs = self.params.get("epochs", "?")
        self._epoch = epoch
        self._begin(padded(f"Epoch {epoch + 1}/{epochs}", cells(f"Epoch {epochs}/{epochs}")))

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Redraw the bar."""
        self._step(self._pace, batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Print the epoch's final line, and what was said about the epoch."""
        self._epoch = None
        self._finish(logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Leave the screen to others."""
        self._screen.end()

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Begin the bar of an `evaluate`, or that of a validation within the bar of the epoch."""
        if not self._is_fitting:
            self._begin("Evaluation")
            return
        self._pace.end(self.stop_reason.batches)
        self._testing = Pace(self.params.get("validation_steps") or self._counted.get("validation"))
        self._is_testing, self._activity = True, "validating"
        self._redraw()

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Redraw the bar of an `evaluate` or a validation."""
        self._step(self._testing if self._is_testing else self._pace, batch, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Print the final line of an `evaluate`."""
        if self._is_testing:
            self._counted["validation"] = self._testing.done
            self._is_testing = False
        else:
            self._finish(logs)
            self._screen.end()

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Begin the bar of a `predict`."""
        self._begin("Prediction")

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Redraw the bar of a `predict`."""
        self._step(self._pace, batch, None)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Print the final line of a `predict`."""
        self._finish(None)
        self._screen.end()

    def close(self) -> None:
        """End a line that an error left unfinished, and say what was to be said behind it."""
        self._is_fitting = self._is_testing = False
        close_bar(self)
        self._screen.end()
        self._say_remarks()

    def state_dict(self) -> PlainState:
        """Return which epoch is under way, if one is."""
        return {"epoch": self._epoch}

    def load_state_dict(self, state: PlainState) -> None:
        """Go on with the bar of the epoch that was under way."""
        if (epoch := state.get("epoch")) is not None:
            self.on_epoch_begin(epoch)
            self._pace = Pace(self._pace.total, is_resumed=True)

    def __getstate__(self) -> dict[str, object]:
        """Return its attributes for pickle and deepcopy, less the screen."""
        return {name: value for name, value in super().__getstate__().items() if name != "_screen"}

    # What is told by others

    def compiling(self) -> None:
        """Show that something is compiled."""
        before, self._activity = self._activity, "compiling …"
        self._redraw()
        self._activity = before

    def remark(self, line: str) -> None:
        """Keep a line until that of the epoch is printed."""
        self._remarks.append(line)

    # The line

    def _begin(self, title: str) -> None:
        close_bar(self)
        open_bar(self)
        self._title, self._activity, self._logs = title, "", {}
        self._pace = Pace(self.params.get("steps") or self._counted.get("epoch"))
        self._waited = getattr(self.model, "data_wait", 0.0)
        if not self._screen.redraws:
            self._drawn = time.perf_counter()
        elif self._is_due():  # epochs may be short
            self._redraw()

    def _step(self, pace: Pace, batch: int, logs: Logs | None) -> None:
        pace.reach(batch + 1)
        if self._is_due():
            if self._is_testing:
                self._logs |= {validation_name(name): value for name, value in _shown(logs).items()}
            else:
                self._logs = _shown(logs)
            self._show()

    def _is_due(self) -> bool:
        seconds = self._screen.seconds
        return seconds is not None and time.perf_counter() - self._drawn >= seconds

    def _redraw(self) -> None:
        if self._screen.redraws:
            self._show()

    def _show(self) -> None:
        self._drawn = time.perf_counter()
        self._screen.show(self._running_line())

    def _running_line(self) -> Line:
        texts = self._texts(self._logs)
        if self._activity.startswith("compiling"):
            return Line([Part(self._title, Rank.TITLE), Part(f" - {self._activity}", Rank.COUNT), *values(texts)])
        pace = self._testing if self._is_testing else self._pace
        title = f"{self._title} - {self._activity}" if self._activity else self._title
        parts = [Part(title, Rank.TITLE), Part(_time_left(pace), Rank.TIME), self._wait(), *values(texts)]
        return Line(parts, *self._counts(pace))

    def _finish(self, logs: Logs | None) -> None:
        self._pace.end(self.stop_reason.batches if self._is_fitting else 0)
        self._counted["epoch"] = self._pace.done or self._counted.get("epoch", 0)
        done, total = self._counts(self._pace)
        stood = f" {done}/{total}" if total and done < total else ""
        pace = self._pace.seconds_a_batch()
        per_step = "" if pace is None else f" {self._aligned('pace', duration(pace) + '/step')}"
        parts = [
            Part(self._title, Rank.TITLE),
            Part(stood, Rank.COUNT),
            Part(f" - {self._aligned('time', duration(self._pace.seconds))}", Rank.TIME),
            Part(per_step, Rank.PACE),
            self._wait(),
            *values(self._texts(_shown(logs), in_columns=self._is_fitting)),
        ]
        self._screen.finish(Line(parts))
        close_bar(self)
        self._say_remarks()

    def _say_remarks(self) -> None:
        remarks, self._remarks = self._remarks, []
        for line in remarks:
            say(line)

    def _counts(self, pace: Pace) -> tuple[int, int | None]:
        """Return how much is done, and of how much: samples if they are to be counted and are known, else steps."""
        samples, size = self.params.get("samples"), self.params.get("batch_size")
        if self.count_mode == "steps" or self._is_testing or not samples or not size:
            return pace.done, pace.total
        total = min(samples, (pace.total or 0) * size)
        return min(total, pace.done * size), total

    def _wait(self) -> Part:
        """Return the share of the time for which the training waited for its data, if it is worth a word."""
        share = (getattr(self.model, "data_wait", 0.0) - self._waited) / max(self._pace.seconds, 1e-9)
        return Part(f" - data {share:.0%}" if share >= WAIT_SHARE else "", Rank.WAIT)

    def _texts(self, logs: dict[str, Any], in_columns: bool = True) -> dict[str, str]:
        """Return values as texts, by default each as wide as it ever was, so that columns don't jump."""
        texts = {name: number(value) for name, value in logs.items()}
        aligned = (
            {name: self._aligned(name, text, right=False) for name, text in texts.items()} if in_columns else texts
        )
        return {printable(name): text for name, text in aligned.items()}

    def _aligned(self, name: str, text: str, right: bool = True) -> str:
        least = 0 if right else VALUE_CELLS
        self._widths[name] = max(self._widths.get(name, least), cells(text))
        return padded(text, self._widths[name], right)


def _time_left(pace: Pace) -> str:
    """Return how long it will take, or where nobody knows how many batches there are, how long it has taken."""
    if not pace.total:
        return f" - {duration(pace.seconds)}"
    left = pace.seconds_left()
    return "" if left is None or pace.done == pace.total else f" - ETA {padded(whole_seconds(left), 3, right=True)}"


def _shown(logs: Logs | None) -> dict[str, Any]:
    """Return the values that a bar shows."""
    return {name: value for name, value in (logs or Logs()).items() if name not in ("batch", "size")}
