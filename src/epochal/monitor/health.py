"""How the monitor itself is."""

from __future__ import annotations

import asyncio
import html
import shutil
import time
from typing import TypedDict

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from .assets import page_assets
from .store import Store

SPAN = 60
"""Seconds over which posts are counted."""


class Report(TypedDict):
    """How a monitor is, in JSON.

    Attributes:
        runs: How many there are.
        bytes: The size of their file, its write-ahead log included.
        disk_free: Bytes that are free on its disk.
        posts_per_second: In the last minute.
        uptime: Seconds since the monitor was started.
        last_error: The last thing that couldn't be stored, "" if there was none.
        last_error_at: When that was, in seconds since 1970; None if there was none.
    """

    runs: int
    bytes: int
    disk_free: int
    posts_per_second: float
    uptime: float
    last_error: str
    last_error_at: float | None


class Health:
    """Counts posts and notes errors, and reports.

    Args:
        store: Where runs are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._began = time.monotonic()
        self._posts = [(0, 0)] * SPAN  # the second, and the posts in it, at the second's place
        self._error: tuple[str, float] | None = None

    def count(self) -> None:
        """Count a post that was stored."""
        second = int(time.monotonic())
        at, posts = self._posts[second % SPAN]
        self._posts[second % SPAN] = (second, posts + 1 if at == second else 1)

    def failed(self, error: str) -> None:
        """Note that something couldn't be stored."""
        self._error = error, time.time()

    def report(self) -> Report:
        """Return how the monitor is."""
        now, (error, at) = time.monotonic(), self._error or ("", None)
        recent = sum(posts for second, posts in self._posts if second > now - SPAN)
        uptime = now - self._began
        return Report(
            runs=self._store.count(),
            bytes=self._store.size(),
            disk_free=shutil.disk_usage(self._store.path.absolute().parent).free,
            posts_per_second=round(recent / max(1.0, min(SPAN, uptime)), 2),
            uptime=round(uptime, 1),
            last_error=error,
            last_error_at=at,
        )

    async def show(self, request: Request) -> Response:
        """Send the report, as JSON to whoever asks for that, else as a small page."""
        report = await asyncio.to_thread(self.report)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(report, headers={"cache-control": "no-store"})
        return HTMLResponse(_page(report), headers={"cache-control": "no-store"})


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Health of the monitor</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/style.css">
<script src="/static/theme.js"></script>
</head>
<body>
<header><h1>epochal <span>monitor</span></h1></header>
<main class="health"><h2>Health</h2><table>{rows}</table><p><a href="/">Runs</a></p></main>
</body>
</html>
"""


def _page(report: Report) -> str:
    rows = {
        "Runs": f"{report['runs']:,}",
        "Size of their file": _size(report["bytes"]),
        "Free on its disk": _size(report["disk_free"]),
        "Posts a second, in the last minute": f"{report['posts_per_second']:g}",
        "Up for": _duration(report["uptime"]),
        "Last error": _error(report),
    }
    listed = "".join(f"<tr><th scope=row>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in rows.items())
    return page_assets().dressed(PAGE.format(rows=listed))


def _error(report: Report) -> str:
    at = report["last_error_at"]
    return "none" if at is None else f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))}: {report['last_error']}"


def _size(count: float) -> str:
    """Return a number of bytes for people.

    >>> _size(512), _size(3_400_000)
    ('512 bytes', '3.4 MB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1_000:
            return f"{count:.3g} {unit}"
        count /= 1_000
    return f"{count:,.3g} TB"


def _duration(seconds: float) -> str:
    """Return a time for people.

    >>> _duration(59), _duration(90_061)
    ('59 s', '1 d 1 h 1 min')
    """
    days, rest = divmod(int(seconds), 86_400)
    hours, minutes = rest // 3_600, rest % 3_600 // 60
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if number]
    return " ".join(parts) or f"{rest} s"
