"""What a Keras step logs, as columns of numbers."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from ..engines.jax.results import SpanResult
from ..engines.jax.trees import Array

LOSS = "loss"


class LogColumns:
    """Lays the values that a step logs, numbers or arrays, out as columns of a table.

    The first column decides whether a span goes on: it is the loss, or 0 where a step logs none.

    Args:
        shapes: The shape of each value by its name.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = dict(shapes)

    @property
    def names(self) -> list[str]:
        """The names of what is logged, in order."""
        return list(self._shapes)

    @property
    def count(self) -> int:
        """How many columns there are."""
        return 1 + sum(math.prod(shape) for shape in self._shapes.values())

    def flat(self, logs: Mapping[str, Array]) -> Array:
        """Return logged values as one row of numbers, float32.

        Raises:
            ValueError: If a step logs other values than the ones that this was made for.
        """
        if {name: jnp.shape(value) for name, value in logs.items()} != self._shapes:
            raise ValueError(
                f"a step logs other values than before: {', '.join(logs)}; it was {', '.join(self.names)}."
            )
        columns = [jnp.ravel(jnp.asarray(logs[name], jnp.float32)) for name in self._shapes]
        first = logs[LOSS] if self._shapes.get(LOSS) == () else 0.0
        return jnp.concatenate([jnp.asarray(first, jnp.float32).reshape(1), *columns])

    def values(self, row: Sequence[float]) -> list[float | np.ndarray]:
        """Return the logged values in a row: numbers, and arrays where they are arrays."""
        if all(shape == () for shape in self._shapes.values()):
            return list(row[1:])
        found: list[float | np.ndarray] = []
        at = 1
        for shape in self._shapes.values():
            end = at + math.prod(shape)
            found.append(np.asarray(row[at:end], np.float32).reshape(shape) if shape else row[at])
            at = end
        return found


class KerasResult:
    """The logs of a span of steps of a Keras model; see `core.engine.LoggedResult`.

    Args:
        result: The same as rows of numbers.
        columns: What they stand for.
    """

    def __init__(self, result: SpanResult, columns: LogColumns) -> None:
        self._result, self._columns = result, columns
        self.cold, self.go_on, self.counts = result.cold, result.go_on, result.counts

    def count(self) -> int:
        """Wait, and return how many batches were run."""
        return self._result.count()

    def rows(self) -> list[list[float | np.ndarray]]:
        """Wait, and return the logged values, one row a batch."""
        return [self._columns.values(row) for row in self._result.rows()]

    def sums(self) -> np.ndarray:
        """Wait, and return sums over the columns; what an epoch logs doesn't follow from them."""
        return self._result.sums()
