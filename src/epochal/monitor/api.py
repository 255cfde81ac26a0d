"""What the page asks for and says: runs, their values, what they were made with, and what people say of them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .. import wire
from .changes import Added, Edits, Removed, StopError
from .commits import BusyError, CommitQueue
from .event import Value
from .health import Health
from .reading import LAST_EPOCH, Table
from .store import Store

C = TypeVar("C", Added, Removed)

MOST_LISTED = 20_000
"""Runs in one answer."""

MOST_COMPARED = 500
"""Runs whose configurations one answer has."""

EDIT_BYTES = 128 << 10
"""The body of a request that edits a run."""


class Api:
    """The addresses under `/api/runs` and `/api/configs`.

    Args:
        store: Where runs are kept.
        health: Is told of what couldn't be stored.
        may_stop: Whether runs can be asked to stop: only where everybody has brought a token.

    Attributes:
        commits: Where changes are committed; set before the first request.
    """

    commits: CommitQueue

    def __init__(self, store: Store, health: Health, may_stop: bool) -> None:
        self._store, self._health, self._may_stop = store, health, may_stop
        self.routes = [
            Route("/api/runs", self.runs),
            Route("/api/configs", self.configs),
            Route("/api/runs/{id}", self.run),
            Route("/api/runs/{id}", self.delete, methods=["DELETE"]),
            Route("/api/runs/{id}", self.edit, methods=["PATCH"]),
            Route("/api/runs/{id}/stop", self.stop, methods=["POST"]),
            Route("/api/runs/{id}/rows", self.rows),
            Route("/api/runs/{id}/rows.csv", self.rows_csv),
        ]

    async def runs(self, request: Request) -> Response:
        """List the runs last heard of: `?limit=` of them."""
        limit = _number(request, "limit", 500, least=1, most=MOST_LISTED)

        def read() -> str:  # the runs are JSON already
            rest = {"now": time.time(), "token": self._may_stop, "total": self._store.count()}
            return f'{json.dumps(rest)[:-1]}, "runs": [{", ".join(self._store.listed(limit))}]}}'

        return Response(await asyncio.to_thread(read), media_type="application/json")

    async def configs(self, request: Request) -> Response:
        """Send what runs were made with: `?runs=a,b`."""
        ids = [id for id in request.query_params.get("runs", "").split(",") if id][: MOST_COMPARED + 1]
        if len(ids) > MOST_COMPARED:
            raise HTTPException(400, f"runs names at most {MOST_COMPARED} runs")

        def read() -> str:
            found = self._store.configs(ids)
            return f'{{"configs": {{{", ".join(f"{json.dumps(id)}: {config}" for id, config in found.items())}}}}}'

        return Response(await asyncio.to_thread(read), media_type="application/json")

    async def run(self, request: Request) -> Response:
        """Show a run: `?width=` pixels of chart, `?first=` to `?last=` epoch, `?smoothing=` from 0 to less than 1."""
        id = request.path_params["id"]
        width = _number(request, "width", 800, least=1, most=4_000)
        first, last = _number(request, "first", 0), _number(request, "last", LAST_EPOCH)
        smoothing = _share(request, "smoothing")
        return _found(await asyncio.to_thread(self._store.run, id, width, first, last, smoothing), id)

    async def delete(self, request: Request) -> Response:
        """Delete a run and everything it posted."""
        id = request.path_params["id"]
        removed = await self._committed(lambda store: store.delete(id))
        return Response(status_code=204) if removed else _found(None, id)

    async def edit(self, request: Request) -> Response:
        """Rename a run, or change its tags and notes, or put it into the archive, or back."""
        id, edits = request.path_params["id"], _edits(await _body(request))
        changed = await self._committed(lambda store: store.edit(id, edits))
        return _found(changed and changed.run, id)

    async def stop(self, request: Request) -> Response:
        """Ask a run to stop after its next epoch."""
        if not self._may_stop:
            raise HTTPException(403, "only a monitor with a token can stop runs: start it with --token")
        id = request.path_params["id"]
        try:
            changed = await self._committed(lambda store: store.ask_to_stop(id))
        except StopError as error:
            raise HTTPException(409, str(error)) from None
        return JSONResponse({"stopping": True}, 202) if changed else _found(None, id)

    async def rows(self, request: Request) -> Response:
        """Show the last rows of a run, `?first=` to `?last=` epoch: `?limit=` of them, latest first."""
        id, limit = request.path_params["id"], _number(request, "limit", 200, least=1, most=10_000)
        first, last = _number(request, "first", 0), _number(request, "last", LAST_EPOCH)

        def read() -> dict[str, object] | None:
            table = self._store.table(id, limit, first, last)
            return table and {"columns": table.columns, "rows": list(table.rows)}

        return _found(await asyncio.to_thread(read), id)

    async def rows_csv(self, request: Request) -> Response:
        """Send all rows of a run, as they were posted, as a CSV file."""
        id = request.path_params["id"]
        table = await asyncio.to_thread(self._store.table, id)
        if table is None:
            return _found(None, id)
        name = re.sub(r"[^A-Za-z0-9._-]", "-", id)
        headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return StreamingResponse(_csv(table), media_type="text/csv", headers=headers)

    async def _committed(self, command: Callable[[Store], C | None]) -> C | None:
        """Return what a command has changed, once that is on the disk."""
        try:
            changes = await self.commits.write(command)
        except BusyError:
            raise HTTPException(429, "too many posts wait for the disk", {"retry-after": "1"}) from None
        except sqlite3.Error as error:
            self._health.failed(f"a change couldn't be stored: {error}")
            raise HTTPException(503, f"the change couldn't be stored: {error}", {"retry-after": "5"}) from None
        return cast("C", changes[0]) if changes else None


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > EDIT_BYTES:
            raise HTTPException(413, f"an edit has at most {EDIT_BYTES} bytes")
    return body


def _edits(body: bytes) -> Edits:
    """Return what a person says of a run, checked."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"an edit is a JSON object: {error}") from None
    if not isinstance(said, dict):
        raise HTTPException(400, f"an edit is a JSON object; got {type(said).__name__}")
    said = cast("dict[str, object]", said)
    checks: dict[str, Callable[[object], object]] = {
        "name": _name, "tags": wire.checked_tags, "notes": wire.checked_notes, "archived": _flag,
    }  # fmt: skip
    if not said or said.keys() - checks.keys():
        got = wire.storable(", ".join(sorted(said))) or "nothing"
        raise HTTPException(400, f"an edit has any of {', '.join(checks)}; got {got[:200]}")
    try:
        return cast("Edits", {name: checks[name](value) for name, value in said.items()})
    except wire.NoValueError as error:
        raise HTTPException(400, str(error)) from None


def _name(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(name := wire.storable(value).strip()) <= wire.LONGEST_NAME:
        raise wire.NoValueError(f"name must be a text of 1 to {wire.LONGEST_NAME} characters, or null.")
    return name


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise wire.NoValueError(f"archived must be true or false; got {str(value)[:40]!r}.")
    return value


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
