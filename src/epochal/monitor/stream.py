"""News for everybody who looks on: one message for all, at most four a second."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping

from .changes import Added, Change
from .runs import RunSummary
from .series import Point, SeriesName, news

PERIOD = 0.25
"""Seconds between two messages."""

HEARTBEAT = 15.0
"""Seconds of silence after which a comment says that the connection lives."""

KEPT_BYTES = 4 << 20
"""How much of the past a viewer who lost the connection is sent; who missed more starts anew."""

QUEUED = 8
"""Messages that may wait for a slow viewer, who then starts anew too."""

POINTS = 200
"""Of one series in one message; more are thinned."""


class Stream:
    """Gathers the changes between two messages and hands each message to every viewer.

    A message is `{"now", "removed": [run], "runs": [summary], "points": {run: [series]}}`; a run that was
    removed and has posted again since is in both lists. Its id says from which start of the server it is and
    its number. A viewer who comes back with the last id it had gets the messages it missed, or, where these are
    gone, a `reset`: read everything again.
    """

    def __init__(self, period: float = PERIOD) -> None:
        self._period = period
        self._start = secrets.token_hex(4)
        self._number = 0
        self._kept: deque[tuple[int, bytes]] = deque()
        self._kept_bytes = 0
        self._viewers: set[Viewer] = set()
        self._news = asyncio.Event()
        self._forget()
        self._task = asyncio.create_task(self._run())

    @property
    def viewers(self) -> int:
        """How many look on."""
        return len(self._viewers)

    def tell(self, changes: Iterable[Change]) -> None:
        """Take changes into the next message."""
        for change in changes:
            if isinstance(change, Added):
                id = change.run["id"]
                self._runs[id] = change.run
                series = self._points.setdefault(id, {})
                for at, points in change.points.items():
                    if drawn := [point for point in points if not isinstance(point[-1], str)]:
                        series.setdefault(at, []).extend(drawn)
            else:
                self._runs.pop(change.run, None)
                self._points.pop(change.run, None)
                self._removed.append(change.run)
            self._news.set()

    async def watch(self, last_id: str) -> AsyncIterator[bytes]:
        """Yield server-sent events from now on, or from after the message `last_id`, until the stream ends."""
        yield b"retry: 1000\n\n"
        viewer = Viewer()
        for message in self._missed(last_id):
            viewer.offer(message)
        self._viewers.add(viewer)
        try:
            while (message := await viewer.next()) is not None:
                yield message or self._reset()
        finally:
            self._viewers.discard(viewer)

    def close(self) -> None:
        """End the streams of all viewers."""
        self._task.cancel()
        for viewer in self._viewers:
            viewer.close()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            try:
                message = self._message()
            except Exception:  # else nobody would ever hear of anything again
                logging.getLogger(__name__).exception("what changed can't be told; viewers read everything again")
                self._forget()
                message = self._reset()
            for viewer in self._viewers:
                viewer.offer(message)
            await asyncio.sleep(self._period)

    def _message(self) -> bytes:
        self._number += 1
        points = {
            run: [news(at, points, POINTS) for at, points in series.items()] for run, series in self._points.items()
        }
        content = {"now": time.time(), "removed": self._removed, "runs": list(self._runs.values()), "points": points}
        message = self._encode("change", content)
        self._forget()
        self._kept.append((self._number, message))
        self._kept_bytes += len(message)
        while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popleft()[1])
        return message

    def _forget(self) -> None:
        self._runs: dict[str, RunSummary] = {}
        self._points: dict[str, dict[SeriesName, list[Point]]] = {}
        self._removed: list[str] = []
        self._news.clear()

    def _missed(self, last_id: str) -> list[bytes]:
        start, _, number = last_id.partition("-")
        oldest = self._kept[0][0] if self._kept else self._number + 1
        known = start == self._start and re.fullmatch("[0-9]{1,15}", number)
        if not known or not oldest - 1 <= int(number) <= self._number:
            return [self._reset()]
        missed = [message for at, message in self._kept if at > int(number)]
        return missed if len(missed) < QUEUED else [self._reset()]

    def _reset(self) -> bytes:
        return self._encode("reset", {"now": time.time()})

    def _encode(self, kind: str, content: Mapping[str, object]) -> bytes:
        return f"event: {kind}\nid: {self._start}-{self._number}\ndata: {json.dumps(content)}\n\n".encode()


class Viewer:
    """The messages that wait for one viewer, never more than a few."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._closed = False

    def offer(self, message: bytes) -> None:
        """Queue a message; a viewer who is too far behind loses what waits and starts anew."""
        if len(self._waiting) >= QUEUED:
            self._waiting.clear()
            message = b""
        self._waiting.append(message)
        self._news.set()

    def close(self) -> None:
        """Let `next` return None."""
        self._closed = True
        self._news.set()

    async def next(self) -> bytes | None:
        """Return the next message, a comment after a long silence, b"" for "start anew", or None at the end."""
        try:
            async with asyncio.timeout(HEARTBEAT):
                await self._news.wait()
        except TimeoutError:
            return b": still here\n\n"
        if self._closed:
            return None
        message = self._waiting.popleft()
        if not self._waiting:
            self._news.clear()
        return message
