"""What changes of runs: by their events, by what their clients say of them, and by people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from .. import wire
from .event import About, PostedEvent
from .runs import RunSummary
from .series import Point, SeriesName
from .standing import move_on


@dataclass(frozen=True, slots=True)
class Added:
    """A change: a committed event, or what somebody has said of a run.

    Attributes:
        run: The run's summary after it.
        points: Its points by series.
    """

    run: RunSummary
    points: dict[SeriesName, list[Point]]


@dataclass(frozen=True, slots=True)
class Removed:
    """A deleted run."""

    run: str


Change = Added | Removed


class Edits(TypedDict, total=False):
    """What somebody says of a run on the page; with None it has its client's name for it again."""

    name: str | None
    tags: list[str]
    notes: str
    archived: bool


class StopError(Exception):
    """A run can't be asked to stop; the text says why."""


def hear(run: RunSummary, event: PostedEvent, now: float) -> None:
    """Take everything in from an event but its points."""
    if event.about is not None:
        _take(run, event.about)
    if event.is_news or (event.is_late and event.epoch == run["epoch"]):
        move_on(run, event, now)
    run["seen"], run["called"] = now, event.name or run["called"]
    if "name" not in run["edited"]:
        run["name"] = run["called"]
    if event.state is not None:
        run["state"], run["reason"] = event.state, event.reason
        run["rate"] = run["eta"] = None
        run["stopping"] = False  # so that one that goes on later doesn't stop at once
    elif event.is_news:
        go_on(run)


def go_on(run: RunSummary) -> None:
    """Note that a run is running."""
    if run["state"] != wire.RUNNING:
        run["state"], run["reason"] = wire.RUNNING, ""


def do_again(run: RunSummary) -> bool:
    """Note that a run does again what it had posted, as a resumed one does, and return whether that is news."""
    news = run["state"] != wire.RUNNING or run["stopping"]
    go_on(run)
    run["stopping"] = False  # it was for the process that is gone
    return news


def _take(run: RunSummary, about: About) -> None:
    run["allow_stop"], run["stopping"] = about.allow_stop, False  # said once, when a process begins
    if "tags" not in run["edited"]:
        run["tags"] = about.tags
    if "notes" not in run["edited"]:
        run["notes"] = about.notes


def edit(run: RunSummary, edits: Edits) -> None:
    """Take in what somebody says of a run, which goes before what its client says from now on."""
    run.update(edits)  # pyright: ignore[reportCallIssue, reportArgumentType]
    run["edited"] = sorted({*run["edited"], *(edits.keys() - {"archived"})})
    if edits.get("name", "") is None:
        run["name"] = run["called"]
        run["edited"].remove("name")


def ask_to_stop(run: RunSummary) -> None:
    """Note that a run is to stop.

    Raises:
        StopError: If it is over, or its client hasn't allowed it.
    """
    if run["state"] != wire.RUNNING:
        raise StopError(f"the run is over: it is {run['state']}")
    if not run["allow_stop"]:
        raise StopError("the fit doesn't allow it: RemoteMonitor(..., allow_stop=True) does")
    run["stopping"] = True
