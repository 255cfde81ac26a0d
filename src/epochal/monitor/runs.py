"""A run in the file, without its points."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import TypedDict

from .. import wire
from .event import Value
from .series import SeriesName


class Best(TypedDict):
    """The best value of a metric of epochs, its epoch, counted from 0, and whether higher values are better."""

    value: float
    epoch: int
    higher: bool


class RunSummary(TypedDict):
    """A run as the list of runs shows it, in JSON; times in seconds since 1970.

    Attributes:
        id: What it is called in addresses.
        client: The address that its events came from.
        name: What the page calls it.
        called: What its client calls it.
        state: "running", or how it ended: see `wire.ENDS`.
        reason: Why it ended.
        epochs: How many epochs it is to have.
        steps: How many batches an epoch has.
        epoch: The epoch of the last event, counted from 0.
        batch: How many batches of that epoch are done; None where that isn't known, and at its end.
        started: When the first event came.
        seen: When the last event came.
        duration: Seconds of training so far.
        rate: Steps a second lately.
        pace: Seconds an epoch lately.
        eta: Seconds from the last event to the end.
        clock: How many epochs were done at the end of the last one, and after how many seconds of training.
        last: The last value of each metric, of epochs before those of batches.
        best: The best value of each metric of epochs whose better direction is known.
        tags: Words to find it by.
        notes: What its people say of it.
        edited: Which of name, tags and notes somebody has changed here: what the client says of them no longer counts.
        archived: Whether it is out of the way.
        allow_stop: Whether it may be asked to stop.
        stopping: Whether somebody has asked.
    """

    id: str
    client: str
    name: str | None
    called: str | None
    state: str
    reason: str
    epochs: int | None
    steps: int | None
    epoch: int
    batch: int | None
    started: float
    seen: float
    duration: float
    rate: float | None
    pace: float | None
    eta: float | None
    clock: tuple[int, float]
    last: dict[str, Value]
    best: dict[str, Best]
    tags: list[str]
    notes: str
    edited: list[str]
    archived: bool
    allow_stop: bool
    stopping: bool


def new_summary(id: str, client: str, epoch: int, now: float) -> RunSummary:
    """Return the summary of a run of which nothing is known but its first event's epoch."""
    return RunSummary(
        id=id, client=client, name=None, called=None, state=wire.RUNNING, reason="", epochs=None, steps=None,
        epoch=epoch, batch=None, started=now, seen=now, duration=0.0, rate=None, pace=None, eta=None,
        clock=(epoch, 0.0), last={}, best={}, tags=[], notes="", edited=[], archived=False, allow_stop=False,
        stopping=False,
    )  # fmt: skip


_encode = json.JSONEncoder(check_circular=False, allow_nan=False).encode


@dataclass(slots=True)
class StoredRun:
    """A run in the file.

    Attributes:
        key: The run's number in the file.
        summary: What the list of runs shows of it.
        series: The key in the file of each series.
    """

    key: int
    summary: RunSummary
    series: dict[SeriesName, int] = field(default_factory=dict[SeriesName, int])

    @property
    def row(self) -> tuple[int, str, str, float, str]:
        """The values of its row."""
        summary = self.summary
        return self.key, summary["id"], summary["client"], summary["seen"], _encode(summary)

    def copy(self) -> RunSummary:
        """Return its summary as of now, which nothing changes any more."""
        summary = self.summary
        return {**summary, "last": {**summary["last"]}, "best": {**summary["best"]}}


def run_named(db: sqlite3.Connection, id: str) -> StoredRun | None:
    """Return the run with this id, without its series; None if there is none."""
    found = db.execute("SELECT key, summary FROM runs WHERE id = ?", (id,)).fetchone()
    return found and StoredRun(found[0], json.loads(found[1]))


def summaries(db: sqlite3.Connection, limit: int) -> list[str]:
    """Return the summaries of the runs last heard of, latest first, as they are kept: as JSON."""
    return [text for (text,) in db.execute("SELECT summary FROM runs ORDER BY seen DESC LIMIT ?", (limit,))]
