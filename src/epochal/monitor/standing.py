"""How a run is getting on: how fast, how long still, and what was best."""

from __future__ import annotations

import math
import sqlite3
from functools import lru_cache

from .. import wire
from ..core.directions import direction_of
from .event import EPOCH_END, PostedEvent, Value
from .runs import Best, RunSummary

NOTICEABLE = 0.05
"""Seconds between two events from which on they tell how fast a run is; those that waited come at once."""

direction = lru_cache(4_096)(direction_of)


def move_on(run: RunSummary, event: PostedEvent, now: float) -> None:
    """Bring a run's place and speed up to date with an event that brings values, before anything else of it."""
    if event.points and event.points[0][1] != EPOCH_END:
        _batches_done(run, event, now)
    else:
        _epoch_done(run, {metric: value for metric, _, value in event.points}, event.epoch, now)
    run["epochs"], run["epoch"] = event.epochs or run["epochs"], event.epoch
    run["steps"] = event.steps or _steps_seen(run["steps"], event)
    run["eta"] = _seconds_left(run)


def _batches_done(run: RunSummary, event: PostedEvent, now: float) -> None:
    done, gone = event.points[-1][1] + 1, now - run["seen"]
    before = (run["batch"] or 0) if run["epoch"] == event.epoch else 0
    if gone >= NOTICEABLE and done > before:
        run["rate"] = (done - before) / gone
    run["batch"] = done
    if wire.SECONDS not in run["last"]:
        run["duration"] = now - run["started"]


def _epoch_done(run: RunSummary, values: dict[str, Value], epoch: int, now: float) -> None:
    """Take the pace from the run's own clock, or if it doesn't tell, from when its epochs came."""
    said, step = values.get(wire.SECONDS), values.get(wire.STEP_TIME)
    seconds = said if isinstance(said, float) else now - run["started"]
    (done_before, seconds_before), done = run["clock"], epoch + 1
    if done > done_before and seconds > seconds_before:
        fresh = (seconds - seconds_before) / (done - done_before)
        run["pace"] = _finite(fresh if run["pace"] is None else (run["pace"] + fresh) / 2)
    if isinstance(step, float) and step > 0:
        run["rate"] = _finite(1 / step)
    elif run["pace"] and run["steps"]:
        run["rate"] = _finite(run["steps"] / run["pace"])
    run["clock"], run["duration"], run["batch"] = (done, seconds), seconds, None


def _seconds_left(run: RunSummary) -> float | None:
    pace = run["pace"]
    if pace is None and run["rate"] and run["steps"]:
        pace = run["steps"] / run["rate"]
    if pace is None or not run["epochs"]:
        return None
    of_this = 1.0 if run["batch"] is None else min(1.0, run["batch"] / run["steps"]) if run["steps"] else 0.0
    return _finite(max(0.0, run["epochs"] - run["epoch"] - of_this) * pace)


def _finite(number: float) -> float | None:
    """Return a number that JSON can hold; None for one that is too large, of values next to the limits of floats."""
    return number if math.isfinite(number) else None


def _steps_seen(known: int | None, event: PostedEvent) -> int | None:
    """Guess an epoch's length of a client that doesn't say it, from the batches that came."""
    largest = max((batch + 1 for _, batch, _ in event.points if batch != EPOCH_END), default=0)
    return max(largest, known or 0) or None


def judge(best: dict[str, Best], epoch: int, metric: str, value: Value) -> bool:
    """Note a value of an epoch if it is the best so far.

    Returns:
        Whether the epoch that was best was done again and isn't as good, so that the best must be looked for anew.
    """
    if not isinstance(value, float) or (way := direction(metric)) is None:
        return False
    before = best.get(metric)
    if before is None or (value < before["value"] if way == "min" else value > before["value"]):
        best[metric] = Best(value=value, epoch=epoch, higher=way == "max")
        return False
    return before["epoch"] == epoch and value != before["value"]


def best_of(db: sqlite3.Connection, run: int) -> dict[str, Best]:
    """Return the best value of each metric of a run's epochs, from its points; of equal ones the first."""
    names = dict(db.execute("SELECT key, metric FROM series WHERE run = ? AND grain = 'epoch'", (run,)).fetchall())
    found: dict[str, Best] = {}
    of_epochs = "SELECT series, epoch, value FROM points WHERE run = ? AND batch = ? ORDER BY epoch"
    for series, epoch, value in db.execute(of_epochs, (run, EPOCH_END)):
        judge(found, epoch, names[series], value)
    return found
