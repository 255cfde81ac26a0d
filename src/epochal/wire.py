"""What `RemoteMonitor` and `epochal monitor` agree on: the address, the headers and the form of an event.

A post is one event, a JSON object, as the body or in a field of a form. That much is Keras's callback, and any server
made for it understands it. The headers here are optional, and come on top:

    RUN, SEQ               which event of which run it is, so that what comes twice counts once
    NAME, EPOCHS, STEPS    what the run is called, and how long it is to be
    EVENTS                 that the post holds so many events, one JSON a line, numbered from SEQ on
    STATE                  how the run ended

An answer with MONITOR says that STATE is understood, and one with EVENTS how many events a post may hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

Event = dict[str, Any]
"""An event: its epoch, perhaps its batches, and values by name."""

VERSION = "1"
"""The value of `MONITOR`."""

PATH = "/publish/epoch/end/"
FIELD = "data"
"""The field of the form that holds the JSON."""

RUN = "X-Epochal-Run"
SEQ = "X-Epochal-Seq"
NAME = "X-Epochal-Name"
EPOCHS = "X-Epochal-Epochs"
STEPS = "X-Epochal-Steps"
STATE = "X-Epochal-State"
EVENTS = "X-Epochal-Events"
MONITOR = "X-Epochal-Monitor"

RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"
"""The states of a run; the last three are what `STATE` may say."""

EPOCH, BATCH, SIZE = "epoch", "batch", "size"
"""The keys of an event that are no metrics: its epoch, its batch or batches, and their number of samples."""

MOST_EVENTS = 500
"""How many events one post to a monitor may hold."""

MOST_VALUES = 50_000
"""How many values, batches times metrics, one event may hold."""


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


def event_headers(first: int, count: int) -> dict[str, str]:
    """Return the headers of a post of `count` events, of which the first has the number `first` in its run."""
    return {SEQ: str(first)} | ({EVENTS: str(count)} if count > 1 else {})
