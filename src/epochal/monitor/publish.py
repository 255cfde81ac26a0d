"""Where events are posted to: read, stored, and only then acknowledged."""

from __future__ import annotations

import json
import sqlite3

from starlette.types import Receive, Scope, Send

from .. import wire
from .changes import Added
from .commits import BusyError, CommitQueue
from .event import BadEventError, read_events
from .health import Health
from .security import headers_of

OURS = [
    (wire.MONITOR.lower().encode(), b"%d" % wire.VERSION),
    (wire.EVENTS.lower().encode(), b"%d" % wire.MOST_EVENTS),
]
"""Tells `RemoteMonitor` that it may also say how its run ended and what it is made with, and put so many events into
one post, none of which a server made for Keras would understand."""


async def publish(
    scope: Scope, receive: Receive, send: Send, commits: CommitQueue, health: Health, max_bytes: int
) -> None:
    """Answer one post; plain ASGI, since this is done thousands of times a second."""
    headers = headers_of(scope)
    again: int | None = None
    stopping: list[str] = []
    try:
        body = await _body(headers, receive, max_bytes)
        if body is None:
            return
        client = scope["client"][0] if scope.get("client") else "unknown"
        changes = await commits.write(read_events(body, headers, client))
        stopping = [change.run["id"] for change in changes[-1:] if isinstance(change, Added) and change.run["stopping"]]
        health.count()
        status, content = 200, b""
    except _TooLongError:
        status, content = 413, _words(f"a post has at most {max_bytes} bytes")
    except BadEventError as error:
        status, content = 400, _words(str(error))
    except BusyError:
        status, content, again = 429, _words("too many posts wait for the disk"), 1
    except sqlite3.Error as error:
        health.failed(f"an event couldn't be stored: {error}")
        status, content, again = 503, _words(f"the event couldn't be stored: {error}"), 5
    answered = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content)), *OURS]
    answered += [(wire.STOP.lower().encode(), id.encode()) for id in stopping]
    if again is not None:
        answered.append((b"retry-after", b"%d" % again))
    await send({"type": "http.response.start", "status": status, "headers": answered})
    await send({"type": "http.response.body", "body": content})


class _TooLongError(Exception):
    pass


async def _body(headers: dict[str, str], receive: Receive, most: int) -> bytes | None:
    """Return the body, or None if the client has gone; raise as soon as it is known to be too long."""
    if int(headers.get("content-length", 0)) > most:
        raise _TooLongError
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            raise _TooLongError
        if not message.get("more_body"):
            return body


def _words(text: str) -> bytes:
    return json.dumps({"error": text}).encode()
