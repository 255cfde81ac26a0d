"""Fewer points, the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Point = TypeVar("Point", bound=tuple)
"""`(…, value)` with the value last; None is a gap."""


def thin(points: Sequence[Point], width: int) -> list[Point]:
    """Return the points that show in a chart `width` pixels wide: of each column the lowest and the highest.

    The order is kept, as are the first and the last point; points are never made up. At most
    `2 * width + 2` come back. A column of gaps only keeps one gap.

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
