"""Events that wait for a server, and the thread that sends them in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .line import Answer, Line
from .post import Post

KEPT_BYTES = 32 << 20
"""What may wait for a server, besides so many events."""

LOOK = 0.05
"""Seconds after which the thread looks whether something waits.

Nobody wakes it: that is a system call and a fight for the interpreter, up to half of a hook's time.
"""

FIRST_DELAY, LONGEST_DELAY, CLOSING_DELAY = 0.5, 30.0, 0.2
"""Seconds before an event is sent again: doubled each time, up to the longest; shorter once the fit has ended."""


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

    Args:
        line: What it is sent by.
        encode: Returns the body and the headers for a post; called in the sending thread.
        server: What the server is called in messages.
        kept: How many events may wait.

    Attributes:
        notes: What is to be said in the training thread, oldest first; whoever says it removes it.
    """

    def __init__(
        self, line: Line, encode: Callable[[Post], tuple[bytes, dict[str, str]]], server: str, kept: int
    ) -> None:
        self.notes: deque[Note] = deque()
        self._line, self._encode, self._server, self._kept = line, encode, server, kept
        self._lock = threading.Lock()  # for the posts and the counts
        self._posts: deque[Post] = deque()
        self._bytes = self._put = self._dropped = self._refused = 0
        self._closing = threading.Event()
        # The rest is the sending thread's own.
        self._reported = ""
        self._down_since: float | None = None
        self._delay, self._asked = 0.0, False
        self._to_monitor = False
        self._thread = threading.Thread(target=self._run, name="epochal-remote-monitor", daemon=True)
        self._thread.start()

    def put(self, post: Post) -> None:
        """Queue an event; if too much waits, the oldest is dropped. Takes microseconds."""
        with self._lock:
            self._posts.append(post)
            self._put += not post.only_to_monitors
            self._bytes += post.size
            while len(self._posts) > self._kept or (self._bytes > KEPT_BYTES and len(self._posts) > 1):
                self._dropped += not self._remove_first().only_to_monitors

    def close(self, seconds: float) -> None:
        """Let the thread send what waits for so long, then end it, and note what wasn't delivered."""
        self._closing.set()
        self._thread.join(seconds)
        with self._lock:
            self._line.close()
            waiting = sum(not post.only_to_monitors for post in self._posts)
            self._posts.clear()
        parts = {"not sent in time": waiting, "dropped while it was away": self._dropped, "refused": self._refused}
        if missing := sum(parts.values()):
            listed = ", ".join(f"{n} {what}" for what, n in parts.items() if n)
            text = f"RemoteMonitor: {missing} of {self._put} events were not delivered to {self._server}: {listed}."
            self.notes.append(Note(text))

    def _run(self) -> None:
        try:
            while (post := self._next()) is not None:
                self._handle(post, self._sent(post))
        except Exception as error:
            self.notes.append(Note(f"RemoteMonitor: nothing more is sent, because of {error!r}."))

    def _sent(self, post: Post) -> Answer:
        """Send an event and return what came of it; one that can't be sent doesn't keep the others."""
        try:
            return self._line.send(*self._encode(post))
        except Exception as error:
            return Answer(False, f"an event can't be sent: {error!r}")

    def _next(self) -> Post | None:
        """Wait until there is an event to send; None at the end.

        The end of the fit cuts a delay short, once, but not one that the server asked for.
        """
        cut = self._line.closed if self._asked or self._closing.is_set() else self._closing
        cut.wait(self._delay)
        while not self._line.closed.is_set():
            last = self._closing.is_set()  # asked before the look: nothing is put after it
            if (post := self._first()) is not None:
                return post
            if last:
                return None
            self._closing.wait(LOOK)
        return None

    def _first(self) -> Post | None:
        """Return the oldest event that is for this server, if there is one. It stays until it is handled."""
        with self._lock:
            while self._posts and self._posts[0].only_to_monitors and not self._to_monitor:
                self._remove_first()
            return self._posts[0] if self._posts else None

    def _handle(self, post: Post, answer: Answer) -> None:
        with self._lock:
            if self._line.closed.is_set():  # broken off, and counted already
                return
            if answer.again:
                self._wait_longer(answer)
                return
            here = bool(self._posts) and self._posts[0] is post
            if not here:  # dropped on its way, but it got there
                self._dropped -= not post.only_to_monitors
            self._refused += not (answer.delivered or post.only_to_monitors)
            self._came_back()
            if here:
                self._remove_first()
        self._to_monitor = answer.from_monitor or (self._to_monitor and not answer.delivered)
        if not answer.delivered and answer.why != self._reported:
            self._reported = answer.why
            self.notes.append(Note(f"RemoteMonitor: {self._server} refuses the events: {answer.why}"))

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
