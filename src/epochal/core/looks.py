"""At which batches somebody looks at the model, foretold from when it was looked at before."""

from __future__ import annotations

from bisect import bisect_right

from .wakes import MOST_BATCHES

MOST_KEPT = 4096
"""Looks of an epoch that are remembered, at most; who looks more often is foretold by the distance alone."""


class LookForecast:
    """Foretells at which batch the hooks of a batch will look at the model.

    A span that ran ahead of its hooks is partly in vain if one of them looks in its middle, and isn't if it ends there.
    So the next look is expected as many batches after the last one as that came after the one before, and at the
    batches of the epoch at which there were looks in the epoch before. In an epoch that nothing is known of, spans are
    short after a look at an odd distance, and grow as long as there is none.

    Positions are always numbers of finished batches: `count` since the run began, `batch` in the epoch.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._distance = 0
        self._is_regular = False
        self._stride = 1
        self._here: list[int] = []  # where in the epoch there were looks
        self._before: list[int] = []  # where in the epoch before

    def begin_epoch(self) -> None:
        """Begin an epoch."""
        self._before, self._here = self._here, []

    def batches(self, count: int, batch: int) -> int:
        """Return for how many batches no look is expected but at their end."""
        if self._last is None:
            return MOST_BATCHES
        expected: list[int] = []
        if self._is_regular and self._last + self._distance > count:
            expected.append(self._last + self._distance - count)
        if (at := bisect_right(self._before, batch)) < len(self._before):
            expected.append(self._before[at] - batch)
        return min(expected, default=MOST_BATCHES if self._before else self._stride)

    def is_expected(self, count: int, batch: int) -> bool:
        """Return whether a look is likely at this batch."""
        if self._last is None:
            return False
        is_foretold = (self._is_regular and self._last + self._distance == count) or batch in self._before
        return is_foretold or not (self._is_regular or self._before)

    def note_none(self) -> None:
        """Note that nobody looked during a span."""
        self._stride = min(self._stride * 2, MOST_BATCHES)

    def note(self, count: int, batch: int) -> None:
        """Note that somebody looked."""
        if count == self._last:
            return
        distance = count - (self._last or 0)
        self._is_regular = self._last is None or distance == self._distance
        self._last, self._distance, self._stride = count, distance, 1
        if not self._here or (self._here[-1] < batch and len(self._here) < MOST_KEPT):
            self._here.append(batch)
