"""The watch over the other processes: each learns soon that one has ended, or who is late.

Every process gives signs of life (`signs.py`) through JAX's coordination service, which lives in the primary's process.
The primary reads all and says who has ended; the others look whether the primary lives and what it says. Threads do
it, so that it goes on while the main thread waits for a collective, which can't be interrupted.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from time import monotonic, sleep
from types import TracebackType
from typing import NoReturn

from ..core.processes import THIS, Process
from ..messages.printing import say, write
from . import service
from .signs import Clock, Ended, LateWarnings, Roll, Sign, Silence, fallen_silent

LATE_SECONDS = 60.0
"""How long others wait for a process before a warning names it."""

BEATS, LOOKS, GRACE = 5, 10, 5
"""Parts of a heartbeat: between two signs, between two looks, and until a main thread that can't raise is ended."""

TAKEDOWN_SECONDS = 2.0
"""How long the primary stays once the others have said goodbye, while they take down what they have."""

VERDICT, OVER = "verdict", "over"
"""The key where the primary says which process has ended, and what is there once all are at their end."""

ExceptHook = Callable[[type[BaseException], BaseException, TracebackType | None], object]

_watch: Watch | None = None

check = THIS.check
waiting = THIS.waiting


def start(heartbeat: float, late_seconds: float) -> None:
    """Begin to watch the processes to which this one is connected, until it ends."""
    global _watch
    _watch = Watch(service.Service(), THIS, heartbeat, late_seconds)
    _watch.start()


def failed(error: BaseException) -> None:
    """Tell the others that this process ends with an exception; then it may end fast, without waiting for them.

    Exceptions that end the script are told anyway: this is for what hears of them first. The first error counts;
    nothing happens where another process has ended before, nor where there is one process only.
    """
    if _watch is not None:
        _watch.failed(error)


def explained(error: Exception) -> Exception:
    """Return what a failed collective should raise: the error that names the process that has ended, if one has.

    Waits for word of one, somewhat longer than a heartbeat, since a collective fails before anybody knows why.

    Args:
        error: What the collective raised; any other error is returned as it is.

    Returns:
        A RuntimeError to raise from `error`, or `error` itself if all live.
    """
    return error if _watch is None or not is_of_a_collective(error) else _watch.explained() or error


class Watch:
    """Tells the others that this process lives, and learns whether they do.

    Args:
        shared: The texts that all processes share.
        this: This process, which the main thread keeps up to date.
        heartbeat: After how many seconds without a sign a process counts as ended.
        late_seconds: How long to wait for a process before a warning names it.
    """

    def __init__(self, shared: service.Service, this: Process, heartbeat: float, late_seconds: float) -> None:
        self._shared, self._this, self._heartbeat = shared, this, heartbeat
        self._roll = Roll(this.count, heartbeat)
        self._warnings = LateWarnings(late_seconds)
        self._sign = Sign(0)
        self._error: str | None = None
        self._at_end = self._left = self._stopping = False
        self._settled = threading.Event()  # somebody has ended, or all are at their end
        self._hurry = threading.Event()
        self._receipts: list[threading.Event] = []
        self._threads = [self._thread(work) for work in (self._beat, self._look)]
        self._pid = os.getpid()

    def start(self) -> None:
        """Start the threads, and hear of the end of this process."""
        for thread in self._threads:
            thread.start()
        sys.excepthook = self._telling(sys.excepthook)
        atexit.register(self._leave)  # runs before JAX's own, which waits for the others

    def _thread(self, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except Exception as error:  # without its work nobody would notice anything any more
                if not self._stopping:
                    end_with(f"the watch over the other processes failed: {type(error).__name__}: {error}")

        return threading.Thread(target=guarded, name=f"epochal{work.__name__}", daemon=True)

    # What the main thread asks

    def failed(self, error: BaseException) -> None:
        """Tell the others of an exception that ends this process, unless another process ended before."""
        if self._error is None and self._this.ended is None:
            self._error = f"{type(error).__name__}{f': {error}' if str(error) else ''}"[:2000]
            self._tell()

    def explained(self) -> RuntimeError | None:
        """Return the error about a process that has ended, None if all live; waits for word of one."""
        self._settled.wait(1.5 * self._heartbeat)
        return None if self._this.ended is None else self._this.error()

    # The thread that tells

    def _beat(self) -> None:
        number = 0
        last = False
        while not last:
            self._hurry.clear()
            last = self._stopping
            receipts = list(self._receipts)  # before the sign is made, so that it has what they are for
            number += 1
            self._sign = self._now(number)
            try:
                self._shared.put(f"signs/{self._this.index}", self._sign.text())
            except ConnectionError:  # the other thread finds out too
                return
            for receipt in receipts:
                self._receipts.remove(receipt)
                receipt.set()
            if not last:
                self._hurry.wait(self._heartbeat / BEATS)

    def _now(self, number: int) -> Sign:
        this, now = self._this, monotonic()
        (stage, since), waits_since = this.stage, this.waits_since
        return Sign(
            number, stage, now - since, this.meetings, None if waits_since is None else now - waits_since,
            self._error, self._at_end, self._left, self._roll.late(),
        )  # fmt: skip

    def _tell(self) -> None:
        """Give a sign now, and return when it is given; a silent coordinator is waited for one heartbeat."""
        receipt = threading.Event()
        self._receipts.append(receipt)
        self._hurry.set()
        receipt.wait(self._heartbeat)

    # The thread that looks

    def _look(self) -> None:
        try:
            ended = self._judged() if self._this.is_primary else self._followed()
        except ConnectionError:
            if self._stopping:
                return
            end_with(str(Ended(0, "ended: it can't be reached any more")))  # JAX is about to abort the process
        if ended is not None and (ended.index != self._this.index or self._error is None):
            self._hear_of(ended)
        self._settled.set()

    def _judged(self) -> Ended | None:
        """Look after all, as the primary, until one has ended, which is returned, or all are at their end."""
        clock = Clock(self._heartbeat)
        while not self._stopping:
            self._roll.read(self._signs(), clock.passed())
            self._warnings.consider(self._roll.late, self._this.waits_since)
            if (ended := self._roll.ended()) is not None:
                self._shared.put(VERDICT, json.dumps(asdict(ended)))
                return ended
            if self._roll.all_at_end():
                self._shared.put(VERDICT, OVER)
                return None
            sleep(0.05 if self._at_end else self._heartbeat / LOOKS)
        return None

    def _signs(self) -> dict[int, Sign]:
        signs = {int(index): Sign.read(text) for index, text in self._shared.list("signs").items()}
        return signs | {0: self._sign}

    def _followed(self) -> Ended | None:
        """Look after the primary, as the others, until it has ended or says who has; return that."""
        clock, silence, sign = Clock(self._heartbeat), Silence(), None
        while not self._stopping:
            try:
                sign = Sign.read(self._shared.wait("signs/0", self._heartbeat / LOOKS))
                self._warnings.consider(lambda late=sign.late: late, self._this.waits_since)
                said = self._shared.wait(VERDICT, self._heartbeat / LOOKS)
            except TimeoutError:
                silence.saw(sign, clock.passed())
                if silence.seconds >= self._heartbeat:
                    return fallen_silent(0, self._heartbeat, sign)
            else:
                return None if said == OVER else Ended(**json.loads(said))
        return None

    def _hear_of(self, ended: Ended) -> None:
        """Let the main thread raise the error, or print it and end the process if that thread can't."""
        mine = ended.index == self._this.index and not self._at_end
        note = ". That is this process: it ran no Python for so long" if mine else ""
        self._this.ended = str(Ended(ended.index, ended.how + note))
        self._settled.set()
        sleep(self._heartbeat / GRACE * (2 if self._this.is_primary else 1))  # the coordinator's process is the last
        if not (self._this.told or self._error or self._at_end):
            end_with(self._this.ended)

    # The end of this process

    def _telling(self, hook: ExceptHook) -> ExceptHook:
        """Return a `sys.excepthook` that tells the others before it shows the error."""

        def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            if os.getpid() == self._pid:
                if is_of_a_collective(error) and not self._this.told:
                    error = (self.explained() or error).with_traceback(trace)
                self.failed(error)
            hook(type(error), error, error.__traceback__)

        return show

    def _leave(self) -> None:
        """End together with the others; or, if one of them or this one has failed, past JAX's exit barrier."""
        if os.getpid() != self._pid:  # a fork, which would say goodbye in this process's name
            service.detach()
            return
        if not self._failing() and self._all_come_to_their_end():
            self._stop()
            return
        if self._this.ended is not None and not self._this.told:
            say(f"RuntimeError: {self._this.ended}", "stderr")
        limit = threading.Timer(self._heartbeat + TAKEDOWN_SECONDS, end_now)
        limit.daemon = True
        limit.start()
        if self._this.is_primary:
            self._see_the_others_off()
        self._left = True
        self._stop()
        service.detach()

    def _failing(self) -> bool:
        return self._error is not None or self._this.ended is not None

    def _all_come_to_their_end(self) -> bool:
        """Wait until every script is at its end, however long that takes; return False if a process fails before."""
        self._at_end = True
        self._this.at("is at the end of its script")
        self._tell()
        try:
            self._settled.wait()
        except BaseException as error:  # Ctrl-C
            self.failed(error)
        return not self._failing()

    def _see_the_others_off(self) -> None:
        """Wait until the others have read why: JAX aborts them when the coordinator's process is gone."""
        until = monotonic() + self._heartbeat / 2
        others = {index for index in range(1, self._this.count) if not self._roll.is_silent(index)}
        while monotonic() < until and not others <= {i for i, sign in self._signs().items() if sign.left}:
            sleep(self._heartbeat / 50)
        if others:
            sleep(TAKEDOWN_SECONDS)

    def _stop(self) -> None:
        """Give the last sign and end the threads: one in C++ as the interpreter ends would abort the process."""
        self._stopping = True
        self._tell()
        for thread in self._threads:
            thread.join(self._heartbeat / BEATS)


def is_of_a_collective(error: BaseException) -> bool:
    """Return whether an exception may come from a collective whose other side is gone."""
    return type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError") or "Gloo" in str(error)


def end_with(text: str) -> NoReturn:
    """Print an error and end the process: what is durable is written whole or not at all, so nothing breaks by it."""
    say(f"RuntimeError: {text}", "stderr")
    end_now()


def end_now() -> NoReturn:
    """End the process without waiting for anything, once what it has printed is on its way."""
    flush = threading.Thread(target=lambda: write("", "stdout"), daemon=True)  # a pipe may be full
    flush.start()
    flush.join(1.0)
    os._exit(1)
