"""HTTP connections that cannot be held open for nothing.

uvicorn keeps a half-sent request for ever, and its `limit_concurrency` counts idle sockets, so that
a thousand of them lock everybody out. Here every wait for the other side has a deadline, and where
all places are taken, the connection that has asked for nothing for longest makes room.
"""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from .limits import Limits


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a cap on connections, on bytes that are no body, and on every wait.

    A connection has two deadlines: for what it still has to send, and for taking what is written to it. One timer
    serves both all its life: it learns of a moved deadline only when it fires, so a request costs no timer.
    """

    limits = Limits()
    _read_by: float | None = None
    _taken_by: float | None = None
    _late = b""
    _waiting_since = 0.0
    _timer: asyncio.TimerHandle | None = None
    _has_place = False  # else there were too many
    _in_head = False
    _head_bytes = 0  # of a request whose head isn't through
    _bytes = _body_bytes = 0  # of a request whose head is through: all, and those that are its body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection in, in the place of an idle one if there is no other."""
        transport = cast(asyncio.Transport, transport)
        if len(self.connections) >= self.limits.connections and not self._evict_idlest():
            transport.write(_refusal(b"503 Service Unavailable", b"too many connections"))
            transport.close()
            return
        super().connection_made(transport)
        self._has_place = True
        self._expect(self.limits.head)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._timer is not None:
            self._timer.cancel()
        if self._has_place:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as headers, and the framing of a body in chunks, stay within their limits."""
        if not self._has_place or self.transport.is_closing():
            return
        self._bytes += len(data)
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(_HEAD_LONG)
        elif self._bytes - self._body_bytes > self.limits.head_bytes + _FRAMING * self._body_bytes:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer that this is no HTTP, unless the connection has been answered or cut off already."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """Wait for the rest of the headers."""
        if not self._asks_nothing():  # no client of ours sends a request before the last one is answered
            self.transport.abort()
            raise _CutOffError
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._expect(self.limits.head, _HEAD_LATE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers after a body in chunks are passed over."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Wait for the body."""
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self.limits.head_bytes:
            self._refuse(_HEAD_LONG)
            raise _CutOffError
        super().on_headers_complete()
        self._in_head = False
        self._bytes = self._body_bytes = 0
        self._expect(self.limits.body, _BODY_LATE)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for nothing while the answer is made."""
        super().on_message_complete()
        self.cycle.more_body = False  # uvicorn leaves it True for a body that was answered before its end
        self._bytes = self._body_bytes = 0
        self._rest()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it has begun or the body of this one isn't through yet."""
        super().on_response_complete()
        if not self._in_head and not self.cycle.more_body:
            self._rest()

    def pause_writing(self) -> None:
        """Give a reader that takes nothing a deadline."""
        super().pause_writing()
        self._taken_by = self.loop.time() + self.limits.stalled

    def resume_writing(self) -> None:
        """Lift that deadline."""
        super().resume_writing()
        self._taken_by = None

    def _asks_nothing(self) -> bool:
        cycle = cast(RequestResponseCycle | None, self.cycle)  # uvicorn says that it is never None
        return cycle is None or cycle.response_complete

    def _rest(self) -> None:
        if self._asks_nothing():
            self._expect(self.limits.idle)
        else:
            self._read_by = None

    def _expect(self, seconds: float, late: bytes = b"") -> None:
        self._waiting_since = self.loop.time()
        self._read_by, self._late = self._waiting_since + seconds, late

    def _watch(self) -> None:
        """Close the connection if it is late, else look again when it could be."""
        now, limits = self.loop.time(), self.limits
        deadlines = [at for at in (self._read_by, self._taken_by) if at is not None]
        if deadlines and min(deadlines) <= now:
            self._close_late()
            return
        soonest = now + min(limits.head, limits.body, limits.idle, limits.stalled)  # of any deadline set from now on
        self._timer = self.loop.call_at(min([soonest, *deadlines]), self._watch)

    def _close_late(self) -> None:
        if self._taken_by is None and self._late and self._asks_nothing() == self._in_head:
            self._refuse(self._late)  # no half-written answer stands before the words
        else:
            self.transport.abort()  # close() would wait for ever for a reader that takes nothing

    def _refuse(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _evict_idlest(self) -> bool:
        connections = cast(set[object], self.connections)
        idle = (c for c in connections if isinstance(c, GuardedProtocol) and c._asks_nothing())
        idlest = min(idle, key=lambda c: c._waiting_since, default=None)
        if idlest is None:
            return False
        idlest.transport.abort()
        self.connections.discard(idlest)
        return True


class _CutOffError(Exception):
    """Ends the reading of what a connection has sent."""


def guarded(limits: Limits) -> type[GuardedProtocol]:
    """Return the protocol with these limits; uvicorn makes its instances itself."""
    return cast(type[GuardedProtocol], type("GuardedProtocol", (GuardedProtocol,), {"limits": limits}))


def _refusal(status: bytes, words: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (status, len(words)) + words


_FRAMING = 8
"""Bytes around each byte of a body in chunks, at most, beside the limit of a head."""

_HEAD_LONG = _refusal(b"431 Request Header Fields Too Large", b"the headers are too long")
_HEAD_LATE = _refusal(b"408 Request Timeout", b"the headers took too long")
_BODY_LATE = _refusal(b"408 Request Timeout", b"the body took too long")
