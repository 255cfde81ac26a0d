"""One posted event: read, checked, and taken apart into points."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import unquote_to_bytes

from .. import wire

EPOCH_END = 2**53
"""The batch of a value of the whole epoch, which comes after all its batches."""

RUN_ID = r"(?!\.+$)[A-Za-z0-9._-]{0,64}"
"""The pattern of a run's id; not only dots, which would lead an address out of its folder."""

STATES, SUBJECTS = "|".join(("", *wire.ENDS)), f"{wire.ABOUT_RUN}|{wire.ABOUT_EPOCH}"

MAX_NAMES, MAX_NAME, MAX_TEXT = wire.MOST_NAMES, wire.LONGEST_NAME, wire.LONGEST_TEXT
MAX_DEPTH = 4
MAX_COUNT = EPOCH_END

Value = float | str | None
"""A number, text (shown, not drawn), or None where it was NaN or infinite."""


class BadEventError(ValueError):
    """What was posted is no event; the text says why, and is the answer to the client."""


@dataclass(frozen=True, slots=True)
class About:
    """What a post says of its run, checked.

    Attributes:
        config: What the run is made with, by name.
        tags: Words to find it by.
        notes: What its people say of it.
        allow_stop: Whether it may be asked to stop.
    """

    config: Mapping[str, str | int | float | bool | None]
    tags: list[str]
    notes: str
    allow_stop: bool


@dataclass(frozen=True, slots=True)
class PostedEvent:
    """One event of a post, checked.

    Attributes:
        run: The run's id, or "" where the client sent none and runs are told apart by its address.
        client: The client's address.
        seq: The event's number in its run, or None; together with `digest`, of its JSON, it tells
            what came twice.
        name: What the run is called.
        epochs: How many epochs the run is to have.
        steps: How many batches an epoch has.
        state: None while the run goes on, else how it ended, one of `wire.ENDS`.
        epoch: Counted from 0.
        points: `(metric, batch, value)`; the batch is `EPOCH_END` for a value of the epoch.
        reason: Why it ended.
        about: What it says of its run, instead of points.
        is_late: Whether it only adds points to an epoch that came before.
    """

    run: str
    client: str
    seq: int | None
    digest: int
    name: str | None
    epochs: int | None
    steps: int | None
    state: str | None
    epoch: int
    points: tuple[tuple[str, int, Value], ...]
    reason: str = ""
    about: About | None = None
    is_late: bool = False

    @property
    def is_news(self) -> bool:
        """Whether it is more than a word about what is known: a run's end, what it is made with, an epoch that came."""
        return not self.is_late and (bool(self.points) or (self.state is None and self.about is None))


def read_events(body: bytes, headers: Mapping[str, str], client: str) -> list[PostedEvent]:
    """Return the events in a request, as this package or Keras 2 or 3 posts them.

    The body is JSON, or a form with JSON in a field of any name; which of the two is told by its
    first byte, since some versions of Keras declare JSON and send a form. Our headers may be absent.
    Events that share a post are taken apart; see `wire`.

    Raises:
        BadEventError: If it is neither, or larger, deeper or stranger than an event can be.
    """
    text = body if body.lstrip().startswith(b"{") else _form_field(body)
    count, first = _count_in(headers, wire.EVENTS), _count_in(headers, wire.SEQ)
    lines = [text] if count is None else text.split(b"\n")
    if count is not None and (len(lines) != count or count > wire.MOST_EVENTS):
        raise BadEventError(
            f"a post has at most {wire.MOST_EVENTS} events, one a line; got {len(lines)}, announced as {count}"
        )
    events = [_event(line, headers, client, None if first is None else first + at) for at, line in enumerate(lines)]
    state = _matching(headers, wire.STATE, STATES) or None
    if state is None:
        return events
    return [*events[:-1], replace(events[-1], state=state, reason=_shown(wire.reason_in(headers), wire.LONGEST_REASON))]


def _event(text: bytes, headers: Mapping[str, str], client: str, seq: int | None) -> PostedEvent:
    logs = _parse(text)
    epoch = _count(logs.pop(wire.EPOCH, None), 'the event\'s "epoch"')
    if epoch is None:
        raise BadEventError('the event has no "epoch": expected {"epoch": 0, "loss": 0.5, ...}')
    subject = _matching(headers, wire.ABOUT, SUBJECTS)
    about = _about(logs) if subject == wire.ABOUT_RUN else None
    return PostedEvent(
        run=_matching(headers, wire.RUN, RUN_ID),
        client=client,
        seq=seq,
        digest=int.from_bytes(hashlib.blake2b(text, digest_size=7).digest()),
        name=wire.name_in(headers)[:MAX_NAME] or None,
        epochs=_count_in(headers, wire.EPOCHS),
        steps=_count_in(headers, wire.STEPS),
        state=None,
        epoch=epoch,
        points=() if about else tuple(_points(logs)),
        about=about,
        is_late=subject == wire.ABOUT_EPOCH,
    )


def _about(said: dict[str, object]) -> About:
    config = said.get("config")
    if not isinstance(config, dict):
        raise BadEventError(f'a post with {wire.ABOUT} has a "config", a JSON object; got {str(config)[:40]!r}')
    try:
        return About(
            config=wire.checked_config(cast("dict[str, object]", config)),
            tags=wire.checked_tags(said.get("tags", [])),
            notes=wire.checked_notes(said.get("notes", "")),
            allow_stop=said.get("allow_stop") is True,
        )
    except wire.NoValueError as error:
        raise BadEventError(str(error)) from None


_DECODER = json.JSONDecoder(parse_constant=lambda _: None)  # Keras posts NaN and Infinity as they are


def _parse(text: bytes) -> dict[str, object]:
    try:
        logs = _DECODER.decode(text.decode())
    except (ValueError, RecursionError) as error:
        raise BadEventError(f"neither JSON nor a form with JSON in it: {error}") from None
    if not isinstance(logs, dict):
        raise BadEventError(f"an event is a JSON object; got {type(logs).__name__}")
    logs = cast(dict[str, object], logs)
    if len(logs) > MAX_NAMES:
        raise BadEventError(f"an event has at most {MAX_NAMES} values; got {len(logs)}")
    return logs


def _form_field(body: bytes) -> bytes:
    """Return the field `data` of a form, or else its first one."""
    fields = [pair.partition(b"=") for pair in body.split(b"&", 20)]
    value = next((value for name, _, value in fields if name == wire.FIELD.encode()), fields[0][2])
    return unquote_to_bytes(value.replace(b"+", b" "))


def _points(logs: dict[str, object]) -> Iterator[tuple[str, int, Value]]:
    """Yield values of the epoch, or, if the event names its batches, one value for each of these."""
    batches = logs.pop(wire.BATCH, None)
    if batches is None:
        yield from ((_name(name), EPOCH_END, _value(value)) for name, value in logs.items())
        return
    logs.pop(wire.SIZE, None)
    columns = isinstance(batches, list)
    listed = cast(list[object], batches) if columns else [batches]
    if len(listed) * len(logs) > wire.MOST_VALUES:
        raise BadEventError(f"an event has at most {wire.MOST_VALUES} values; got {len(listed)} batches of {len(logs)}")
    numbers = [number for batch in listed if (number := _count(batch, 'a "batch"')) is not None]
    if len(numbers) < len(listed):
        raise BadEventError('a "batch" is null')
    for name, values in logs.items():
        column = _list(values) if columns else [values]
        if column is None or len(column) != len(numbers):
            raise BadEventError(f"{name[:MAX_NAME]!r} must be a list as long as the list of batches")
        for batch, value in zip(numbers, column, strict=True):
            yield _name(name), batch, _value(value)


def _list(value: object) -> list[object] | None:
    """Return a value that is a list, None for any other."""
    return cast(list[object], value) if isinstance(value, list) else None


def _name(name: str) -> str:
    if len(name) > MAX_NAME:
        raise BadEventError(f"a name has at most {MAX_NAME} characters; got {len(name)}")
    return wire.storable(name)


def _value(value: object) -> Value:
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            raise BadEventError("a number is too large") from None
        return number if math.isfinite(number) else None
    if value is None:
        return None
    if _deeper_than(MAX_DEPTH, value):
        raise BadEventError(f"values are nested at most {MAX_DEPTH} deep")
    return _shown(value if isinstance(value, str) else json.dumps(value), MAX_TEXT)


def _shown(text: str, most: int) -> str:
    return wire.storable(text if len(text) <= most else text[:most] + "…")


def _deeper_than(levels: int, value: object) -> bool:
    children = list(cast(dict[str, object], value).values()) if isinstance(value, dict) else _list(value)
    if children is None:
        return False
    return levels == 0 or any(_deeper_than(levels - 1, child) for child in children)


def _count(value: object, what: str) -> int | None:
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or value != value // 1
        or not 0 <= value < MAX_COUNT
    ):
        raise BadEventError(f"{what} is a whole number from 0; got {str(value)[:40]!r}")
    return int(value)


def _count_in(headers: Mapping[str, str], name: str) -> int | None:
    return int(_matching(headers, name, "[0-9]{1,15}")) if name.lower() in headers else None


def _matching(headers: Mapping[str, str], header: str, pattern: str) -> str:
    """Return the text of a header, which must match a pattern; "" if there is none."""
    text = headers.get(header.lower())
    if text is None:
        return ""
    if not re.fullmatch(pattern, text):
        raise BadEventError(f"{header} must match {pattern}; got {text[:80]!r}")
    return text
