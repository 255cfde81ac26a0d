"""The addresses of the monitor, for posts and for the page."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .. import wire
from .api import Api
from .assets import page_assets
from .commits import CommitQueue
from .health import Health
from .limits import Limits
from .publish import publish
from .retention import forget_old
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
        keep: Days after which a run that nothing was heard of is deleted, unless it is archived; None keeps all.
    """

    stream: Stream
    commits: CommitQueue

    def __init__(
        self,
        store: Store,
        *,
        token: str | None = None,
        names: Iterable[str] = (),
        limits: Limits | None = None,
        keep: float | None = None,
    ) -> None:
        self.store, self.limits, self._keep = store, limits or Limits(), keep
        self.health = Health(store)
        self.api = Api(store, self.health, may_stop=token is not None)
        routes = [
            *self.api.routes,
            Route("/api/events", self.events),
            Route("/health", self.health.show),
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
            await publish(scope, receive, send, self.commits, self.health, self.limits.body_bytes)
        else:
            await self._pages(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        self.stream = Stream()
        self.commits = self.api.commits = CommitQueue(self.store, self.stream.tell, self.limits.waiting)
        tidying = None if self._keep is None else asyncio.create_task(forget_old(self.store, self.commits, self._keep))
        yield
        if tidying is not None:
            tidying.cancel()
        self.stream.close()
        await self.commits.close()
        self.store.close()

    async def events(self, request: Request) -> Response:
        """Tell of all runs as they change, as server-sent events."""
        if self.stream.viewers >= self.limits.viewers:
            raise HTTPException(503, f"{self.limits.viewers} viewers look on already", {"retry-after": "30"})
        last_id = request.headers.get("last-event-id", "")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self.stream.watch(last_id), media_type="text/event-stream", headers=headers)


async def _unreadable(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"the runs can't be read: {error}", 503, {"retry-after": "5"})
