"""One connection to a server, and the meaning of its answers."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import unquote, urljoin, urlsplit

from .. import wire

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

Request = TypeVar("Request")

REDIRECTS = 3

LONGEST_WAIT = 3600.0
"""Seconds that a server may ask for; more is taken for this."""

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a post.

    Attributes:
        delivered: Whether the server took it.
        why: Why not, in the server's words if it said anything.
        again: Whether it should be sent again.
        after: After how many seconds at least, if the server told.
        version: Of `epochal monitor`, if the server is one; else 0. See `wire.VERSION`.
        most: How many events the server takes in one post.
        stop: The run that somebody wants to stop; "" if nobody does.
    """

    delivered: bool
    why: str = ""
    again: bool = False
    after: float = 0.0
    version: int = 0
    most: int = 1
    stop: str = ""


class Connection:
    """One keep-alive connection to a server, on which no post takes longer than the deadline.

    A read time-out starts again with each byte, so a server that sends a byte a second would hold a
    post for ever. Here the socket itself is shut down when the time is up, whatever is then waited for.

    Args:
        url: Where to.
        deadline: Seconds for one post, from connecting to the last byte of the answer.

    Attributes:
        closed: Set by `close`.
    """

    def __init__(self, url: str, deadline: float) -> None:
        import requests

        self._url, self._deadline = url, deadline
        self.closed = threading.Event()
        self._socket: socket.socket | None = None
        self._opened = 0
        self._late = threading.Event()
        self._session = requests.Session()
        parts = urlsplit(url)
        # Said here in either case, else requests would look for a password in the user's .netrc
        own = (unquote(parts.username), unquote(parts.password or "")) if parts.username else _as_it_is
        self._session.auth = own
        adapter = _watched_adapter(self._connected)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post a body and return the meaning of the answer, or of its absence."""
        import requests

        self._late.clear()
        timer = threading.Timer(self._deadline, self._give_up)
        timer.daemon = True
        timer.start()
        opened = self._opened
        try:
            try:
                answer = self._follow(body, headers)
            except requests.ConnectionError:
                if self._opened > opened or self._late.is_set():
                    raise
                answer = self._follow(body, headers)  # the server had just closed the old connection, as it may
        except (requests.RequestException, OSError) as error:
            if isinstance(error, requests.Timeout):  # the socket's own time-out, the same moment as the timer
                self._late.set()
            answer = Answer(False, _reason(error), again=True)
        finally:
            timer.cancel()
        if self._late.is_set():  # then also half an answer may look like a whole one
            return Answer(False, f"no answer within {self._deadline:g} s", again=True)
        return answer

    def close(self) -> None:
        """Break off a post that is under way; `send` fails from now on."""
        self.closed.set()
        self._shut()
        self._session.close()
        if self._socket is not None:
            self._socket.close()

    def _follow(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post, going along with redirects that stay on the server."""
        url = self._url
        for _ in range(REDIRECTS):
            status, told, words = self._ask(url, body, headers)
            if status not in (301, 302, 307, 308):
                return _answer(status, told, words)
            url = urljoin(url, told.get("Location", ""))
            if origin(url) != origin(self._url):
                break
        return Answer(False, f"it redirects to {url}, which isn't followed; set root and path to the right address.")

    def _ask(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], str]:
        """Post once; return the answer's status, headers and words."""
        wait = self._deadline
        with self._session.post(
            url, body, headers=headers, timeout=wait, allow_redirects=False, stream=True
        ) as response:
            words = b""
            for chunk in response.iter_content(1 << 14):  # to the end, else the connection can't be used again
                words += chunk
                if len(words) > 1 << 16:
                    break
            return response.status_code, response.headers, words.decode(errors="replace")

    def _connected(self, connection: socket.socket) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = connection.dup()  # a handle of our own: TLS takes the other one away
        self._opened += 1
        if self.closed.is_set() or self._late.is_set():
            self._shut()

    def _give_up(self) -> None:
        self._late.set()
        self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it may be closed already
                self._socket.shutdown(socket.SHUT_RDWR)


def origin(address: str) -> str:
    """Return scheme, host and port of an address, without its password and path.

    >>> origin("https://me:secret@example.org/a")
    'https://example.org'
    """
    parts = urlsplit(address)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = parts.port
    return f"{parts.scheme}://{host}" + ("" if port in (None, PORTS.get(parts.scheme)) else f":{port}")


def _as_it_is(request: Request) -> Request:
    return request


def _answer(status: int, headers: Mapping[str, str], words: str) -> Answer:
    """Return what an answer means for the event: delivered, to be sent again, or refused for good."""
    version, most = wire.version_in(headers), headers.get(wire.EVENTS, "")
    if 200 <= status < 300:
        several = int(most) if re.fullmatch("[1-9][0-9]{0,5}", most) else 1
        return Answer(True, version=version, most=several, stop=headers.get(wire.STOP, ""))
    again = status == 429 or status >= 500
    after = min(_retry_after(headers.get("Retry-After")), LONGEST_WAIT) if again else 0.0
    return Answer(False, f"{status} {' '.join(words.split())[:300]}".strip(), again, after, version)


def _watched_adapter(connected: Callable[[socket.socket], None]) -> HTTPAdapter:
    """Return a requests adapter that calls a function with each socket that it opens."""
    from requests.adapters import HTTPAdapter

    class Watched:
        """Mixed into the connections of urllib3, it tells of each socket."""

        def _new_conn(self) -> socket.socket:
            connection = cast(socket.socket, cast(Any, super())._new_conn())
            connected(connection)
            return connection

    class Adapter(HTTPAdapter):
        """Keeps one connection, and has it watched, plain or TLS."""

        def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
            pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
            if not issubclass(pool.ConnectionCls, Watched):
                pool.ConnectionCls = type("WatchedConnection", (Watched, pool.ConnectionCls), {})
            return pool

    return Adapter(pool_connections=1, pool_maxsize=1)


def _reason(error: BaseException) -> str:
    """Return the words of the first cause, around which requests and urllib3 wrap their exceptions."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _retry_after(text: str | None) -> float:
    """Return the seconds in a Retry-After header, which holds a number or a date; 0 if it holds neither."""
    if not text:
        return 0.0
    if text.strip().isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds())
