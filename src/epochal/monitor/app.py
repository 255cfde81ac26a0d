"""The addresses of the monitor: what is posted, and what the page asks for."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .event import BadEventError, read_event
from .limits import Limits
from .security import Guard
from .store import Delete, Store
from .stream import Stream
from .writer import BusyError, Writer

STATIC = Path(__file__).with_name("static")
PUBLISH = "/publish/epoch/end/"


def make_app(
    store: Store, *, token: str | None = None, names: Iterable[str] = (), limits: Limits | None = None
) -> Starlette:
    """Return the monitor as an ASGI application; it closes `store` when it shuts down.

    Args:
        store: Where runs are kept.
        token: See `security.Guard`.
        names: See `security.Guard`.
        limits: How much is taken from anybody; the deadlines and the cap on connections among them
            are kept by `protocol.GuardedProtocol`.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.store, app.state.limits = store, limits or Limits()
        app.state.stream = Stream()
        app.state.writer = Writer(store, app.state.stream.tell, app.state.limits.waiting)
        yield
        app.state.stream.close()
        await app.state.writer.close()
        store.close()

    routes = [
        Route(PUBLISH, publish, methods=["POST"]),
        Route("/api/events", events),
        Route("/api/runs", runs),
        Route("/api/runs/{id}", run),
        Route("/api/runs/{id}", delete, methods=["DELETE"]),
        Route("/api/runs/{id}/rows", rows),
        Route("/api/runs/{id}/rows.csv", rows_csv),
        Route("/plotly.js", plotly),
        Route("/", index),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Guard, token=token, names=names)])
    app.router.redirect_slashes = False
    return app


async def publish(request: Request) -> Response:
    """Take an event, and acknowledge it when it is committed."""
    state = request.app.state
    try:
        body = await _body(request, state.limits.body_bytes)
        if body is None:
            return _error(413, f"an event has at most {state.limits.body_bytes} bytes")
        await state.writer.write(read_event(body, request.headers, _client(request)))
    except BadEventError as error:
        return _error(400, str(error))
    except BusyError:
        return _error(429, "too many posts wait for the disk", {"retry-after": "1"})
    except sqlite3.Error as error:
        return _error(503, f"the event couldn't be stored: {error}", {"retry-after": "5"})
    except ClientDisconnect:
        return Response(status_code=400)
    return Response(b"{}", media_type="application/json", headers=_ACCEPTED)


async def runs(request: Request) -> Response:
    """List the runs last heard of."""
    found = await asyncio.to_thread(request.app.state.store.runs)
    return JSONResponse({"now": time.time(), "runs": found})


async def run(request: Request) -> Response:
    """Show a run: `?width=` pixels of chart, `?first=` to `?last=` epoch."""
    id, store = request.path_params["id"], request.app.state.store
    try:
        width = _number(request, "width", 800, least=1, most=4_000)
        first, last = _number(request, "first", 0), _number(request, "last", 2**53)
    except ValueError as error:
        return _error(400, str(error))
    found = await asyncio.to_thread(lambda: _json(store.run(id, width, first, last)))
    return Response(found, media_type="application/json") if found else _no_such_run(id)


async def delete(request: Request) -> Response:
    """Delete a run and everything it posted."""
    id = request.path_params["id"]
    try:
        removed = await request.app.state.writer.write(Delete(id))
    except BusyError:
        return _error(429, "too many posts wait for the disk", {"retry-after": "1"})
    except sqlite3.Error as error:
        return _error(503, f"the run couldn't be deleted: {error}", {"retry-after": "5"})
    return Response(status_code=204) if removed else _no_such_run(id)


async def rows(request: Request) -> Response:
    """Show the last rows of a run: `?limit=` of them, latest first."""
    id = request.path_params["id"]
    try:
        limit = _number(request, "limit", 200, least=1, most=10_000)
    except ValueError as error:
        return _error(400, str(error))

    def read() -> bytes | None:
        found = request.app.state.store.table(id, limit)
        return _json(found and {"columns": found[0], "rows": list(found[1])})

    found = await asyncio.to_thread(read)
    return Response(found, media_type="application/json") if found else _no_such_run(id)


async def rows_csv(request: Request) -> Response:
    """Send all rows of a run, as they were posted, as a CSV file."""
    id = request.path_params["id"]
    found = await asyncio.to_thread(request.app.state.store.table, id)
    if found is None:
        return _no_such_run(id)
    name = "".join(c if c.isalnum() and c.isascii() or c in "._-" else "-" for c in id)
    return StreamingResponse(
        _csv(*found), media_type="text/csv", headers={"content-disposition": f'attachment; filename="{name}.csv"'}
    )


async def events(request: Request) -> Response:
    """Tell of all runs as they change, as server-sent events."""
    state = request.app.state
    if state.stream.viewers >= state.limits.viewers:
        return _error(503, f"{state.limits.viewers} viewers look on already", {"retry-after": "30"})
    last_id = request.headers.get("last-event-id") or request.query_params.get("last_event_id", "")
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(state.stream.watch(last_id), media_type="text/event-stream", headers=headers)


async def index(request: Request) -> Response:
    """Send the page."""
    return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})


async def plotly(request: Request) -> Response:
    """Send the JavaScript that the installed plotly package brings; the package itself isn't imported."""
    return FileResponse(plotly_js(), media_type="text/javascript", headers={"cache-control": "max-age=86400"})


def plotly_js() -> Path:
    """Return where plotly's JavaScript lies.

    Raises:
        ModuleNotFoundError: If plotly isn't installed.
    """
    package = find_spec("plotly")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'plotly'", name="plotly")
    return Path(package.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


async def _body(request: Request, limit: int) -> bytes | None:
    """Return the body, or None as soon as it is known to be too long."""
    if int(request.headers.get("content-length", 0)) > limit:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _csv(names: list[str], found: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    """Yield the file in pieces. What a spreadsheet would take for a formula is marked as text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_inert(name) for name in names])
    for row in found:
        writer.writerow([_inert(value) for value in row])
        if text.tell() > 1 << 16:
            yield text.getvalue()
            text.seek(0), text.truncate()
    yield text.getvalue()


def _inert(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _client(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _number(request: Request, name: str, default: int, least: int = 0, most: int = 2**53) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or not least <= int(text[:20]) <= most:
        raise ValueError(f"{name} is a whole number from {least} to {most}; got {text[:40]!r}")
    return int(text)


def _json(content: Any) -> bytes | None:
    return None if content is None else json.dumps(content, separators=(",", ":")).encode()


def _error(status: int, words: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": words}, status, headers=headers)


def _no_such_run(id: str) -> Response:
    return _error(404, f"there is no run {id[:100]!r}")


_ACCEPTED = {"x-epochal-monitor": "1"}
"""Tells `RemoteMonitor` that it may also say how the run ended, which a server made for Keras wouldn't understand."""
