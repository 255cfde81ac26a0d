"""A progress bar for a loop of one's own."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ..messages.numeric import real, whole
from ..screens.line import Line, Part, Rank
from ..screens.line import values as value_parts
from ..screens.screen import Plain, Screen, can_redraw
from ..screens.terminal import Terminal
from ..screens.texts import duration, number


class Progbar:
    """Shows how far a loop is, and what it measured.

    On a terminal the bar is redrawn in place; in a pipe, a file or a notebook there is one line, at the end.

    >>> bar = Progbar(4, width=8, verbose=2)
    >>> for loss in (4.0, 3.0, 2.0, 1.0):
    ...     bar.add(1, [("loss", loss)])  # doctest: +ELLIPSIS
    4/4 - ...s - ...s/step - loss: 2.500

    Args:
        target: How many steps there will be; None if nobody knows.
        width: Of the bar, in characters.
        verbose: 0 prints nothing, 1 a bar, 2 a line at the end.
        interval: The least seconds between two drawings.
        stateful_metrics: The names of values that are shown as they are; others as their mean so far.
        unit_name: What a step is called.

    Raises:
        ValueError: If a number can't be right.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if verbose not in (0, 1, 2):
            raise ValueError(f"verbose must be 0, 1 or 2; got {verbose!r}.")
        self.target = None if target is None else whole("target", target, 0)
        self.width, self.interval = whole("width", width, 1), real("interval", interval)
        self.verbose, self.unit_name = verbose, unit_name
        self.stateful_metrics = frozenset(stateful_metrics or ())
        self._screen: Screen = Terminal(guards=False) if verbose == 1 and can_redraw() else Plain(silent=not verbose)
        self._sums: dict[str, tuple[float, float]] = {}  # a sum, and of how many steps
        self._done, self._drawn, self._started = 0, 0.0, time.perf_counter()

    def update(
        self, current: int, values: Iterable[tuple[str, float]] | None = None, finalize: bool | None = None
    ) -> None:
        """Draw the bar after so many steps.

        Args:
            current: How many steps are done.
            values: What was measured since the last call, as `(name, value)`; each counts for the steps since then.
            finalize: Whether this is the end; None: if the target is reached. The values are then shown as they are,
                where they are new.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        steps = max(current - self._done, 1)
        for name, value in values or ():
            total, count = self._sums.get(name, (0.0, 0))
            is_mean = name not in self.stateful_metrics
            self._sums[name] = (total + real(name, value) * steps, count + steps) if is_mean else (real(name, value), 1)
        self._done = current
        now = time.perf_counter()
        if finalize:
            self._screen.finish(self._line(now))
        elif self._screen.redraws and now - self._drawn >= self.interval:
            self._drawn = now
            self._screen.show(self._line(now))

    def add(self, n: int, values: Iterable[tuple[str, float]] | None = None) -> None:
        """Draw the bar after `n` more steps; see `update`."""
        self.update(self._done + n, values)

    def _line(self, now: float) -> Line:
        means = {name: number(total / count) for name, (total, count) in self._sums.items()}
        passed, bar = now - self._started, Part(self._bar() if self.verbose == 1 else "", Rank.BAR)
        pace = f" - {duration(passed / max(self._done, 1))}/{self.unit_name}"
        times = Part(f" - {duration(passed)}", Rank.TIME), Part(pace, Rank.PACE)
        return Line([Part(self._count(), Rank.TITLE), bar, *times, *value_parts(means)])

    def _count(self) -> str:
        return f"{self._done}/?" if self.target is None else f"{self._done:>{len(str(self.target))}}/{self.target}"

    def _bar(self) -> str:
        if not self.target:
            return ""
        filled = min(self.width, self.width * self._done // self.target)
        return f" [{'=' * filled}{'.' * (self.width - filled)}]"
