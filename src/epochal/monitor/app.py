"""The addresses of the monitor, for posts and for the page."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import sqlite3
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .. import wire
from .assets import page_assets
from .commits import BusyError, CommitQueue, Delete
from .event import Value
from .limits import Limits
from .publish import publish
from .reading import LAST_EPOCH, Table
from .security import Guard, with_headers
from .store import Store
from .stream import Stream


class Monitor:
    """The monitor as an ASGI application; it closes `store` when it shuts down.

    Args:
        store: Where runs are kept.
        token: See `security.Guard`.
        names: See `security.Guard`.
        limits: How much is taken from anybody; the deadlines and the cap on connections among them
            are kept by `protocol.GuardedProtocol`.
    """

    stream: Stream
    commits: CommitQueue

    def __init__(
        self, store: Store, *, token: str | None = None, names: Iterable[str] = (), limits: Limits | None = None
    ) -> None:
        self.store, self.limits, self.needs_token = store, limits or Limits(), token is not None
        routes = [
            Route("/api/events", self.events),
            Route("/api/runs", self.runs),
            Route("/api/runs/{id}", self.run),
            Route("/api/runs/{id}", self.delete, methods=["DELETE"]),
            Route("/api/runs/{id}/rows", self.rows),
            Route("/api/runs/{id}/rows.csv", self.rows_csv),
            Route("/", page_assets().page),
            Route("/static/{version}/{name:path}", page_assets().file),
        ]
        unreadable = {sqlite3.Error: _unreadable}
        self._pages = with_headers(Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=unreadable))
        self._guarded = Guard(self._fork, token, names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._guarded(scope, receive, send)

    async def _fork(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == wire.PATH and scope["method"] == "POST":
            await publish(scope, receive, send, self.commits, self.limits.body_bytes)
        else:
            await self._pages(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        self.stream = Stream()
        self.commits = CommitQueue(self.store, self.stream.tell, self.limits.waiting)
        yield
        self.stream.close()
        await self.commits.close()
        self.store.close()

    async def runs(self, request: Request) -> Response:
        """List the runs last heard of."""
        found = await asyncio.to_thread(self.store.runs)
        return _found({"now": time.time(), "runs": found, "token": self.needs_token})

    async def run(self, request: Request) -> Response:
        """Show a run: `?width=` pixels of chart, `?first=` to `?last=` epoch, `?smoothing=` from 0 to less than 1."""
        id = request.path_params["id"]
        width = _number(request, "width", 800, least=1, most=4_000)
        first, last = _number(request, "first", 0), _number(request, "last", LAST_EPOCH)
        smoothing = _share(request, "smoothing")
        return _found(await asyncio.to_thread(self.store.run, id, width, first, last, smoothing), id)

    async def delete(self, request: Request) -> Response:
        """Delete a run and everything it posted."""
        id = request.path_params["id"]
        try:
            removed = await self.commits.write(Delete(id))
        except BusyError:
            raise HTTPException(429, "too many posts wait for the disk", {"retry-after": "1"}) from None
        except sqlite3.Error as error:
            raise HTTPException(503, f"the run couldn't be deleted: {error}", {"retry-after": "5"}) from None
        return Response(status_code=204) if removed else _found(None, id)

    async def rows(self, request: Request) -> Response:
        """Show the last rows of a run, `?first=` to `?last=` epoch: `?limit=` of them, latest first."""
        id, limit = request.path_params["id"], _number(request, "limit", 200, least=1, most=10_000)
        first, last = _number(request, "first", 0), _number(request, "last", LAST_EPOCH)

        def read() -> dict[str, object] | None:
            table = self.store.table(id, limit, first, last)
            return table and {"columns": table.columns, "rows": list(table.rows)}

        return _found(await asyncio.to_thread(read), id)

    async def rows_csv(self, request: Request) -> Response:
        """Send all rows of a run, as they were posted, as a CSV file."""
        id = request.path_params["id"]
        table = await asyncio.to_thread(self.store.table, id)
        if table is None:
            return _found(None, id)
        name = re.sub(r"[^A-Za-z0-9._-]", "-", id)
        headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return StreamingResponse(_csv(table), media_type="text/csv", headers=headers)

    async def events(self, request: Request) -> Response:
        """Tell of all runs as they change, as server-sent events."""
        if self.stream.viewers >= self.limits.viewers:
            raise HTTPException(503, f"{self.limits.viewers} viewers look on already", {"retry-after": "30"})
        last_id = request.headers.get("last-event-id", "")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self.stream.watch(last_id), media_type="text/event-stream", headers=headers)


async def _unreadable(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"the runs can't be read: {error}", 503, {"retry-after": "5"})


def _csv(table: Table) -> Iterator[str]:
    """Yield the file in pieces. What a spreadsheet would take for a formula is marked as text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_inert(name) for name in table.columns])
    for row in table.rows:
        writer.writerow([_inert(value) for value in row])
        if text.tell() > 1 << 16:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _inert(cell: int | Value) -> int | Value:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _number(request: Request, name: str, default: int, least: int = 0, most: int = LAST_EPOCH) -> int:
    text = request.query_params.get(name, str(default))
    if not re.fullmatch("[0-9]{1,16}", text) or not least <= int(text) <= most:
        raise HTTPException(400, f"{name} is a whole number from {least} to {most}; got {text[:40]!r}")
    return int(text)


def _share(request: Request, name: str) -> float:
    text = request.query_params.get(name, "0")
    if not re.fullmatch(r"0?\.[0-9]{1,16}|0", text):
        raise HTTPException(400, f"{name} is a number from 0 to less than 1; got {text[:40]!r}")
    return float(text)


def _found(content: Mapping[str, object] | None, id: str = "") -> Response:
    if content is None:
        raise HTTPException(404, f"there is no run {id[:100]!r}")
    return JSONResponse(content)
