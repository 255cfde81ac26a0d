"""The smoothed curve of a series, computed of all its points, before any are left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Smoother:
    """An exponential mean that starts at the first value instead of at zero.

    After values v1 … vn it is Σ weight^(n-i) · vi / Σ weight^(n-i).

    Args:
        weight: Of what came before, from 0 to less than 1.

    Attributes:
        mean: (1 - weight) times the sum above the line.
        share: (1 - weight) times the sum below it.
    """

    weight: float
    mean: float = 0.0
    share: float = 0.0

    def after(self, values: Iterable[float | None]) -> list[float | None]:
        """Return the mean after each value; gaps stay gaps and count for nothing."""
        weight, new, mean, share = self.weight, 1 - self.weight, self.mean, self.share
        found: list[float | None] = []
        for value in values:
            if value is None:
                found.append(None)
                continue
            mean, share = weight * mean + new * value, weight * share + new
            found.append(mean / share)
        self.mean, self.share = mean, share
        return found
