"""A run in the file, without its points."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from .event import Value
from .series import SeriesName

COLUMNS = ("key", "id", "client", "name", "state", "epochs", "steps", "epoch", "started", "seen", "last")
CHANGING = ("name", "state", "epochs", "steps", "epoch", "seen", "last")
"""The columns that an event may change."""


class RunSummary(TypedDict):
    """A run as the list of runs shows it, in JSON; for the keys see `StoredRun`."""

    id: str
    client: str
    name: str | None
    state: str
    epochs: int | None
    steps: int | None
    epoch: int
    started: float
    seen: float
    last: dict[str, Value]


@dataclass(slots=True)
class StoredRun:
    """A run in the file; times in seconds since 1970.

    Attributes:
        key: The run's number in the file.
        id: What it is called in addresses.
        client: The address that its events came from.
        name: What the page calls it.
        state: "running", or how it ended.
        epochs: How many epochs it is to have.
        steps: How many batches an epoch has.
        epoch: The epoch of the last event.
        started: When the first event came.
        seen: When the last event came.
        last: The last value of each metric, of epochs before those of batches.
        series: The key in the file of each series.
    """

    key: int
    id: str
    client: str
    name: str | None
    state: str
    epochs: int | None
    steps: int | None
    epoch: int
    started: float
    seen: float
    last: dict[str, Value]
    series: dict[SeriesName, int] = field(default_factory=dict[SeriesName, int])

    @property
    def row(self) -> tuple[Any, ...]:
        """The values of `COLUMNS`."""
        return (*(getattr(self, name) for name in COLUMNS[:-1]), json.dumps(self.last))

    def summary(self) -> RunSummary:
        """Return the run as the list of runs shows it."""
        return RunSummary(
            id=self.id,
            client=self.client,
            name=self.name,
            state=self.state,
            epochs=self.epochs,
            steps=self.steps,
            epoch=self.epoch,
            started=self.started,
            seen=self.seen,
            last=dict(self.last),
        )


def select_runs(db: sqlite3.Connection, where: str, values: Sequence[str | int]) -> Iterator[StoredRun]:
    """Yield the runs that an SQL clause selects, such as `WHERE id = ?`; without their series."""
    for *row, last in db.execute(f"SELECT {', '.join(COLUMNS)} FROM runs {where}", values):
        yield StoredRun(*row, last=json.loads(last))


def run_named(db: sqlite3.Connection, id: str) -> StoredRun | None:
    """Return the run with this id, without its series; None if there is none."""
    return next(select_runs(db, "WHERE id = ?", (id,)), None)
