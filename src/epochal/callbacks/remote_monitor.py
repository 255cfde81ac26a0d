"""RemoteMonitor: logs posted to a server while training goes on."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from .. import wire
from ..core.cadence import Every
from ..core.callback import Callback
from ..core.logs import LoggedValues
from ..messages.extras import needed_by
from ..messages.printing import say, warn
from ..remote.connection import Connection, origin
from ..remote.outbox import Note, Outbox
from ..remote.post import Parcel, Post, settled, strict
from ..storage.generation import PlainState

GROUP = 1_000
"""Batches in one post at most."""

VALUES = 20_000
"""Values in one post of batches at most: less than half of `wire.MOST_VALUES`."""

REMEMBERED = 1_000
"""Events that a saved run remembers as not delivered, at most, so that a process that is killed loses none of them."""


class RemoteMonitor(Callback):
    """Posts each epoch's logs to a server, in the background: training never waits for it.

    An event is the JSON of `{"epoch": epoch, **logs}`, posted to `root + path` as a form field or as
    the body. NaN and infinity become null, NumPy and JAX scalars numbers, arrays lists. `epochal
    monitor` is such a server; any server made for the callback of Keras is one too.

    Two headers tell a server what it got twice: `X-Epochal-Run`, the run's id, and `X-Epochal-Seq`,
    the event's number in the run. While the server cannot be reached or fails (429 and 5xx), events
    are kept and sent again, in order; what it refuses is reported in its own words and not repeated. A post holds one
    event; a server that says how many it takes, as `epochal monitor` does, gets all that wait in one.

    >>> monitor = RemoteMonitor("http://localhost:9000", name="digits")
    >>> monitor.root + monitor.path
    'http://localhost:9000/publish/epoch/end/'

    Args:
        root: Address of the server, such as `"http://localhost:9000"`.
        path: Where on it events are posted to.
        field: Name of the form field that holds the JSON; not used with `send_as_json`.
        headers: HTTP headers to send along, such as `{"Authorization": "Bearer …"}`.
        send_as_json: Whether the JSON is the body itself, with its content type, and not a form.
        every: How often something is sent. `Every(n, "epoch")`: each n-th epoch. `Every(n, "batch")` or
            `Every(t, "second")`: besides each epoch, the batches since the last post, in one post
            `{"epoch": e, "batch": [0, 1, …], "loss": [0.9, 0.8, …], …}`.
        name: The run's name on the monitor's page; None shows its id.

    Attributes:
        deadline: Seconds that one post may take in all.
        kept: How many events may wait for the server; the oldest are dropped, and counted.
        farewell: The end of a fit waits for events still to be delivered as long as they get there: until none has
            for so many seconds.

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
        path: str = wire.PATH,
        field: str = wire.FIELD,
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
        self._outbox: Outbox | None = None
        self._begin(uuid.uuid4().hex)

    def on_train_begin(self, logs: LoggedValues | None = None) -> None:
        """Begin a new run."""
        self._begin(uuid.uuid4().hex)

    def on_epoch_begin(self, epoch: int, logs: LoggedValues | None = None) -> None:
        """Note the epoch that batches belong to."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: LoggedValues | None = None) -> None:
        """Gather the batch, and send the group if it is time."""
        if self.every.unit == "epoch":
            return
        self._group.append({wire.BATCH: batch} | _values(logs))
        if len(self._group) >= (self.every.n if self.every.unit == "batch" else GROUP) or self._time_is_up():
            self._send_group()
            self._tell()

    def on_epoch_end(self, epoch: int, logs: LoggedValues | None = None) -> None:
        """Send what is left of the batches, then the epoch."""
        self._epoch = epoch
        self._send_group()
        if self.every.unit != "epoch" or self.every.due(epoch, epoch + 1):
            self._send(wire.epoch_event(epoch, _values(logs)))
        self._tell()

    def on_train_end(self, logs: LoggedValues | None = None) -> None:
        """Tell the server that the run is finished, if it is `epochal monitor`."""
        self._send_state(wire.FINISHED)

    def on_exception(self, error: BaseException) -> None:
        """Send the batches before it, and say that the run was stopped or has failed."""
        self._send_group()
        self._send_state(wire.FAILED if isinstance(error, Exception) else wire.STOPPED)

    def close(self) -> None:
        """Wait for the rest to be delivered, until nothing has been for `farewell` seconds; say what wasn't."""
        if self._outbox is None:
            return
        outbox, self._outbox = self._outbox, None
        try:
            outbox.close(self.farewell, lambda: _say(outbox.notes))
        finally:
            _say(outbox.notes)

    def identity(self) -> dict[str, object]:
        """Return the address that it posts to."""
        return {"root": self.root, "path": self.path}

    def state_dict(self) -> PlainState:
        """Return the run's id, the next event's number, the batches not yet sent, and what hasn't got there yet."""
        group = [strict(batch) for batch in self._group]
        waiting = [] if self._outbox is None else self._outbox.waiting(self._headers, REMEMBERED)
        unsent = [*map(list, self._unsent), *([post.number, post.json] for post in waiting)]
        return {"run": self._run, "seq": self._seq, "epoch": self._epoch, "group": group, "unsent": unsent}

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`."""
        self._run, self._seq, self._epoch = str(state["run"]), int(state["seq"]), int(state["epoch"])
        self._group, self._headers = list(state["group"]), None
        self._unsent = [(int(number), str(event)) for number, event in state["unsent"]]

    def _begin(self, run: str) -> None:
        self._run, self._seq, self._epoch = run, 0, 0
        self._headers: dict[str, str] | None = None  # the run's, made at its first post
        self._group: list[dict[str, Any]] = []
        self._unsent: list[tuple[int, str]] = []  # of the run as it was saved
        self._sent = time.monotonic()

    def _time_is_up(self) -> bool:
        return self.every.unit == "second" and time.monotonic() - self._sent >= self.every.n

    def _send_group(self) -> None:
        if not self._group:
            return
        group, self._group, self._sent = self._group, [], time.monotonic()
        names = dict.fromkeys(name for batch in group for name in batch)
        most = max(1, min(GROUP, VALUES // len(names)))
        for at in range(0, len(group), most):
            self._send(wire.batches_event(self._epoch, names, group[at : at + most]))

    def _send(self, event: dict[str, Any]) -> None:
        self._post(event, self._seq)
        self._seq += 1

    def _send_state(self, state: str) -> None:
        if self._seq:  # else there is nothing of this run on the page
            self._post(wire.epoch_event(self._epoch, {}), None, state)

    def _post(self, event: dict[str, Any], number: int | None, state: str = "") -> None:
        """Leave an event for the thread. Values are read here: they may come from a device, or change later."""
        if self._outbox is None:
            self._outbox = Outbox(
                Connection(self.root + self.path, self.deadline), self._encode, origin(self.root), self.kept
            )
        if self._headers is None:
            self._headers = wire.run_headers(self._run, self.name, self.params.get("epochs"), self.params.get("steps"))
            for at, unsent in self._unsent:
                self._outbox.put(Post(unsent, self._headers, at))
            self._unsent = []
        self._outbox.put(Post(settled(event), self._headers, number, state))

    def _encode(self, parcel: Parcel) -> tuple[bytes, dict[str, str]]:
        """Return the body and the headers for a parcel. The thread calls it."""
        if self.send_as_json:
            body, kind = parcel.text.encode(), "application/json" if len(parcel.posts) == 1 else "application/x-ndjson"
        else:
            body, kind = urlencode({self.field: parcel.text}).encode(), "application/x-www-form-urlencoded"
        return body, {"Content-Type": kind, **parcel.headers, **self.headers}

    def _tell(self) -> None:
        if self._outbox is not None:
            _say(self._outbox.notes)


def _values(logs: LoggedValues | None) -> dict[str, Any]:
    return dict(logs.items()) if logs else {}


def _check(root: str, path: str, headers: dict[str, str]) -> None:
    with needed_by("RemoteMonitor"):
        import requests
    if not _is_address(root):
        raise ValueError(f"root must be an address such as 'http://localhost:9000'; got {root!r}.")
    if not _is_address(root + path) or origin(root + path) != origin(root):
        raise ValueError(f"path must stay on {origin(root)}; {path!r} leads elsewhere.")
    try:
        requests.Request("POST", root + path, headers=headers).prepare()
    except requests.RequestException as error:
        raise ValueError(f"headers must be HTTP headers, as names and values of text: {error}") from None


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, or no host
        return False


def _say(notes: deque[Note]) -> None:
    """Print what the thread has noted; if a warning raises, the rest stays for the next time."""
    while notes:
        note = notes.popleft()
        if note.good:
            say(note.text, "stderr")
        else:
            warn(note.text)
