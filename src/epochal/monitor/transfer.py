"""Runs as text, to be taken from one monitor to another.

For each run a line with what is known of it, a line for each moment of it, and a last line with the number of these and
a checksum of all before: JSON each, so that a file of any size is written and read a line at a time.

    {"epochal_run": 1, "run": {…}, "config": {…}, "series": [["epoch", "loss"], …]}
    [0, 17, [[0, 0.93], …]]          epoch, batch (null for the epoch itself), and values by the series' place
    {"moments": 1, "sha256": "…"}
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from .. import wire
from .event import EPOCH_END, MAX_TEXT, RUN_ID, Value
from .runs import Best, RunSummary, StoredRun, new_summary, run_named

VERSION = 1

Row = tuple[int, int, int, int, Value]


class DamagedError(ValueError):
    """A text isn't what was written; it says what is wrong, and where."""


def lines_of(db: sqlite3.Connection, ids: Sequence[str]) -> Iterator[str]:
    """Yield the lines of runs, of all if none is named, as they are at one moment.

    Raises:
        ValueError: If there is no such run.
    """
    db.execute("BEGIN")
    for id in ids or [id for (id,) in db.execute("SELECT id FROM runs ORDER BY key").fetchall()]:
        run = run_named(db, id)
        if run is None:
            raise ValueError(f"there is no run {id!r}.")
        yield from _with_end(_lines_of(db, run))


def _lines_of(db: sqlite3.Connection, run: StoredRun) -> Iterator[str]:
    config = db.execute("SELECT config FROM configs WHERE run = ?", (run.key,)).fetchone()
    series = db.execute("SELECT key, grain, metric FROM series WHERE run = ? ORDER BY key", (run.key,)).fetchall()
    head = {"epochal_run": VERSION, "run": run.summary, "config": config and json.loads(config[0])}
    yield json.dumps({**head, "series": [[grain, metric] for _, grain, metric in series]})
    places = {key: place for place, (key, _, _) in enumerate(series)}
    points = db.execute(
        "SELECT epoch, batch, series, value FROM points WHERE run = ? ORDER BY epoch, batch, series", (run.key,)
    )
    for (epoch, batch), moment in groupby(points, key=itemgetter(0, 1)):
        values = [[places[key], value] for _, _, key, value in moment]
        yield json.dumps([epoch, None if batch == EPOCH_END else batch, values])


def _with_end(lines: Iterable[str]) -> Iterator[str]:
    digest, count = hashlib.sha256(), -1
    for line in lines:
        digest.update(line.encode() + b"\n")
        count += 1
        yield line
    yield json.dumps({"moments": count, "sha256": digest.hexdigest()})


def read_runs(db: sqlite3.Connection, lines: Iterable[bytes]) -> list[str]:
    """Add the runs of a text, in the caller's transaction, and return their ids.

    Raises:
        DamagedError: If it isn't what was written.
        ValueError: If a run is there already.
    """
    numbered, ids = enumerate(lines, 1), list[str]()
    for at, line in numbered:
        ids.append(_read_run(db, at, line, numbered))
    if not ids:
        raise DamagedError("it is empty")
    return ids


def _read_run(db: sqlite3.Connection, at: int, line: bytes, lines: Iterator[tuple[int, bytes]]) -> str:
    """Add the run that begins with a line, and take its other lines."""
    digest = hashlib.sha256(line)
    head = _object(at, line)
    if head.get("epochal_run") != VERSION:
        raise DamagedError(f"line {at} begins no run that this version reads: {line[:60]!r}")
    key, series = _add(db, at, head)
    db.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?)", _rows(lines, key, series, digest))
    return str(head["run"]["id"])


def _add(db: sqlite3.Connection, at: int, head: dict[str, Any]) -> tuple[int, list[int]]:
    """Add a run without its points; return its number, and the numbers of its series."""
    summary = _summary(at, head.get("run"))
    if run_named(db, summary["id"]) is not None:
        raise ValueError(f"run {summary['id']!r} is there already: delete it there, or take another --db.")
    row = StoredRun(0, summary).row
    key = db.execute("INSERT INTO runs (id, client, seen, summary) VALUES (?, ?, ?, ?)", row[1:]).lastrowid or 0
    if head.get("config") is not None:
        db.execute("INSERT INTO configs VALUES (?, ?)", (key, json.dumps(_config(at, head["config"]))))
    names = head.get("series")
    if not isinstance(names, list) or not all(_is_name(name) for name in cast("list[object]", names)):
        raise DamagedError(f"line {at} has no list of series")
    insert = "INSERT INTO series (run, grain, metric) VALUES (?, ?, ?)"
    return key, [db.execute(insert, (key, *name)).lastrowid or 0 for name in cast("list[list[str]]", names)]


def _rows(lines: Iterator[tuple[int, bytes]], key: int, series: Sequence[int], digest: Any) -> Iterator[Row]:
    """Yield the points of a run up to its last line, which must say what has come."""
    for count, (at, line) in enumerate(lines):
        if line.startswith(b"{"):
            end = _object(at, line)
            if (end.get("moments"), end.get("sha256")) != (count, digest.hexdigest()):
                raise DamagedError(f"what stands before line {at} isn't what was written")
            return
        digest.update(line)
        yield from _points(at, line, key, series)
    raise DamagedError("it ends before its last run does")


def _points(at: int, line: bytes, key: int, series: Sequence[int]) -> Iterator[Row]:
    try:
        epoch, batch, values = json.loads(line)
        for place, value in values:
            if not (_is_count(epoch) and (batch is None or _is_count(batch)) and _is_count(place) and _is_value(value)):
                raise ValueError
            yield key, epoch, EPOCH_END if batch is None else batch, series[place], value
    except (ValueError, TypeError, IndexError, RecursionError):
        raise DamagedError(f"line {at} is no moment of a run: {line[:60]!r}") from None


def _object(at: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DamagedError(f"line {at} is no JSON object: {line[:60]!r}")
    return cast("dict[str, Any]", found)


def _config(at: int, said: object) -> dict[str, str | int | float | bool | None]:
    try:
        return wire.checked_config(cast("dict[str, object]", said if isinstance(said, dict) else {"config": said}))
    except wire.NoValueError as error:
        raise DamagedError(f"line {at}: {error}") from None


def _summary(at: int, said: object) -> RunSummary:
    """Return a run's summary if it has all of its keys, and values as a monitor writes them."""
    if not isinstance(said, dict) or said.keys() != new_summary("", "", 0, 0.0).keys():
        raise DamagedError(f"line {at} has no run as this version knows it")
    given = cast("dict[str, object]", said)
    for name, fits in _FITS.items():
        if not (fits(given[name]) or (name in _OPTIONAL and given[name] is None)):
            raise DamagedError(f"line {at} has a run whose {name} is {str(given[name])[:40]!r}")
    try:
        given["tags"], given["notes"] = wire.checked_tags(given["tags"]), wire.checked_notes(given["notes"])
    except wire.NoValueError as error:
        raise DamagedError(f"line {at}: {error}") from None
    return cast("RunSummary", given)


def _is_name(name: object) -> bool:
    """Return whether something is the grain and the metric of a series."""
    grain, metric = _pair(name)
    return grain in ("epoch", "batch") and _is_text(metric)


def _is_id(id: object) -> bool:
    return isinstance(id, str) and re.fullmatch(rf"(?!$){RUN_ID}|~[0-9A-Za-z.:~-]{{1,100}}", id) is not None


def _is_state(state: object) -> bool:
    return state in (wire.RUNNING, *wire.ENDS)


def _is_text(text: object) -> bool:
    return isinstance(text, str) and len(text) <= MAX_TEXT + 1 and wire.storable(text) == text


def _is_flag(flag: object) -> bool:
    return isinstance(flag, bool)


def _is_count(number: object) -> bool:
    return type(number) is int and 0 <= number < EPOCH_END


def _is_number(number: object) -> bool:
    return isinstance(number, (int, float)) and not _is_flag(number) and abs(number) <= sys.float_info.max


def _is_value(value: object) -> bool:
    return value is None or _is_text(value) or (type(value) is float and math.isfinite(value))


def _is_clock(clock: object) -> bool:
    epochs, seconds = _pair(clock)
    return _is_count(epochs) and _is_number(seconds)


def _pair(found: object) -> tuple[object, object]:
    """Return the two of a list; of anything else two that fit nowhere."""
    listed = cast("list[object]", found) if isinstance(found, list) else []
    return (listed[0], listed[1]) if len(listed) == 2 else ((), ())


def _is_edited(names: object) -> bool:
    return isinstance(names, list) and all(name in ("name", "tags", "notes") for name in cast("list[object]", names))


def _is_best(best: object) -> bool:
    if not isinstance(best, dict) or best.keys() != Best.__annotations__.keys():
        return False
    found = cast("dict[str, object]", best)
    return _is_number(found["value"]) and _is_count(found["epoch"]) and _is_flag(found["higher"])


def _by_metric(values: object, fits: Callable[[object], bool]) -> bool:
    if not isinstance(values, dict):
        return False
    return all(_is_text(metric) and fits(value) for metric, value in cast("dict[str, object]", values).items())


_FITS: dict[str, Callable[[object], bool]] = {
    "id": _is_id,
    "state": _is_state,
    "clock": _is_clock,
    "edited": _is_edited,
    "last": lambda values: _by_metric(values, _is_value),
    "best": lambda values: _by_metric(values, _is_best),
    **dict.fromkeys(["client", "name", "called", "reason"], _is_text),
    **dict.fromkeys(["epochs", "steps", "epoch", "batch"], _is_count),
    **dict.fromkeys(["started", "seen", "duration", "rate", "pace", "eta"], _is_number),
    **dict.fromkeys(["archived", "allow_stop", "stopping"], _is_flag),
}
"""What each entry of a run's summary must be, but for tags and notes, of which more is said."""

_OPTIONAL = {"name", "called", "epochs", "steps", "batch", "rate", "pace", "eta"}
