"""Events that wait for a server, and the thread that sends them in order."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .. import wire
from .connection import Answer, Connection
from .post import Parcel, Post, packed

KEPT_BYTES = 32 << 20
"""What may wait for a server, besides so many events."""

LOOK = 0.05
"""Seconds between two looks of the thread for waiting events.

Nobody wakes it: that is a system call and a fight for the interpreter, up to half of a hook's time.
"""

FIRST_DELAY, LONGEST_DELAY, CLOSING_DELAY = 0.5, 30.0, 0.2
"""Seconds before an event is sent again: doubled each time, up to the longest; shorter once the fit has ended."""


LONG_FAREWELL = 2.0
"""Seconds of a farewell after which a line tells the user about it."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to say in the training thread: a warning, or good news."""

    text: str
    good: bool = False


class Outbox:
    """Events that wait for the server, and the thread that sends them in order.

    `put` and `close` are called in the training thread. Each holds the lock only to move an event and
    count it, as the sending thread does, which encodes, sends and waits without it: so no hook waits for
    a server, and every event is counted once, as dropped, refused, or not sent in time, if not delivered.

    Word about a run goes to monitors alone. What it is made with (`introduce`) waits beside the events until the server
    is known to be a monitor that understands it, and has got the run's first event. What that event should have brought
    with it, had the server been known, is sent after it.

    One event is in a post, until the server says how many it takes; then as many as wait. If it refuses several,
    each is sent by itself, so that only the one it can't take is lost.

    Args:
        connection: What they are sent by.
        encode: Returns the body and the headers for a parcel; called in the sending thread.
        server: What the server is called in messages.
        kept: How many events may wait.

    Attributes:
        notes: What is to be said in the training thread, oldest first; whoever says it removes it.
        stop: The run that somebody wants to stop, as the last answer that named one had it.
    """

    def __init__(
        self, connection: Connection, encode: Callable[[Parcel], tuple[bytes, dict[str, str]]], server: str, kept: int
    ) -> None:
        self.notes: deque[Note] = deque()
        self.stop = ""
        self._connection, self._encode, self._server, self._kept = connection, encode, server, kept
        self._lock = threading.Lock()  # for the posts and the counts
        self._posts: deque[Post] = deque()
        self._introductions: list[Post] = []
        self._bytes = self._put = self._dropped = self._refused = 0
        self._closing = threading.Event()
        self._delivered_at = 0.0
        # The rest is the sending thread's own.
        self._reported = ""
        self._down_since: float | None = None
        self._delay, self._asked = 0.0, False
        self._version = 0  # of the monitor, as far as is known
        self._heard_of: object = None  # the run whose event was delivered last, by its headers
        self._most = 1  # events in a post
        self._singly = 0  # how many are to be sent by themselves, whatever the server takes
        self._thread = threading.Thread(target=self._run, name="epochal-remote-monitor", daemon=True)
        self._thread.start()

    def put(self, post: Post) -> None:
        """Queue an event; if too much waits, the oldest is dropped. Takes microseconds."""
        with self._lock:
            self._posts.append(post)
            self._put += post.number is not None
            self._bytes += post.size
            while len(self._posts) > self._kept or (self._bytes > KEPT_BYTES and len(self._posts) > 1):
                self._dropped += not self._remove_first().only_to_monitors

    def introduce(self, post: Post) -> None:
        """Have a monitor told what a run is made with, once it has the run's first event."""
        with self._lock:
            self._introductions.append(post)

    def waiting(self, run: object, most: int) -> list[Post]:
        """Return the newest events of a run, by its headers, that haven't got there yet, oldest first."""
        with self._lock:
            newest = list(itertools.islice(reversed(self._posts), most))
        return [post for post in reversed(newest) if post.run is run and not post.only_to_monitors]

    def close(self, silence: float, tell: Callable[[], None] = lambda: None) -> None:
        """Let the thread send the waiting events, then end it and note how many were not delivered.

        Args:
            silence: Seconds without a delivered event after which the rest is given up.
            tell: Called when there is a note meanwhile.
        """
        self._closing.set()
        try:
            self._wait(silence, tell)
        finally:
            with self._lock:
                self._connection.close()
                waiting = sum(not post.only_to_monitors for post in self._posts)
                self._posts.clear()
            parts = {"not sent in time": waiting, "dropped while it was away": self._dropped, "refused": self._refused}
            if missing := sum(parts.values()):
                listed = ", ".join(f"{n} {what}" for what, n in parts.items() if n)
                text = f"RemoteMonitor: {missing} of {self._put} events were not delivered to {self._server}: {listed}."
                self.notes.append(Note(text))

    def _wait(self, silence: float, tell: Callable[[], None]) -> None:
        """Wait for the thread; note it where that takes long."""
        began, told = time.monotonic(), False
        while self._thread.is_alive():
            now = time.monotonic()
            if (left := max(began, self._delivered_at) + silence - now) <= 0:
                return
            if now - began > LONG_FAREWELL and not told:
                told = True
                waiting = f"{len(self._posts)} events are still being sent to {self._server}"
                self.notes.append(Note(f"RemoteMonitor: {waiting}; Ctrl-C leaves them.", good=True))
                tell()
            self._thread.join(min(left, 1.0))

    def _run(self) -> None:
        try:
            while posts := self._next():
                self._handle(posts, *self._sent(posts))
        except Exception as error:
            self.notes.append(Note(f"RemoteMonitor: nothing more is sent, because of {error!r}."))
        finally:
            self._connection.close()  # it may have connected again since it was closed

    def _sent(self, posts: list[Post]) -> tuple[int, Answer]:
        """Send as many of these as one post takes; return how many, and the answer.

        One that can't be sent doesn't keep the others.
        """
        try:
            parcel = packed(posts, self._version)
        except Exception as error:
            return 1, Answer(False, f"an event can't be sent: {error!r}")
        try:
            return len(parcel.posts), self._connection.send(*self._encode(parcel))
        except Exception as error:
            return len(parcel.posts), Answer(False, f"an event can't be sent: {error!r}")

    def _next(self) -> list[Post]:
        """Wait until there are events to send, and return the first ones; none at the end.

        The end of the fit cuts a delay short, once, but not one that the server asked for.
        """
        cut = self._connection.closed if self._asked or self._closing.is_set() else self._closing
        cut.wait(self._delay)
        while not self._connection.closed.is_set():
            last = self._closing.is_set()  # asked before the look: nothing is put after it
            if posts := self._first():
                return posts
            if last:
                break
            self._closing.wait(LOOK)
        return []

    def _first(self) -> list[Post]:
        """Return the oldest events that are for this server, as many as it takes. They stay until they are handled."""
        with self._lock:
            while self._posts and self._posts[0].only_to_monitors and not self._version:
                self._remove_first()
            if self._version >= wire.WITH_EXTRAS:
                for post in self._introductions:
                    if post.run is self._heard_of:
                        return [post]
            return list(itertools.islice(self._posts, 1 if self._singly else self._most))

    def _handle(self, posts: list[Post], count: int, answer: Answer) -> None:
        """Count the first `count` events as delivered or refused, or keep them to be sent again."""
        with self._lock:
            if self._connection.closed.is_set():  # broken off, and counted already
                return
            if answer.again:
                self._wait_longer(answer)
                return
            self._came_back()
            if not answer.delivered and count > 1:
                self._singly = count
                return
            self._singly = max(0, self._singly - count)
            self._settle(posts[:count], answer.delivered)
            if answer.delivered and answer.version >= wire.WITH_EXTRAS > self._version:
                late = [post.late_extras() for post in posts[:count]]
                self._posts.extendleft(post for post in reversed(late) if post is not None)
                self._bytes += sum(post.size for post in late if post is not None)
        self._most = answer.most
        self._version = answer.version or (0 if answer.delivered else self._version)
        self.stop = answer.stop or self.stop
        if not answer.delivered and answer.why != self._reported:
            self._reported = answer.why
            self.notes.append(Note(f"RemoteMonitor: {self._server} refuses the events: {answer.why}"))

    def _settle(self, posts: list[Post], delivered: bool) -> None:
        """Remove events that the server has answered. Some may have been dropped on their way, but got there."""
        if delivered:
            self._delivered_at, self._heard_of = time.monotonic(), posts[-1].run
        for post in posts:
            if post in self._introductions:
                self._introductions.remove(post)
                continue
            self._refused += not (delivered or post.only_to_monitors)
            if self._posts and self._posts[0] is post:
                self._remove_first()
            else:
                self._dropped -= not post.only_to_monitors

    def _wait_longer(self, answer: Answer) -> None:
        if self._down_since is None:
            self._down_since = time.monotonic()
            about = f"{self._server} doesn't take events ({answer.why})"
            self.notes.append(Note(f"RemoteMonitor: {about}; training goes on, they are kept and sent again."))
        longer = CLOSING_DELAY if self._closing.is_set() else min(max(self._delay * 2, FIRST_DELAY), LONGEST_DELAY)
        self._delay, self._asked = max(answer.after, longer), answer.after > 0

    def _came_back(self) -> None:
        self._delay, self._asked = 0.0, False
        if self._down_since is not None:
            away = time.monotonic() - self._down_since
            text = f"RemoteMonitor: {self._server} is back after {away:.0f} s; {len(self._posts)} events waited"
            self.notes.append(Note(text + (f", {self._dropped} were dropped." if self._dropped else "."), good=True))
            self._down_since = None

    def _remove_first(self) -> Post:
        post = self._posts.popleft()
        self._bytes -= post.size
        return post
