"""Charts and tables read from the monitor's file, on a connection of the reader's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

from .event import EPOCH_END, Value
from .runs import RunSummary, StoredRun, run_named
from .series import Point, SeriesColumns, drawn

LAST_EPOCH = 2**53
"""No epoch is later."""

Row = tuple[int | Value, ...]
"""`(epoch, batch, *values)`; the batch is None in the row of a whole epoch."""


class RunInDetail(RunSummary):
    """A run's summary and its series."""

    series: list[SeriesColumns]


class Table(NamedTuple):
    """All values of a run.

    Attributes:
        columns: "epoch", "batch", and the metrics.
        rows: A row an epoch and a row a batch, read as they are taken.
    """

    columns: list[str]
    rows: Iterator[Row]


def read_run(
    db: sqlite3.Connection, id: str, width: int, first: int, last: int, smoothing: float
) -> RunInDetail | None:
    """Return a run with its series, as `Store.run` does."""
    db.execute("BEGIN")
    run = run_named(db, id)
    if run is None:
        return None
    names = db.execute("SELECT key, grain, metric FROM series WHERE run = ? ORDER BY key", (run.key,)).fetchall()
    points: dict[int, list[Point]] = {key: [] for key, _, _ in names}
    of_numbers = "WHERE run = ? AND epoch BETWEEN ? AND ? AND typeof(value) <> 'text' ORDER BY epoch, batch"
    bounds = (run.key, 0 if smoothing else first, last)
    for key, epoch, batch, value in db.execute(f"SELECT series, epoch, batch, value FROM points {of_numbers}", bounds):
        points[key].append((epoch, batch, value))
    series = [drawn((grain, metric), points[key], width, first, smoothing) for key, grain, metric in names]
    return RunInDetail(**run.summary, series=series)


def read_table(db: sqlite3.Connection, id: str, limit: int | None, first: int, last: int) -> Table | None:
    """Return a run's values, as `Store.table` does; the connection is closed after the last row."""
    db.execute("BEGIN")  # what is posted until the last row is taken is not seen, neither names nor points
    run = run_named(db, id)
    if run is None:
        db.close()
        return None
    names = db.execute("SELECT key, metric FROM series WHERE run = ? ORDER BY key", (run.key,)).fetchall()
    metrics = list(dict.fromkeys(str(metric) for _, metric in names))
    places = {int(key): metrics.index(metric) for key, metric in names}
    return Table(["epoch", "batch", *metrics], _rows(db, run, places, limit, first, last))


def _rows(
    db: sqlite3.Connection, run: StoredRun, places: Mapping[int, int], limit: int | None, first: int, last: int
) -> Iterator[Row]:
    """Yield the rows of series at these places: an epoch's batches, then the epoch itself."""
    way = "" if limit is None else "DESC"
    wanted = "SELECT epoch, batch, series, value FROM points WHERE run = ? AND epoch BETWEEN ? AND ?"
    ordered = f"{wanted} ORDER BY epoch {way}, batch {way}"
    width = max(places.values(), default=-1) + 1
    with closing(db):
        moments = groupby(db.execute(ordered, (run.key, first, last)), key=itemgetter(0, 1))
        for (epoch, batch), points in islice(moments, limit):
            row: list[Value] = [None] * width
            for _, _, series, value in points:
                row[places[series]] = value
            yield epoch, None if batch == EPOCH_END else batch, *row
