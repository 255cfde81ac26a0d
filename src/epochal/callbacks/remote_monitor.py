"""RemoteMonitor: logs posted to a server while training goes on."""

from __future__ import annotations

import math
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from .. import wire
from ..core.cadence import Every
from ..core.callback import Callback
from ..core.epoch_meter import EpochMeter, steps_of
from ..core.error_line import error_line
from ..core.logs import LoggedValues
from ..core.run_config import own_config, run_config
from ..core.stop_reason import NAN, STOPPED
from ..messages.extras import needed_by
from ..messages.printing import say, warn
from ..remote.connection import Connection, origin
from ..remote.outbox import Note, Outbox
from ..remote.post import MeasuredEpoch, Parcel, Post, settled, strict, strict_json
from ..remote.system import SystemSampler
from ..remote.target import check_target
from ..storage.generation import PlainState

GROUP = 1_000
"""Batches in one post at most."""

VALUES = 20_000
"""Values in one post of batches at most: less than half of `wire.MOST_VALUES`."""

REMEMBERED = 1_000
"""Events that a saved run remembers as not delivered, at most, so that a process that is killed loses none of them."""


LARGEST_INTRODUCTION = 200_000
"""Bytes of JSON that a user may say of a run: with what is found out, and as a form, less than a monitor takes."""

MOST_AUTOMATIC = 100
"""Names in a run's configuration that this package finds itself, at most; the user's own may be the rest."""


class RemoteMonitor(Callback):
    """Posts each epoch's logs to a server, in the background: training never waits for it.

    An event is the JSON of `{"epoch": epoch, **logs}`, posted to `root + path` as a form field or as
    the body. NaN and infinity become null, NumPy and JAX scalars numbers, arrays lists. `epochal
    monitor` is such a server; any server made for the callback of Keras is one too.

    Two headers tell a server what it got twice: `X-Epochal-Run`, the run's id, and `X-Epochal-Seq`,
    the event's number in the run. While the server cannot be reached or fails (429 and 5xx), events
    are kept and sent again, in order; what it refuses is reported in its own words and not repeated. A post holds one
    event; a server that says how many it takes, as `epochal monitor` does, gets all that wait in one.

    `epochal monitor`, and no other server, is also told what the run is made with (optimizer, loss, sizes, versions,
    machine), how it ended and why, and of each epoch its `learning_rate`, its `step_time`, in seconds a step, and the
    `seconds` of training so far.

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
        config: What else the run is made with, for the page to show and to compare: a dict of numbers, text, bools and
            None, and of lists and dicts of these. Its names go before those that are found out.
        tags: Words to find the run by on the page.
        notes: What the page shows with the run.
        system: Whether each epoch also says how busy the machine is: `system/cpu` in percent, `system/memory` and
            `system/gpu_memory` in bytes, sampled once a second in a thread.
        allow_stop: Whether somebody at the page may end the fit, after the epoch under way; only a monitor with a token
            asks.

    Attributes:
        deadline: Seconds that one post may take in all.
        kept: How many events may wait for the server; the oldest are dropped, and counted.
        farewell: The end of a fit waits for events still to be delivered as long as they get there: until none has
            for so many seconds.

    Raises:
        ImportError: If requests, or psutil for `system`, isn't installed.
        ValueError: If `root` is no address, `path` leads to another server, a header can't be sent, or `config`, `tags`
            or `notes` hold what a monitor doesn't take.
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
        config: Mapping[str, object] | None = None,
        tags: Sequence[str] = (),
        notes: str = "",
        system: bool = False,
        allow_stop: bool = False,
    ) -> None:
        self.root, self.path, self.field, self.name = root, path, field, wire.checked_run_name(name)
        self.headers = dict(headers or {})
        self.send_as_json = send_as_json
        self.every = self.cadence = every
        self._each = every.unit != "epoch" or every.n == 1
        self.config, self.tags, self.notes = _checked_config(config), wire.checked_tags(tags), wire.checked_notes(notes)
        self.system, self.allow_stop = system, allow_stop
        _check(root, path, self.headers, system)
        if (size := len(self._said())) > LARGEST_INTRODUCTION:
            raise ValueError(
                f"config, tags and notes take {size:,} bytes as JSON, of at most {LARGEST_INTRODUCTION:,}."
            )
        self._outbox: Outbox | None = None
        self._sampler: SystemSampler | None = None
        self._meter = EpochMeter()
        self._begin(uuid.uuid4().hex)

    def on_train_begin(self, logs: LoggedValues | None = None) -> None:
        """Begin a new run."""
        self._begin(uuid.uuid4().hex)

    def on_epoch_begin(self, epoch: int, logs: LoggedValues | None = None) -> None:
        """Note the epoch that batches belong to, and when it begins."""
        self._epoch = epoch
        self._meter.begin_epoch(self)

    def on_test_begin(self, logs: LoggedValues | None = None) -> None:
        """Note when the epoch's validation begins."""
        self._meter.end_training()

    def on_train_batch_end(self, batch: int, logs: LoggedValues | None = None) -> None:
        """Gather the batch, and send the group if it is time."""
        if self.every.unit == "epoch":
            return
        self._group.append({wire.BATCH: batch} | _values(logs))
        if len(self._group) >= (self.every.n if self.every.unit == "batch" else GROUP) or self._time_is_up():
            self._send_group()
            self._tell()

    def on_epoch_end(self, epoch: int, logs: LoggedValues | None = None) -> None:
        """Send what is left of the batches, then the epoch; end the fit if somebody at the page wants that."""
        self._epoch = epoch
        if self._group:
            self._send_group()
        event: dict[str, Any] = {wire.EPOCH: epoch}
        if logs is not None:
            event.update(logs.items())  # which waits for the device
        measured = (*self._meter.end_epoch(self), steps_of(self), self._sampler and self._sampler.latest)
        if self._each or self.every.due(epoch, epoch + 1):
            self._post(event, self._seq, None, measured)
            self._seq += 1
        if self.allow_stop and self._outbox is not None and self._outbox.stop == self._run:
            self.ask_to_stop("asked for on the monitor's page", STOPPED)
        if self._outbox is not None and self._outbox.notes:
            self._tell()

    def on_train_end(self, logs: LoggedValues | None = None) -> None:
        """Tell the server how the run ended, if it is `epochal monitor`."""
        self._send_end(*self._end((logs or {}).get("loss")))

    def on_exception(self, error: BaseException) -> None:
        """Send the batches before it, and say that the run was stopped or has failed."""
        self._send_group()
        self._send_end(wire.FAILED if isinstance(error, Exception) else wire.STOPPED, error_line(error))

    def close(self) -> None:
        """Wait for the rest to be delivered, until nothing has been for `farewell` seconds; say what wasn't."""
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None
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
        """Return the run's id and its seconds, the next event's number, and what hasn't been sent or delivered yet."""
        group = [strict(batch) for batch in self._group]
        waiting = [] if self._outbox is None else self._outbox.waiting(self._headers, REMEMBERED)
        unsent = [*map(list, self._unsent), *([post.number, post.json, post.measured] for post in waiting)]
        place = {"run": self._run, "seq": self._seq, "epoch": self._epoch, "seconds": self._meter.seconds()}
        return {**place, "group": group, "unsent": unsent}

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`."""
        self._run, self._seq, self._epoch = str(state["run"]), int(state["seq"]), int(state["epoch"])
        self._group, self._headers = list(state["group"]), None
        self._unsent = [_unsent(event) for event in state["unsent"]]
        self._meter.start(float(state.get("seconds", 0.0)))

    def _begin(self, run: str) -> None:
        self._run, self._seq, self._epoch = run, 0, 0
        self._headers: dict[str, str] | None = None  # the run's, made at its first post
        self._group: list[dict[str, Any]] = []
        self._unsent: list[tuple[int, str, MeasuredEpoch | None]] = []  # of the run as it was saved
        self._meter.start()
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
            self._post(wire.batches_event(self._epoch, names, group[at : at + most]), self._seq)
            self._seq += 1

    def _end(self, loss: object) -> tuple[str, str]:
        """Return how the run ended without an error, and why; `loss` is that of the last epoch."""
        reason, epochs = self.stop_reason, self.params.get("epochs")
        stopped = getattr(self.model, "stop_training", False)
        if not stopped or (reason.kind != NAN and self._epoch + 1 == epochs):
            return wire.FINISHED, ""
        if reason.kind:
            return reason.kind, reason.words
        if isinstance(loss, float) and not math.isfinite(loss):  # as Keras's TerminateOnNaN sees it
            return NAN, f"the loss of epoch {self._epoch + 1} is {loss}"
        return wire.EARLY, "a callback has set model.stop_training"

    def _send_end(self, state: str, reason: str) -> None:
        if self._seq:  # else there is nothing of this run on the page
            self._post(wire.epoch_event(self._epoch, {}), None, wire.end_headers(state, reason))

    def _post(
        self,
        event: dict[str, Any],
        number: int | None,
        about: Mapping[str, str] | None = None,
        measured: MeasuredEpoch | None = None,
    ) -> None:
        """Leave an event for the thread. Values are read here: they may come from a device, or change later."""
        outbox = self._outbox or self._open()
        if self._headers is None:
            self._headers = wire.run_headers(self._run, self.name, self.params.get("epochs"), self.params.get("steps"))
            for at, unsent, measured_then in self._unsent:
                outbox.put(Post(unsent, self._headers, at, None, measured_then))
            self._unsent = []
            outbox.introduce(Post(self._introduction(), self._headers, None, {wire.ABOUT: wire.ABOUT_RUN}))
        outbox.put(Post(settled(event), self._headers, number, about, measured))

    def _open(self) -> Outbox:
        connection = Connection(self.root + self.path, self.deadline)
        self._outbox = Outbox(connection, self._encode, origin(self.root), self.kept)
        if self.system:
            self._sampler = SystemSampler()
        return self._outbox

    def _said(self) -> str:
        """Return what the user says of the run, as it is sent."""
        return strict_json(wire.about_event(0, self.config, self.tags, self.notes, self.allow_stop))

    def _introduction(self) -> str:
        """Return the event that says what the run is made with."""
        found = {name: value for name, value in run_config(self).items() if name not in self.config}
        config = {**{name: _shown(value) for name, value in islice(found.items(), MOST_AUTOMATIC)}, **self.config}
        return strict_json(wire.about_event(self._epoch, config, self.tags, self.notes, self.allow_stop))

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


def _unsent(saved: Sequence[Any]) -> tuple[int, str, MeasuredEpoch | None]:
    """Return an event that a saved run remembers; those that an earlier version saved have no more than their JSON."""
    number, event, *measured = saved
    return int(number), str(event), tuple(measured[0]) if measured and measured[0] else None


def _values(logs: LoggedValues | None) -> dict[str, Any]:
    return dict(logs.items()) if logs else {}


def _shown(value: object) -> object:
    """Return a value of a configuration as far as a monitor takes it."""
    return value[: wire.LONGEST_TEXT] if isinstance(value, str) else value


def _checked_config(config: Mapping[str, object] | None) -> dict[str, str | int | float | bool | None]:
    checked = wire.checked_config(own_config(config))
    if len(checked) > (most := wire.MOST_NAMES - MOST_AUTOMATIC):
        raise ValueError(f"config has at most {most} names; got {len(checked)}.")
    return checked


def _check(root: str, path: str, headers: dict[str, str], system: bool) -> None:
    with needed_by("RemoteMonitor"):
        import requests  # noqa: F401  # pyright: ignore[reportUnusedImport]
    if system:
        with needed_by("RemoteMonitor(system=True)"):
            import psutil  # noqa: F401  # pyright: ignore[reportUnusedImport]
    check_target(root, path, headers)


def _say(notes: deque[Note]) -> None:
    """Print what the thread has noted; if a warning raises, the rest stays for the next time."""
    while notes:
        note = notes.popleft()
        if note.good:
            say(note.text, "stderr")
        else:
            warn(note.text)
