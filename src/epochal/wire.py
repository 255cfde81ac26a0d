"""What `RemoteMonitor` and `epochal monitor` agree on: the address, the headers and the form of an event.

A post is one event, a JSON object, as the body or in a field of a form. That much is Keras's callback, and any server
made for it understands it. The headers here are optional, and come on top:

    RUN, SEQ               which event of which run it is, so that what comes twice counts once
    NAME, EPOCHS, STEPS    what the run is called, and how long it is to be
    EVENTS                 that the post holds so many events, one JSON a line, numbered from SEQ on
    STATE, REASON          how the run ended, and why
    ABOUT                  that the post says what the run is made with, or adds to an epoch that has come

An answer with MONITOR says that STATE is understood, and from version 2 on REASON, ABOUT, the states of that version,
and events with what `RemoteMonitor` measures itself. One with EVENTS says how many events a post may hold, and one with
STOP that somebody wants that run to stop.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, unquote

Event = dict[str, Any]
"""An event: its epoch, perhaps its batches, and values by name."""

VERSION = 2
"""The value of `MONITOR`. The first version knew no reasons, nothing of what a run is made with, and three states."""

WITH_EXTRAS = 2
"""The first version of a monitor that is told what a run is made with, why it ended, and what is measured of epochs."""

PATH = "/publish/epoch/end/"
FIELD = "data"
"""The field of the form that holds the JSON."""

RUN = "X-Epochal-Run"
SEQ = "X-Epochal-Seq"
NAME = "X-Epochal-Name"
EPOCHS = "X-Epochal-Epochs"
STEPS = "X-Epochal-Steps"
STATE = "X-Epochal-State"
REASON = "X-Epochal-Reason"
ABOUT, ABOUT_RUN, ABOUT_EPOCH = "X-Epochal-About", "run", "epoch"
EVENTS = "X-Epochal-Events"
MONITOR = "X-Epochal-Monitor"
STOP = "X-Epochal-Stop"

RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"
EARLY, NAN = "early", "nan"
ENDS = (FINISHED, EARLY, NAN, STOPPED, FAILED)
"""What `STATE` may say of a run that isn't running: a callback has ended it early, or a loss of NaN, or somebody has
stopped it."""

EPOCH, BATCH, SIZE = "epoch", "batch", "size"
"""The keys of an event that are no metrics: its epoch, its batch or batches, and their number of samples."""

MOST_EVENTS = 500
"""How many events one post to a monitor may hold."""

MOST_VALUES = 50_000
"""How many values, batches times metrics, one event may hold."""

MOST_NAMES, LONGEST_NAME, LONGEST_TEXT = 500, 200, 2_000
"""How many names an event or a configuration may have, and how many characters a name and a text."""

MOST_TAGS, LONGEST_TAG, LONGEST_NOTES, LONGEST_REASON = 50, 100, 20_000, 1_000

LEARNING_RATE, STEP_TIME, SECONDS = "learning_rate", "step_time", "seconds"
"""What `RemoteMonitor` adds to the event of an epoch: the rate, seconds a step, and seconds of training so far."""


class NoValueError(ValueError):
    """What was given for a run can't be kept with it; the text says why."""


def epoch_event(epoch: int, values: Mapping[str, Any]) -> Event:
    """Return the event of an epoch: `{"epoch": 3, "loss": 0.5}`."""
    return {EPOCH: epoch, **values}


def batches_event(epoch: int, names: Iterable[str], batches: Sequence[Mapping[str, Any]]) -> Event:
    """Return the event of several batches: each value becomes a column, with None where a batch has no such value.

    Args:
        epoch: The epoch of the batches, counted from 0.
        names: The columns.
        batches: The values of each batch by name, its number among them as "batch".

    >>> batches_event(3, ("batch", "loss"), [{"batch": 0, "loss": 0.9}, {"batch": 1, "loss": 0.8}])
    {'epoch': 3, 'batch': [0, 1], 'loss': [0.9, 0.8]}
    """
    return {EPOCH: epoch, **{name: [batch.get(name) for batch in batches] for name in names}}


def about_event(epoch: int, config: Mapping[str, Any], tags: Sequence[str], notes: str, allow_stop: bool) -> Event:
    """Return the event that says what a run is made with, and what its people say of it.

    >>> about_event(0, {"optimizer": "Adam"}, ["old data"], "", False)
    {'epoch': 0, 'config': {'optimizer': 'Adam'}, 'tags': ['old data'], 'notes': '', 'allow_stop': False}
    """
    return {EPOCH: epoch, "config": dict(config), "tags": list(tags), "notes": notes, "allow_stop": allow_stop}


def checked_run_name(name: object) -> str | None:
    """Return what a run is called; None if it has no name.

    Raises:
        NoValueError: If it is no text, or too long.
    """
    if name is None or (isinstance(name, str) and len(name) <= LONGEST_NAME):
        return name
    raise NoValueError(f"name is a text of at most {LONGEST_NAME} characters; got {str(name)[:40]!r}.")


def checked_tags(tags: object) -> list[str]:
    """Return tags, each once.

    Raises:
        NoValueError: If they are no list of texts, or too many, or one is too long.
    """
    said = repr(str(tags)[:100])
    listed = list(cast("Sequence[object]", tags)) if isinstance(tags, (list, tuple)) else None
    if listed is None or not all(isinstance(tag, str) for tag in listed):
        raise NoValueError(f"tags must be a list of texts; got {said}.")
    kept = list(dict.fromkeys(text for tag in listed if (text := storable(str(tag)).strip())))
    if len(kept) > MOST_TAGS:
        raise NoValueError(f"a run has at most {MOST_TAGS} tags; got {len(kept)}.")
    if long := next((tag for tag in kept if len(tag) > LONGEST_TAG), None):
        raise NoValueError(f"a tag has at most {LONGEST_TAG} characters; got {len(long)}: {long[:40]!r}….")
    return kept


def checked_notes(notes: object) -> str:
    """Return notes.

    Raises:
        NoValueError: If they are no text, or too long.
    """
    if not isinstance(notes, str) or len(notes) > LONGEST_NOTES:
        raise NoValueError(f"notes must be a text of at most {LONGEST_NOTES:,} characters; got {str(notes)[:40]!r}….")
    return storable(notes)


def checked_config(config: Mapping[str, object]) -> dict[str, str | int | float | bool | None]:
    """Return a flat configuration.

    Raises:
        NoValueError: If it has too many names, one or a text is too long, or a value is no number, text, bool or None.
    """
    if len(config) > MOST_NAMES:
        raise NoValueError(f"a configuration has at most {MOST_NAMES} names; got {len(config)}.")
    return {_checked_name(name): _checked_value(name, value) for name, value in config.items()}


def _checked_name(name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise NoValueError(f"a name has at most {LONGEST_NAME} characters; got {len(name)}: {name[:40]!r}….")
    return storable(name)


def _checked_value(name: str, value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= LONGEST_TEXT:
        return storable(value)
    if isinstance(value, int) and value.bit_length() < 1_024:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise NoValueError(
        f"config[{name!r}] must be a finite number, a text of at most {LONGEST_TEXT:,} characters, a bool or None; "
        f"got {str(value)[:40]!r} of type {type(value).__name__}."
    )


def about_headers_for(version: int, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers about a run as a monitor of this version understands them; the first one knew three states.

    >>> about_headers_for(1, end_headers("nan", "NaN loss at batch 17"))
    {'X-Epochal-State': 'finished'}
    """
    if version >= WITH_EXTRAS or STATE not in headers:
        return headers
    state = headers[STATE]
    return {STATE: FINISHED if state in (EARLY, NAN) else state}


def storable(text: str) -> str:
    """Return a text as UTF-8 can hold it: JSON can hold half of a surrogate pair."""
    return text.encode(errors="replace").decode()


def end_headers(state: str, reason: str = "") -> dict[str, str]:
    """Return the headers that say how a run ended.

    >>> end_headers("early", "patience is used up")
    {'X-Epochal-State': 'early', 'X-Epochal-Reason': 'patience%20is%20used%20up'}
    """
    return {STATE: state, **({REASON: quote(reason[:LONGEST_REASON], errors="replace")} if reason else {})}


def run_headers(run: str, name: str | None, epochs: int | None, steps: int | None) -> dict[str, str]:
    """Return the headers that all posts of a run have.

    Args:
        run: The run's id.
        name: What the run is called; None if it has no name.
        epochs: How many epochs it is to have; None or 0 if that isn't known.
        steps: How many batches an epoch has; None or 0 if that isn't known.

    >>> run_headers("a1", "größer", 3, None)
    {'X-Epochal-Run': 'a1', 'X-Epochal-Name': 'gr%C3%B6%C3%9Fer', 'X-Epochal-Epochs': '3'}
    """
    named = {} if name is None else {NAME: quote(name, errors="replace")}
    lengths = {header: str(number) for header, number in ((EPOCHS, epochs), (STEPS, steps)) if number}
    return {RUN: run, **named, **lengths}


def name_in(headers: Mapping[str, str]) -> str:
    """Return what the run of a post is called, "" if it doesn't say; the headers' names are in lower case."""
    return unquote(headers.get(NAME.lower(), ""))


def reason_in(headers: Mapping[str, str]) -> str:
    """Return why the run of a post has ended, "" if it doesn't say; the headers' names are in lower case."""
    return unquote(headers.get(REASON.lower(), ""))


def version_in(headers: Mapping[str, str]) -> int:
    """Return which version of `epochal monitor` has answered; 0 if it was another server.

    >>> version_in({"X-Epochal-Monitor": "2"}), version_in({})
    (2, 0)
    """
    said = headers.get(MONITOR)
    return 0 if said is None else int(said) if re.fullmatch("[1-9][0-9]{0,5}", said) else 1


def event_headers(first: int, count: int) -> dict[str, str]:
    """Return the headers of a post of `count` events, of which the first has the number `first` in its run."""
    return {SEQ: str(first)} | ({EVENTS: str(count)} if count > 1 else {})
