"""RemoteMonitor: logs posted to a server while training goes on."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import sys
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import quote, urlencode, urljoin, urlsplit

from epochal.core.cadence import Every
from epochal.core.callback import Callback

GROUP = 1_000
"""Batches in one post at most."""

KEPT_BYTES = 32 << 20
"""What may wait for a server, besides `RemoteMonitor.kept` events."""

FIRST_DELAY, LONGEST_DELAY, CLOSING_DELAY = 0.5, 30.0, 0.2
"""Seconds before an event is sent again: doubled each time, up to the longest; shorter once the fit has ended."""

REDIRECTS = 3


class RemoteMonitor(Callback):
    """Posts each epoch's logs to a server, in the background: training never waits for it.

    An event is the JSON of `{"epoch": epoch, **logs}`, posted to `root + path` as a form field or as
    the body. NaN and infinity become null, NumPy and JAX scalars numbers, arrays lists. `epochal
    monitor` is such a server; any server made for the callback of Keras is one too.

    Two headers tell a server what it got twice: `X-Epochal-Run`, the run's id, and `X-Epochal-Seq`,
    the event's number in the run. While the server cannot be reached or fails (429 and 5xx), events
    are kept and sent again, in order; what it refuses is reported in its own words and not repeated.

    Args:
        root: Address of the server, such as `"http://localhost:9000"`.
        path: Where on it events are posted to.
        field: Name of the form field that holds the JSON; not used with `send_as_json`.
        headers: HTTP headers to send along, such as `{"Authorization": "Bearer …"}`.
        send_as_json: Whether the JSON is the body itself, with its content type, and not a form.
        every: How often something is sent. `Every(n, "epoch")`: each n-th epoch. `Every(n, "batch")` or
            `Every(t, "second")`: besides each epoch, the batches since the last post, in one post
            `{"epoch": e, "batch": [0, 1, …], "loss": [0.9, 0.8, …], …}`.
        name: What the monitor's page calls the run.

    Attributes:
        deadline: Seconds that one post may take in all.
        kept: How many events may wait for the server; the oldest are dropped, and counted.
        farewell: Seconds that the end of a fit waits for events still to be delivered.

    Raises:
        ImportError: If requests isn't installed.
        ValueError: If `root` is no address, `path` leads to another server, or a header can't be sent.
    """

    is_sink = True
    replay = True

    deadline: float = 5.0
    kept: int = 10_000
    farewell: float = 2.0

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
        every: Every = Every(1, "epoch"),  # noqa: B008 (frozen)
        name: str | None = None,
    ) -> None:
        self.root, self.path, self.field, self.name = root, path, field, name
        self.headers = dict(headers or {})
        self.send_as_json = send_as_json
        self.every = self.cadence = every
        _check(root, path, self.headers)
        self._outbox: _Outbox | None = None
        self._begin(uuid.uuid4().hex)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin a new run."""
        self._begin(uuid.uuid4().hex)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note the epoch that batches belong to."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Gather the batch, and send the group if it is time."""
        if self.every.unit == "epoch":
            return
        self._group.append({"batch": batch} | _values(logs))
        if len(self._group) >= (self.every.n if self.every.unit == "batch" else GROUP) or self._time_is_up():
            self._send_group()
            self._tell()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Send what is left of the batches, then the epoch."""
        self._epoch = epoch
        self._send_group()
        if self.every.unit != "epoch" or self.every.due(epoch, epoch + 1):
            self._send({"epoch": epoch} | _values(logs))
        self._tell()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Say that the run is finished, if the server is a monitor of ours."""
        self._send_state("finished")

    def on_exception(self, error: BaseException) -> None:
        """Send the batches before it, and say that the run was stopped or has failed."""
        self._send_group()
        self._send_state("stopped" if isinstance(error, KeyboardInterrupt) else "failed")

    def close(self) -> None:
        """Wait at most `farewell` seconds for the rest to be delivered, and say what wasn't."""
        if self._outbox is None:
            return
        outbox, self._outbox = self._outbox, None
        outbox.close(self.farewell)
        _say(outbox.take_notes())

    def state_dict(self) -> dict[str, Any]:
        """Return the run's id, the next event's number, and the batches not yet sent."""
        group = [_strict(batch) for batch in self._group]
        return {"run": self._run, "seq": self._seq, "epoch": self._epoch, "group": group}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the run that was saved."""
        self._run, self._seq, self._epoch = str(state["run"]), int(state["seq"]), int(state["epoch"])
        self._group, self._common = list(state["group"]), None

    def _begin(self, run: str) -> None:
        self._run, self._seq, self._epoch = run, 0, 0
        self._common: dict[str, str] | None = None
        self._group: list[dict[str, Any]] = []
        self._sent = time.monotonic()

    def _time_is_up(self) -> bool:
        return self.every.unit == "second" and time.monotonic() - self._sent >= self.every.n

    def _send_group(self) -> None:
        if not self._group:
            return
        names = dict.fromkeys(name for batch in self._group for name in batch)
        self._send({"epoch": self._epoch, **{name: [batch.get(name) for batch in self._group] for name in names}})
        self._group, self._sent = [], time.monotonic()

    def _send(self, event: dict[str, Any]) -> None:
        self._post(event, {"X-Epochal-Seq": str(self._seq)})
        self._seq += 1

    def _send_state(self, state: str) -> None:
        if self._seq:  # else there is nothing of this run on the page
            self._post({"epoch": self._epoch}, {"X-Epochal-State": state}, only_to_monitors=True)

    def _post(self, event: dict[str, Any], headers: dict[str, str], only_to_monitors: bool = False) -> None:
        """Leave an event for the thread. Values are read here: they may come from a device, or change later."""
        if self._outbox is None:
            self._outbox = _Outbox(_Line(self.root + self.path, self.deadline, self._encode), self.root, self.kept)
        if self._common is None:
            self._common = self._run_headers()
        self._outbox.put(_Post(_settled(event), {**self._common, **headers, **self.headers}, only_to_monitors))

    def _run_headers(self) -> dict[str, str]:
        named = {} if self.name is None else {"X-Epochal-Name": quote(self.name)}
        lengths = {f"X-Epochal-{k.title()}": str(n) for k in ("epochs", "steps") if (n := self.params.get(k))}
        return {"X-Epochal-Run": self._run, **named, **lengths}

    def _encode(self, json: str) -> tuple[bytes, str]:
        """Return the body for an event's JSON, and its content type."""
        if self.send_as_json:
            return json.encode(), "application/json"
        return urlencode({self.field: json}).encode(), "application/x-www-form-urlencoded"

    def _tell(self) -> None:
        if self._outbox is not None:
            _say(self._outbox.take_notes())


def _values(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(logs.items()) if logs else {}


def _check(root: str, path: str, headers: dict[str, str]) -> None:
    try:
        import requests
    except ModuleNotFoundError:
        raise ImportError('RemoteMonitor needs requests: pip install "epochal[remote]"') from None
    if urlsplit(root).scheme not in ("http", "https") or not urlsplit(root).hostname:
        raise ValueError(f"root must be an address such as 'http://localhost:9000'; got {root!r}.")
    if _origin(root + path) != _origin(root):
        raise ValueError(f"path must stay on {root}; with {path!r} it leads to {_origin(root + path)}.")
    try:
        requests.Request("POST", root + path, headers=headers).prepare()
    except requests.RequestException as error:
        raise ValueError(f"headers must be HTTP headers, as names and values of text: {error}") from None


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _say(notes: Iterable[_Note]) -> None:
    for note in notes:
        if note.good:
            print(note.text, file=sys.stderr)
        else:
            warnings.warn(note.text, stacklevel=4)


# What is posted


@dataclass(frozen=True, slots=True, eq=False)
class _Post:
    """An event, as JSON already or as plain values that JSON has."""

    event: str | dict[str, Any]
    headers: dict[str, str]
    only_to_monitors: bool

    @property
    def json(self) -> str:
        """Return the event's JSON."""
        return self.event if isinstance(self.event, str) else _strict_json(self.event)

    @property
    def size(self) -> int:
        """Return about how many bytes it takes."""
        return len(self.event) if isinstance(self.event, str) else 64 * len(self.event)


_CONSTANT = frozenset((float, int, bool, str, type(None)))


def _settled(event: dict[str, Any]) -> str | dict[str, Any]:
    """Leave an event of plain values for the thread to encode; encode any other now, before it can change."""
    return event if _CONSTANT.issuperset(map(type, event.values())) else _strict_json(event)


def _strict_json(event: dict[str, Any]) -> str:
    """Return JSON that any parser reads: plain finite numbers directly, everything else by way of `_strict`."""
    try:
        return json.dumps(event, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(_strict(event), allow_nan=False)


def _strict(value: Any) -> Any:
    """Return a value that JSON has: NaN and infinity as None, arrays as lists, what it doesn't know as text."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(name): _strict(item) for name, item in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in cast(Iterable[Any], value)]
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, (list, bool, int, float, str)):
        return _strict(plain)
    return _strict(float(plain)) if hasattr(plain, "__float__") else str(plain)


# How it gets there


@dataclass(frozen=True, slots=True)
class _Note:
    """Something to say in the training thread: a warning, or good news."""

    text: str
    good: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of a post. `again` says to try again, after so many seconds at least if it was told."""

    delivered: bool
    why: str = ""
    again: bool = False
    after: float = 0.0
    from_monitor: bool = False


class _Outbox:
    """Events that wait for the server, and the thread that sends them in order.

    Args:
        line: Sends one post.
        server: What the server is called in messages.
        kept: How many events may wait.
    """

    def __init__(self, line: _Line, server: str, kept: int) -> None:
        self._line, self._server, self._kept = line, server, kept
        self._posts: deque[_Post] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._notes: deque[_Note] = deque()
        self._put = self._dropped = self._refused = 0
        self._reported = ""
        self._down_since: float | None = None
        self._delay, self._asked = 0.0, False
        self._closing = False
        self._to_monitor = False
        self._thread = threading.Thread(target=self._run, name="epochal-remote-monitor", daemon=True)
        self._thread.start()

    def put(self, post: _Post) -> None:
        """Queue an event; if too much waits, the oldest is dropped. Takes microseconds."""
        with self._changed:
            self._posts.append(post)
            self._put += not post.only_to_monitors
            self._bytes += post.size
            while len(self._posts) > self._kept or (self._bytes > KEPT_BYTES and len(self._posts) > 1):
                self._dropped += not self._remove_first().only_to_monitors
            self._changed.notify()

    def take_notes(self) -> Iterator[_Note]:
        """Yield what is to be said, once; what isn't taken, as when a warning raises, stays."""
        while self._notes:
            yield self._notes.popleft()

    def close(self, seconds: float) -> None:
        """Let the thread send what waits for so long, then end it, and note what wasn't delivered."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)
        with self._changed:
            self._line.close()
            self._changed.notify()
            waiting = sum(not post.only_to_monitors for post in self._posts)
            self._posts.clear()
        parts = {"not sent in time": waiting, "dropped while it was away": self._dropped, "refused": self._refused}
        if missing := sum(parts.values()):
            listed = ", ".join(f"{n} {what}" for what, n in parts.items() if n)
            text = f"RemoteMonitor: {missing} of {self._put} events were not delivered to {self._server}: {listed}."
            self._notes.append(_Note(text))

    def _run(self) -> None:
        try:
            while (post := self._next()) is not None:
                self._handle(post, self._line.send(post))
        except Exception as error:
            self._notes.append(_Note(f"RemoteMonitor: nothing more is sent, because of {error!r}."))

    def _next(self) -> _Post | None:
        """Wait until there is an event to send; None at the end.

        The end of the fit cuts a delay short, once, but not one that the server asked for.
        """
        with self._changed:
            ending = self._closing
            self._changed.wait_for(lambda: self._closing and not ending and not self._asked, self._delay)
            while True:
                self._changed.wait_for(lambda: self._posts or self._closing)
                if not self._posts or self._line.closed:
                    return None
                if self._to_monitor or not self._posts[0].only_to_monitors:
                    return self._posts[0]
                self._remove_first()

    def _handle(self, post: _Post, answer: _Answer) -> None:
        with self._changed:
            if self._line.closed:  # broken off, and counted already
                return
            if answer.again:
                self._wait_longer(answer)
                return
            self._came_back()
            self._to_monitor = answer.from_monitor
            if self._posts and self._posts[0] is post:  # else it was dropped meanwhile
                self._remove_first()
            if not answer.delivered:
                self._refused += not post.only_to_monitors
                if answer.why != self._reported:
                    self._reported = answer.why
                    self._notes.append(_Note(f"RemoteMonitor: {self._server} refuses the events: {answer.why}"))

    def _wait_longer(self, answer: _Answer) -> None:
        if self._down_since is None:
            self._down_since = time.monotonic()
            about = f"{self._server} doesn't take events ({answer.why})"
            self._notes.append(_Note(f"RemoteMonitor: {about}; training goes on, they are kept and sent again."))
        longer = CLOSING_DELAY if self._closing else min(max(self._delay * 2, FIRST_DELAY), LONGEST_DELAY)
        self._delay, self._asked = max(answer.after, longer), answer.after > 0

    def _came_back(self) -> None:
        self._delay, self._asked = 0.0, False
        if self._down_since is not None:
            away = time.monotonic() - self._down_since
            text = f"RemoteMonitor: {self._server} is back after {away:.0f} s; {len(self._posts)} events waited"
            self._notes.append(_Note(text + (f", {self._dropped} were dropped." if self._dropped else "."), good=True))
            self._down_since = None

    def _remove_first(self) -> _Post:
        post = self._posts.popleft()
        self._bytes -= post.size
        return post


class _Line:
    """One keep-alive connection to a server, on which no post takes longer than the deadline.

    A read time-out starts again with each byte, so a server that sends a byte a second would hold a
    post for ever. Here the socket itself is shut down when the time is up, whatever is then waited for.

    Args:
        url: Where to.
        deadline: Seconds for one post, from connecting to the last byte of the answer.
        encode: Returns the body for an event's JSON, and its content type.
    """

    def __init__(self, url: str, deadline: float, encode: Callable[[str], tuple[bytes, str]]) -> None:
        import requests

        self._url, self._deadline, self._encode = url, deadline, encode
        self._socket: socket.socket | None = None
        self._opened = 0
        self._late = threading.Event()
        self._session = requests.Session()
        adapter = _watched_adapter(self._connected)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self.closed = False

    def send(self, post: _Post) -> _Answer:
        """Send one event and return what came of it."""
        import requests

        self._late.clear()
        timer = threading.Timer(self._deadline, self._give_up)
        timer.daemon = True
        timer.start()
        opened = self._opened
        try:
            try:
                answer = self._follow(post)
            except requests.ConnectionError:
                if self._opened > opened or self._late.is_set():
                    raise
                answer = self._follow(post)  # the server had just closed the old connection, as it may
        except (requests.RequestException, OSError) as error:
            if isinstance(error, requests.Timeout):  # the socket's own time-out, the same moment as the timer
                self._late.set()
            answer = _Answer(False, _reason(error), again=True)
        finally:
            timer.cancel()
        if self._late.is_set():  # then also half an answer may look like a whole one
            return _Answer(False, f"no answer within {self._deadline:g} s", again=True)
        return answer

    def close(self) -> None:
        """Break off what is under way; `send` fails from now on."""
        self.closed = True
        self._shut()
        self._session.close()
        if self._socket is not None:
            self._socket.close()

    def _follow(self, post: _Post) -> _Answer:
        """Post, going along with redirects that stay on the server."""
        url = self._url
        for _ in range(REDIRECTS):
            status, headers, words = self._ask(url, post)
            if status not in (301, 302, 307, 308):
                return _answer(status, headers, words)
            url = urljoin(url, headers.get("Location", ""))
            if _origin(url) != _origin(self._url):
                break
        return _Answer(False, f"it redirects to {url}, which isn't followed; set root and path to the right address.")

    def _ask(self, url: str, post: _Post) -> tuple[int, Mapping[str, str], str]:
        body, kind = self._encode(post.json)
        headers = {"Content-Type": kind, **post.headers}
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
        if self.closed or self._late.is_set():
            self._shut()

    def _give_up(self) -> None:
        self._late.set()
        self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it may be closed already
                self._socket.shutdown(socket.SHUT_RDWR)


def _answer(status: int, headers: Mapping[str, str], words: str) -> _Answer:
    """Say what an answer means for the event: delivered, to be sent again, or refused for good."""
    if 200 <= status < 300:
        return _Answer(True, from_monitor="X-Epochal-Monitor" in headers)
    again = status == 429 or status >= 500
    after = _retry_after(headers.get("Retry-After")) if again else 0.0
    return _Answer(False, f"{status} {' '.join(words.split())[:300]}".strip(), again, after)


def _watched_adapter(connected: Callable[[socket.socket], None]) -> Any:
    """Return a requests adapter that says which sockets it opens."""
    from requests.adapters import HTTPAdapter

    class Watched:
        def _new_conn(self) -> socket.socket:
            connection = cast(socket.socket, cast(Any, super())._new_conn())
            connected(connection)
            return connection

    class Adapter(HTTPAdapter):
        def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
            pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
            if not issubclass(pool.ConnectionCls, Watched):
                pool.ConnectionCls = type("WatchedConnection", (Watched, pool.ConnectionCls), {})
            return pool

    return Adapter(pool_connections=1, pool_maxsize=1)


def _reason(error: BaseException) -> str:
    """Return what lies at the bottom of the exceptions that requests and urllib3 wrap around it."""
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
