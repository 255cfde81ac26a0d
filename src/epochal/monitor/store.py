"""The SQLite file: runs, their series, and the points of these.

An event is kept as points, one row a value, under (run, epoch, batch, series): what comes together lies
together, and an event that comes twice, or an epoch that a resumed run does again, replaces what it repeats.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from .changes import Added, Edits, Removed, ask_to_stop, do_again, edit, hear
from .database import Database
from .event import EPOCH_END, BadEventError, PostedEvent, Value
from .reading import LAST_EPOCH, RunInDetail, Table, read_run, read_table
from .runs import RunSummary, StoredRun, new_summary, run_named, summaries
from .schema import FORMAT, SCHEMA, migrate
from .series import Point, SeriesName
from .standing import best_of, judge
from .transfer import read_runs

MAX_SERIES = 1_000
KNOWN_RUNS = 1_000


@dataclass(slots=True)
class _Rows:
    """What a commit writes besides the runs' own rows.

    Attributes:
        points: Rows of points.
        configs: Configurations by the run's number.
        to_judge: Runs whose best values must be looked for anew.
    """

    points: list[tuple[int, int, int, int, Value]] = field(default_factory=list[tuple[int, int, int, int, Value]])
    configs: dict[int, str] = field(default_factory=dict[int, str])
    to_judge: list[StoredRun] = field(default_factory=list[StoredRun])


class Store:
    """Runs in one SQLite file. One thread writes (`add`, `delete`); any thread reads.

    >>> import tempfile
    >>> from epochal.monitor.event import read_events
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(f"{folder}/runs.db")
    ...     added = store.add(read_events(b'{"epoch": 0, "loss": 0.5}', {"x-epochal-run": "a"}, "127.0.0.1"))
    ...     [(run["id"], run["last"]) for run in store.runs()]
    ...     store.close()
    [('a', {'loss': 0.5})]

    Args:
        path: The file; made, readable by its owner only, if it isn't there.

    Raises:
        ValueError: If the file is of another program, of a later version of this one, or another monitor has it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._database = Database(path, SCHEMA, FORMAT, migrate)
        self.path = self._database.path
        self._known: dict[str, StoredRun] = {}

    @property
    def _db(self) -> sqlite3.Connection:
        return self._database.writer

    def close(self) -> None:
        """Close the file; its write-ahead log is folded into it."""
        self._database.close()

    # Writing

    def add(self, events: Sequence[PostedEvent]) -> list[Added | Exception | None]:
        """Commit events; return for each what it added, None for one that was there already.

        A refused event, or one that fails in another way, adds nothing, and its error stands in its place.

        Raises:
            sqlite3.Error: If nothing could be committed, as on a full disk.
        """
        if not events:
            return []
        try:
            with self._transaction():
                return self._add(events)
        except sqlite3.Error:
            raise
        except Exception as error:  # a neighbour's, whatever it is, is none of the others' business
            if len(events) == 1:
                return [error]
            return [outcome for event in events for outcome in self.add([event])]

    def delete(self, id: str, unheard_since: float = math.inf) -> Removed | None:
        """Delete a run and everything of it; None if there is no such run, or it has been heard of since that time.

        Raises:
            sqlite3.Error: If that couldn't be committed.
        """
        with self._transaction():
            self._known.pop(id, None)
            found = self._db.execute("DELETE FROM runs WHERE id = ? AND seen < ?", (id, unheard_since)).rowcount
        return Removed(id) if found else None

    def take_in(self, lines: Iterable[bytes]) -> list[str]:
        """Add runs that `transfer` has written, all of them or none; return their ids.

        Raises:
            ValueError: If they aren't what was written, or one is there already.
            sqlite3.Error: If that couldn't be committed.
        """
        with self._transaction():
            return read_runs(self._db, lines)

    def edit(self, id: str, edits: Edits) -> Added | None:
        """Keep what somebody says of a run, which goes before what its client says; None if there is no such run.

        Raises:
            sqlite3.Error: If that couldn't be committed.
        """
        return self._change(id, lambda summary: edit(summary, edits))

    def ask_to_stop(self, id: str) -> Added | None:
        """Note that a run is to stop, which its client is told at its next post; None if there is no such run.

        Raises:
            StopError: If it is over, or its client hasn't allowed it.
            sqlite3.Error: If that couldn't be committed.
        """
        return self._change(id, ask_to_stop)

    def _change(self, id: str, change: Callable[[RunSummary], None]) -> Added | None:
        with self._transaction():
            run = self._known_run(id)
            if run is None:
                return None
            change(run.summary)
            self._write_runs([run])
            return Added(run.copy(), {})

    @contextmanager
    def _transaction(self) -> Generator[None]:
        try:
            with self._database.transaction():
                yield
        except BaseException:
            self._known.clear()  # they may know of what is now undone
            raise

    def _add(self, events: Sequence[PostedEvent]) -> list[Added | Exception | None]:
        """Write each table in one statement: at every statement the thread waits for the interpreter's lock."""
        if len(self._known) > KNOWN_RUNS:
            self._known.clear()
        runs = [self._run_of(event) for event in events]
        digests = self._digests([(run.key, event.seq) for run, event in zip(runs, events, strict=True) if run])
        added: list[Added | Exception | None] = []
        rows = _Rows()
        for run, event in zip(runs, events, strict=True):
            if run is None:
                added.append(None)
                continue
            if event.seq is not None:
                before = digests.get((run.key, event.seq))
                if before == event.digest:
                    added.append(self._hear_again(run))
                    continue
                if before is not None:
                    do_again(run.summary)
                digests[run.key, event.seq] = event.digest
            added.append(self._apply(event, run, rows))
        self._insert("events", [(run, seq, digest) for (run, seq), digest in digests.items()])
        self._insert("points", rows.points)
        self._insert("configs", list(rows.configs.items()))
        for run in rows.to_judge:
            run.summary["best"] = best_of(self._db, run.key)
        self._write_runs({run.key: run for run in runs if run}.values())
        return added

    def _apply(self, event: PostedEvent, run: StoredRun, rows: _Rows) -> Added:
        """Bring a run up to date with an event, and return what the event adds."""
        summary, points = run.summary, dict[SeriesName, list[Point]]()
        for metric, batch, value in event.points:
            at: SeriesName = ("epoch" if batch == EPOCH_END else "batch", metric)
            points.setdefault(at, []).append((event.epoch, batch, value))
        hear(summary, event, time.time())
        for at, column in points.items():
            grain, metric = at
            if at not in run.series:
                run.series[at] = self._new_series(run, at)
            if grain == "epoch" or ("epoch", metric) not in run.series:
                summary["last"][metric] = column[-1][-1]
            if grain == "epoch" and judge(summary["best"], event.epoch, metric, column[-1][-1]):
                rows.to_judge.append(run)
            rows.points += [(run.key, epoch, batch, run.series[at], value) for epoch, batch, value in column]
        if event.about is not None:
            rows.configs[run.key] = json.dumps(event.about.config)
        return Added(run.copy(), points)

    def _hear_again(self, run: StoredRun) -> Added | None:
        """Take an event that was there already as a sign of life: a resumed run does again what it had posted."""
        run.summary["seen"] = time.time()
        return Added(run.copy(), {}) if do_again(run.summary) else None

    def _digests(self, keys: Sequence[tuple[int, int | None]]) -> dict[tuple[int, int], int]:
        """Return the digests of the events that came under these numbers before.

        The number alone doesn't say that an event came before: a run that was resumed counts on from
        where it was saved, and may by then have sent other events under the same numbers.
        """
        numbered = [key for key in keys if key[1] is not None]
        if not numbered:
            return {}
        asked = f"WITH asked (run, seq) AS (VALUES {', '.join(['(?, ?)'] * len(numbered))})"
        found = f"{asked} SELECT run, seq, digest FROM asked CROSS JOIN events USING (run, seq)"
        return {
            (run, seq): digest for run, seq, digest in self._db.execute(found, [n for key in numbered for n in key])
        }

    def _run_of(self, event: PostedEvent) -> StoredRun | None:
        """Return an event's run, a new one if need be; none for the last word of a run that has been deleted."""
        if event.run:
            found = self._known_run(event.run)
            return self._new_run(event.run, event) if found is None and event.is_news else found
        latest = "SELECT id FROM runs WHERE client = ? AND id LIKE '~%' ORDER BY key DESC LIMIT 1"
        found = self._db.execute(latest, (event.client,)).fetchone()
        run = found and self._known_run(found[0])
        if run and not self._starts_again(run, event):
            return run
        count = self._db.execute("SELECT count(*) FROM runs WHERE client = ?", (event.client,)).fetchone()[0]
        id = next(id for n in range(count + 1, 10**9) if not self._known_run(id := f"~{event.client}~{n}"))
        return self._new_run(id, event)

    def _starts_again(self, run: StoredRun, event: PostedEvent) -> bool:
        """Return whether an event without an id is of a new run of its client: its epoch 0 comes again."""
        if event.epoch or not event.points:
            return False
        there = "SELECT 1 FROM points WHERE run = ? AND epoch = 0 AND batch = ? LIMIT 1"
        return run.summary["epoch"] > 0 or self._db.execute(there, (run.key, event.points[0][1])).fetchone() is not None

    def _known_run(self, id: str) -> StoredRun | None:
        if id not in self._known:
            found = run_named(self._db, id)
            if found is None:
                return None
            series = self._db.execute("SELECT grain, metric, key FROM series WHERE run = ?", (found.key,))
            found.series = {(grain, metric): key for grain, metric, key in series}
            self._known[id] = found
        return self._known[id]

    def _new_run(self, id: str, event: PostedEvent) -> StoredRun:
        run = StoredRun(0, new_summary(id, event.client, event.epoch, time.time()))
        insert = "INSERT INTO runs (id, client, seen, summary) VALUES (?, ?, ?, ?)"
        run.key = self._db.execute(insert, run.row[1:]).lastrowid or 0
        self._known[id] = run
        return run

    def _new_series(self, run: StoredRun, at: SeriesName) -> int:
        if len(run.series) >= MAX_SERIES:
            raise BadEventError(f"a run has at most {MAX_SERIES} metrics; {at[1]!r} would be one more")
        insert = "INSERT INTO series (run, grain, metric) VALUES (?, ?, ?)"
        return self._db.execute(insert, (run.key, *at)).lastrowid or 0

    def _write_runs(self, runs: Iterable[StoredRun]) -> None:
        # REPLACE would delete the old row and with it the run's points
        changed = "ON CONFLICT (key) DO UPDATE SET seen = excluded.seen, summary = excluded.summary"
        self._insert("runs", [run.row for run in runs], changed)

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]], otherwise: str = "") -> None:
        insert = "INSERT" if otherwise else "INSERT OR REPLACE"
        for start in range(0, len(rows), 1_000):
            chunk = rows[start : start + 1_000]
            row = f"({', '.join('?' * len(chunk[0]))})"
            statement = f"{insert} INTO {table} VALUES {', '.join([row] * len(chunk))} {otherwise}"
            self._db.execute(statement, [value for values in chunk for value in values])

    # Reading

    def runs(self, limit: int = 500) -> list[RunSummary]:
        """Return the summaries of the runs last heard of, latest first."""
        return [json.loads(text) for text in self.listed(limit)]

    def listed(self, limit: int) -> list[str]:
        """Return the summaries of the runs last heard of, latest first, as they are kept: as JSON."""
        with closing(self._database.connect()) as db:
            return summaries(db, limit)

    def count(self) -> int:
        """Return how many runs there are."""
        with closing(self._database.connect()) as db:
            return db.execute("SELECT count(*) FROM runs").fetchone()[0]

    def size(self) -> int:
        """Return how many bytes the file has, its write-ahead log included."""
        return self._database.size()

    def unheard_since(self, time: float) -> list[str]:
        """Return the ids of runs last heard of before a time, in seconds since 1970, but for archived ones."""
        with closing(self._database.connect()) as db:
            old = db.execute("SELECT id, summary FROM runs WHERE seen < ? ORDER BY seen", (time,))
            return [id for id, summary in old if not json.loads(summary)["archived"]]

    def configs(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the configurations of runs that have one, by id, as they are kept: as JSON."""
        asked = ", ".join("?" * len(ids))
        wanted = f"SELECT id, config FROM configs JOIN runs ON runs.key = configs.run WHERE id IN ({asked})"
        with closing(self._database.connect()) as db:
            return dict(db.execute(wanted, ids).fetchall())

    def run(
        self, id: str, width: int, first: int = 0, last: int = LAST_EPOCH, smoothing: float = 0.0
    ) -> RunInDetail | None:
        """Return a run's summary and its series, thinned for a chart; None if there is no such run.

        Text is left out: it can't be drawn.

        Args:
            id: The run.
            width: Of the chart, in pixels.
            first: The first epoch.
            last: The last epoch.
            smoothing: From 0 to less than 1. Above 0 each series also has the smoothed values at its points, computed
                of all points since the run began.
        """
        with closing(self._database.connect()) as db:
            return read_run(db, id, width, first, last, smoothing)

    def table(self, id: str, limit: int | None = None, first: int = 0, last: int = LAST_EPOCH) -> Table | None:
        """Return a run's values from epoch `first` to `last`; None if there is no such run.

        With a limit the latest come first, and so many of them; else all, from the first one on.
        """
        return read_table(self._database.connect(check_same_thread=False), id, limit, first, last)
