"""What is posted: an event as strict JSON, and the headers that tell a monitor whose it is."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from .. import wire
from ..core.epoch_meter import step_time

LARGEST_BITS = 1023
"""Of a whole number that a float can be too: readers of JSON in other languages have floats only."""

DEEPEST = 10
"""How deep lists may lie in lists; what is deeper, or lies in itself, is text."""

PARCEL_BYTES = 128 << 10
"""Bytes of the events that share a post. A form takes up to three times as many, which a monitor still takes."""


MeasuredEpoch: TypeAlias = tuple[float, float | None, float | None, int | None, Mapping[str, float] | None]
"""Of an epoch: seconds of training since the run began, seconds that its batches took, the learning rate, how many
batches it has, and how busy the machine was; None for what isn't known. A hook makes it, and the thread reads it."""


@dataclass(slots=True, eq=False)  # not frozen: a frozen one takes three times as long to make, in a hook
class Post:
    """An event with its number in the run, or word about the run itself. Nobody changes it.

    Args:
        event: Its JSON, or plain values; see `settled`.
        run: Headers that all posts of the run have; see `wire.run_headers`.
        number: The event's number in the run, from 0; None for word about the run, which only monitors understand.
        about: Headers that say what that word is about; see `wire.end_headers` and `wire.ABOUT`.
        measured: What was measured of the epoch, which only monitors from version 2 on are sent with the event.
    """

    event: str | wire.Event
    run: Mapping[str, str]
    number: int | None
    about: Mapping[str, str] | None = None
    measured: MeasuredEpoch | None = None

    @property
    def only_to_monitors(self) -> bool:
        """Whether only a monitor of ours understands it, so that nobody else gets it or misses it."""
        return self.number is None

    @property
    def json(self) -> str:
        """The event's JSON."""
        return self.event if isinstance(self.event, str) else strict_json(self.event)

    def json_for(self, version: int) -> str:
        """Return the event's JSON for a monitor of this version: from 2 on with the extras, but for names that it has.

        Raises:
            Exception: If it can't be made JSON.
        """
        if version < wire.WITH_EXTRAS or self.measured is None:
            return self.json
        event = self._event()
        return strict_json(event | _extras(event, self.measured))

    def late_extras(self) -> Post | None:
        """Return what was left out for a server that wasn't known to be a monitor; None if nothing was."""
        if self.measured is None:
            return None
        event = self._event()
        extras = wire.epoch_event(event[wire.EPOCH], _extras(event, self.measured))
        return Post(extras, self.run, None, {wire.ABOUT: wire.ABOUT_EPOCH})

    def _event(self) -> wire.Event:
        return json.loads(self.event) if isinstance(self.event, str) else self.event

    def follows(self, other: Post) -> bool:
        """Return whether it is the next event of the same run."""
        if self.number is None or other.number is None:
            return False
        return self.run is other.run and self.number == other.number + 1

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        if isinstance(self.event, str):
            return len(self.event)
        return 64 * len(self.event) + sum([len(value) for value in self.event.values() if isinstance(value, str)])


@dataclass(frozen=True, slots=True)
class Parcel:
    """The content of one post to the server: an event, or several of one run that follow one another.

    Attributes:
        posts: In order.
        text: Their JSON, one a line.
        version: Of the monitor that it is for; 0 for another server, or one that isn't known yet.
    """

    posts: tuple[Post, ...]
    text: str
    version: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell a monitor whose it is; several events say how many they are."""
        first = self.posts[0]
        if first.number is None:
            return {**first.run, **wire.about_headers_for(self.version, first.about or {})}
        return {**first.run, **wire.event_headers(first.number, len(self.posts))}


def packed(posts: Iterable[Post], version: int) -> Parcel:
    """Return as many events from the first one on as go into one parcel, for a monitor of this version.

    Raises:
        Exception: If the first one can't be made JSON.
    """
    taken: list[Post] = []
    texts: list[str] = []
    size = 0
    for post in posts:
        try:
            text = post.json_for(version)
        except Exception:
            if taken:
                break  # it comes first the next time, by itself
            raise
        size += len(text)
        if taken and (size > PARCEL_BYTES or not post.follows(taken[-1])):
            break
        taken.append(post)
        texts.append(text)
    return Parcel(tuple(taken), "\n".join(texts), version)


def _extras(event: wire.Event, measured: MeasuredEpoch) -> wire.Event:
    """Return what was measured of an event's epoch, by names that the event doesn't have."""
    seconds, took, rate, steps, system = measured
    each = step_time(took, steps)
    values = {wire.LEARNING_RATE: rate, wire.STEP_TIME: each, wire.SECONDS: seconds, **(system or {})}
    fitting = [name for name, value in values.items() if value is not None and name not in event]
    return {name: values[name] for name in fitting[: max(0, wire.MOST_NAMES - len(event))]}


_CONSTANT = frozenset((float, int, bool, str, type(None)))


def settled(event: wire.Event) -> str | wire.Event:
    """Return an event of plain values as it is, and any other as JSON, since it may change before it is sent."""
    return event if _CONSTANT.issuperset(map(type, event.values())) else strict_json(event)


def strict_json(event: wire.Event) -> str:
    """Return JSON that any parser reads: plain finite numbers directly, everything else by way of `strict`."""
    try:
        return json.dumps(event, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(strict(event), allow_nan=False)


def strict(value: Any, level: int = 0) -> Any:
    """Return a value as JSON values: not finite and too large numbers are None, arrays lists, anything else text.

    >>> import numpy as np
    >>> strict({"loss": float("nan"), "shape": (2, 3), "rate": np.float32(0.5)})
    {'loss': None, 'shape': [2, 3], 'rate': 0.5}
    """
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int) and value.bit_length() > LARGEST_BITS:
        return None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if level > DEEPEST:
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): strict(item, level + 1) for name, item in cast(Mapping[object, object], value).items()}
    if isinstance(value, (list, tuple)):
        return [strict(item, level + 1) for item in cast(Iterable[object], value)]
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, (list, bool, int, float, str)):
        return strict(plain, level)
    return strict(float(plain)) if hasattr(plain, "__float__") else str(plain)
