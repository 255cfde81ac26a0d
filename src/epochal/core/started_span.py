"""A span that an engine was told to run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from .engine import LoggedResult, Result


@dataclass(eq=False)
class StartedSpan:
    """A span that may still be running.

    Attributes:
        result: Its result.
        first: The index in the epoch of its first batch.
        count: The number of its batches; fewer than asked for, once it was waited for, if it ended early.
        size: Samples a batch.
    """

    result: Result
    first: int
    count: int
    size: int

    @property
    def end(self) -> int:
        """The index in the epoch of the batch after its last one."""
        return self.first + self.count

    def sums(self) -> np.ndarray:
        """Wait, and return the sums whose totals make the epoch's means, one row a batch, of training or evaluation."""
        return self._logged.sums()[: self.count]

    @property
    def counts(self) -> tuple[int, ...]:
        """For each column of `sums` how many values a sample adds to it; 0 means 1."""
        return self._logged.counts

    @property
    def is_finite(self) -> bool:
        """Whether the loss of the last batch that was run is finite, if one was."""
        sums = self._logged.sums()
        return not len(sums) or math.isfinite(sums[-1, 0])

    @property
    def _logged(self) -> LoggedResult:
        return cast("LoggedResult", self.result)

    def rows(self) -> list[Any]:
        """Wait, and return what its batches logged, or predicted, in rows."""
        return self.result.rows()[: self.count]
