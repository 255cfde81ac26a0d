"""The points of one metric, and how the page takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict, cast

from .event import Value
from .smoothing import Smoother
from .thinning import thin

Grain = Literal["epoch", "batch"]
Point = tuple[int, int, Value]
"""`(epoch, batch, value)`; the batch is `EPOCH_END` in a series of grain "epoch"."""

SeriesName = tuple[Grain, str]
"""What a series is of: epochs or batches, and the metric."""


class SeriesColumns(TypedDict):
    """A series as the page takes it, in JSON.

    Attributes:
        metric: Its name.
        grain: Whether its points are of epochs or of batches.
        epoch: The epoch of each point.
        value: The value of each point; None is a gap.
        batch: The batch of each point, for a series of batches.
        thinned: Whether points are left out.
        smooth: The smoothed value at each point.
        mean: See `Smoother`, whose state it is after the last point.
        share: See `Smoother`.
    """

    metric: str
    grain: Grain
    epoch: Sequence[int]
    value: Sequence[Value]
    batch: NotRequired[Sequence[int]]
    thinned: NotRequired[bool]
    smooth: NotRequired[Sequence[float | None]]
    mean: NotRequired[float]
    share: NotRequired[float]


def columns(name: SeriesName, points: Sequence[Point]) -> SeriesColumns:
    """Return points as the page takes them.

    >>> columns(("batch", "loss"), [(0, 0, 0.9), (0, 1, 0.8)])
    {'metric': 'loss', 'grain': 'batch', 'epoch': [0, 0], 'value': [0.9, 0.8], 'batch': [0, 1]}
    """
    grain, metric = name
    made = SeriesColumns(
        metric=metric, grain=grain, epoch=[epoch for epoch, _, _ in points], value=[value for _, _, value in points]
    )
    if grain == "batch":
        made["batch"] = [batch for _, batch, _ in points]
    return made


def news(name: SeriesName, points: Sequence[Point], most: int) -> SeriesColumns:
    """Return points that have just come: in order, each moment once, thinned to about `most`.

    Posts of several threads may come out of order or twice.
    """
    latest = {(epoch, batch): (epoch, batch, value) for epoch, batch, value in points}
    every = sorted(latest.values(), key=lambda point: point[:2])
    kept = thin(every, most)
    made = columns(name, kept)
    if len(kept) < len(every):
        made["thinned"] = True
    return made


def drawn(name: SeriesName, points: Sequence[Point], width: int, first: int, smoothing: float) -> SeriesColumns:
    """Return a series as a chart draws it.

    Args:
        name: What it is of.
        points: All of them in order, without text; from epoch `first` on, or, with smoothing, since the run began.
        width: Of the chart, in pixels.
        first: The first epoch that is drawn.
        smoothing: The weight of what came before, from 0, for no smoothing, to less than 1.
    """
    if not smoothing:
        return columns(name, thin(points, width))
    smoother = Smoother(smoothing)
    smooth = smoother.after([cast(float | None, value) for _, _, value in points])
    seen = [((epoch, batch), mean, value) for (epoch, batch, value), mean in zip(points, smooth, strict=True)]
    kept = thin([point for point in seen if point[0][0] >= first], width)
    made = columns(name, [(*moment, value) for moment, _, value in kept])
    made["smooth"], made["mean"], made["share"] = [mean for _, mean, _ in kept], smoother.mean, smoother.share
    return made
