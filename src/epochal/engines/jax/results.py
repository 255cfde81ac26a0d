"""What became of a span: its logs or its predictions, still on the device."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import functools

import jax
import numpy as np

from ...core.logs import fetch
from .trees import Array, PyTree


class SpanResult:
    """The logs of a span of training or evaluation steps.

    Args:
        table: float32; its corner is the number of batches, then comes a row a batch.
        go_on: Whether the span after this one may run, a bool on the device.
        counts: For each column 0 if it has the batches' values, else how many values a sample has in its sums.
        size: Samples a batch.
        cold: Whether something was compiled.
    """

    def __init__(self, table: Array, go_on: Array, counts: tuple[int, ...], size: int, cold: bool) -> None:
        self._table, self.go_on, self.counts, self._size, self.cold = table, go_on, counts, size, cold
        self._host: np.ndarray | None = None

    def count(self) -> int:
        """Wait, and return how many batches were run."""
        return int(self._fetched()[0, 0])

    def rows(self) -> list[list[float]]:
        """Wait, and return the logged values, one row a batch."""
        table = self._batches()
        if any(self.counts):
            table = table / _divisors(self.counts, self._size)
        return table.tolist()

    def sums(self) -> np.ndarray:
        """Wait, and return the sums whose totals make the epoch's means, one row a batch; float64."""
        return self._batches() * _factors(self.counts, self._size)

    def _batches(self) -> np.ndarray:
        return self._fetched()[1 : 1 + self.count()]

    def _fetched(self) -> np.ndarray:
        if self._host is None:
            self._host = fetch(self._table)
        return self._host


@functools.lru_cache(maxsize=64)
def _divisors(counts: tuple[int, ...], size: int) -> np.ndarray:
    """Return what makes the batch's value of each column: the number of values in its sum, 1 where it is none."""
    return np.array([count * size or 1 for count in counts], np.float64)


@functools.lru_cache(maxsize=64)
def _factors(counts: tuple[int, ...], size: int) -> np.ndarray:
    """Return what makes the sum of each column: the number of samples, 1 where it is one."""
    return np.array([1 if count else size for count in counts], np.float64)


class PredictionResult:
    """The predictions of a span, one nest of arrays a batch.

    Args:
        outputs: One a batch.
        cold: Whether something was compiled.
    """

    def __init__(self, outputs: list[PyTree], cold: bool) -> None:
        self._outputs, self.cold = outputs, cold
        self._host: list[tuple[PyTree]] | None = None

    def count(self) -> int:
        """Wait, and return how many batches were run."""
        jax.block_until_ready(self._outputs)
        return len(self._outputs)

    def rows(self) -> list[tuple[PyTree]]:
        """Wait, and return the outputs, one a batch."""
        if self._host is None:
            self._host = [(jax.tree.map(fetch, output),) for output in self._outputs]
        return self._host
