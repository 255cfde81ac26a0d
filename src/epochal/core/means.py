"""Means over the samples of an epoch."""

from __future__ import annotations

import numpy as np

from ..storage.generation import PlainState


class Means:
    """Sums over the batches of an epoch, in float64, strictly one batch after the other.

    One after the other, because a pairwise sum would depend on how the epoch was cut into spans. Sums of counts are
    whole numbers, and are divided once, at the end: so equal counts have equal means, whatever the batches.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._totals: dict[tuple[int, ...], np.ndarray] = {}  # by how many values a sample has in each

    def add(self, sums: np.ndarray, size: int, counts: tuple[int, ...] = ()) -> None:
        """Add a span's sums.

        Args:
            sums: One row a batch, one column a logged value, summed over the batch's samples; float64.
            size: Samples a batch.
            counts: How many values a sample has in each column; 0, or nothing at all, stands for 1.
        """
        if not len(sums):
            return
        before = self._totals.get(counts)
        if before is None:
            before = np.zeros(sums.shape[1])
        if len(sums) == 1:
            self._totals[counts] = before + sums[0]
        else:
            self._totals[counts] = np.add.accumulate(np.vstack([before, sums]), axis=0)[-1]
        self.samples += size * len(sums)

    def with_more(self, sums: np.ndarray, size: int, counts: tuple[int, ...] = ()) -> Means:
        """Return other means, with a span's sums added; see `add`."""
        more = Means()
        more.samples, more._totals = self.samples, dict(self._totals)
        more.add(sums, size, counts)
        return more

    def values(self) -> list[float]:
        """Return the means, one a column; none before the first batch."""
        if not self.samples:
            return []
        if len(self._totals) == 1:
            ((counts, total),) = self._totals.items()
            return (total / (_ones(counts) * self.samples)).tolist()
        samples = [total / _ones(counts) for counts, total in sorted(self._totals.items())]
        return (np.sum(samples, axis=0) / self.samples).tolist()

    def state_dict(self) -> PlainState:
        """Return the sums as plain values."""
        totals = [[list(counts), total.tolist()] for counts, total in self._totals.items()]
        return {"samples": self.samples, "totals": totals}

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`."""
        self.samples = int(state["samples"])
        self._totals = {tuple(counts): np.asarray(total, np.float64) for counts, total in state["totals"]}


def _ones(counts: tuple[int, ...]) -> np.ndarray | int:
    """Return how many values a sample has in each column; 1 where that is 0 or not known."""
    return np.maximum(counts, 1) if counts else 1
