"""Size-weighted means over the batches of an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class Means:
    """Sums of `size × value` and of `size`, in float64, strictly one batch after the other.

    One after the other, because a pairwise sum would depend on how the epoch was cut into spans.
    """

    def __init__(self) -> None:
        self.samples, self.totals = 0, np.zeros(0)

    def add(self, rows: np.ndarray, sizes: Sequence[int] | np.ndarray) -> None:
        """Add a span's values.

        Args:
            rows: One row a batch, one column a logged value; shape `(batches, values)`.
            sizes: The number of samples of each batch; shape `(batches,)`.
        """
        if not len(rows):
            return
        weighted = np.asarray(rows, np.float64) * np.asarray(sizes, np.float64)[:, None]
        before = self.totals if self.samples else np.zeros(weighted.shape[1])
        self.totals = np.add.accumulate(np.vstack([before, weighted]), axis=0)[-1]
        self.samples += int(np.sum(sizes))

    def values(self) -> list[float]:
        """Return the means, one a column; none before the first batch."""
        return (self.totals / self.samples).tolist() if self.samples else []

    def state_dict(self) -> dict[str, Any]:
        """Return the sums as plain values."""
        return {"samples": self.samples, "totals": self.totals.tolist()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the sums of `state_dict`."""
        self.samples, self.totals = int(state["samples"]), np.asarray(state["totals"], np.float64)
