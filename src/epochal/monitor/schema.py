"""The tables of the monitor's file, and how a file of an earlier version gets them."""

from __future__ import annotations

import json
import sqlite3

from .runs import StoredRun, new_summary
from .standing import best_of

FORMAT = 2
"""The version of the tables."""

RUNS = """
CREATE TABLE runs (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, client TEXT NOT NULL, seen REAL NOT NULL, summary TEXT NOT NULL
);
CREATE INDEX runs_by_client ON runs (client, key);
CREATE INDEX runs_by_age ON runs (seen);
CREATE TABLE configs (run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE, config TEXT NOT NULL);
"""

SCHEMA = f"""
{RUNS}
CREATE TABLE series (
    key INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    metric TEXT NOT NULL, grain TEXT NOT NULL, UNIQUE (run, grain, metric)
);
CREATE TABLE points (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, epoch INTEGER NOT NULL, batch INTEGER NOT NULL,
    series INTEGER NOT NULL, value,
    PRIMARY KEY (run, epoch, batch, series)
) WITHOUT ROWID;
CREATE TABLE events (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, seq INTEGER NOT NULL, digest INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
"""
"""A run's row holds what the list of runs shows of it, as JSON, since it is listed a thousand times for each change."""


def migrate(db: sqlite3.Connection, found: int) -> None:
    """Bring the tables of an earlier version to this one, in the caller's transaction; foreign keys must be off."""
    if found == 1:
        _runs_as_json(db)


def _runs_as_json(db: sqlite3.Connection) -> None:
    """Make each run's columns, of version 1, one JSON, and look up its best values."""
    columns = "key, id, client, name, state, epochs, steps, epoch, started, seen, last"
    old = db.execute(f"SELECT {columns} FROM runs").fetchall()
    db.execute("DROP TABLE runs")
    for statement in RUNS.split(";")[:-1]:
        db.execute(statement)
    for key, id, client, name, state, epochs, steps, epoch, started, seen, last in old:
        summary = new_summary(id, client, epoch, started)
        summary.update(name=name, called=name, state=state, epochs=epochs, steps=steps, seen=seen)
        summary.update(last=json.loads(last), duration=seen - started, best=best_of(db, key))
        summary["clock"] = epoch + 1, seen - started
        db.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?)", StoredRun(key, summary).row)
