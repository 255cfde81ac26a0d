"""Fewer points, the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

P = TypeVar("P", bound=tuple[Any, ...])
"""`(…, value)` with the value last; None is a gap."""


def thin(points: Sequence[P], width: int) -> list[P]:
    """Return the points that show in a chart `width` pixels wide: of each column the lowest and the highest.

    The order is kept, as are the first and the last point; points are never made up. At most
    `2 * width + 2` come back. A column of gaps only keeps one gap.

    >>> thin([(epoch, float(epoch % 4)) for epoch in range(9)], width=2)
    [(0, 0.0), (3, 3.0), (4, 0.0), (7, 3.0), (8, 0.0)]

    Raises:
        ValueError: If `width` is less than 1.
    """
    if width < 1:
        raise ValueError(f"a chart is at least one pixel wide; got {width}.")
    count = len(points)
    if count <= 2 * width + 2:
        return list(points)
    kept = {0, count - 1}
    for column in range(width):
        start, stop = column * count // width, (column + 1) * count // width
        indices = [i for i in range(start, stop) if points[i][-1] is not None]
        values = [points[i][-1] for i in indices]
        kept.update((indices[values.index(min(values))], indices[values.index(max(values))]) if indices else (start,))
    return [points[i] for i in sorted(kept)]
