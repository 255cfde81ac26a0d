"""Texts that all processes get of each other, past the devices."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from time import monotonic, sleep

from ..core.processes import Process
from .service import Service
from .signs import Late, LateWarnings, Sign

PATIENCE = 0.5
"""Seconds between two looks whether another process has ended, or there is nothing more to wait for."""

SHORTEST, LONGEST = 0.0005, 0.05
"""Seconds between two looks of the primary whether all texts are there, at first and at most."""


class Over(Exception):
    """There is nothing more to wait for."""


class Exchange:
    """Gives every process the texts of all, through the coordination service; also in threads, each with its topics.

    The primary collects them, so it costs a message a process, and no waiting for the devices. Who waits long names
    in a warning whose text isn't there.

    Args:
        shared: The texts that all processes share.
        this: This process.
        late_seconds: How long to wait for a text before a warning.
    """

    def __init__(self, shared: Service, this: Process, late_seconds: float) -> None:
        self._shared, self._this, self._late_seconds = shared, this, late_seconds
        self._rounds: Counter[str] = Counter()

    def __call__(self, topic: str, text: str, is_over: Callable[[], bool] | None = None) -> list[str]:
        """Return the texts of all processes, in their order; each process must call it, for a topic in the same order.

        Args:
            topic: What it is about.
            text: That of this process.
            is_over: Returns whether to give up.

        Raises:
            Over: If `is_over`.
            RuntimeError: If another process has ended.
        """
        texts = self.collect(topic, text, is_over)
        number, answer = self._rounds[topic], f"answers/{topic}"
        if not self._this.is_primary:
            return json.loads(self._waited(f"{answer}/{number}", self._wait(topic, is_over)))
        self._shared.put(f"{answer}/{number}", json.dumps(texts))
        self._shared.delete(f"{answer}/{number - 1}")  # everybody has read it, or nobody would be here
        return texts

    def collect(self, topic: str, text: str, is_over: Callable[[], bool] | None = None) -> list[str]:
        """Return the texts of all processes in the primary, and nothing in the others, which don't wait for it."""
        self._rounds[topic] += 1
        wait = self._wait(topic, is_over)
        self._shared.put(f"{wait.folder}/{self._this.index}", text)
        if not self._this.is_primary:
            return []
        pause = SHORTEST
        while len(found := self._shared.list(wait.folder)) < self._this.count:
            wait.look()
            sleep(pause)
            pause = min(LONGEST, 1.5 * pause)
        self._shared.delete(wait.folder)
        return [found[str(index)] for index in range(self._this.count)]

    def _wait(self, topic: str, is_over: Callable[[], bool] | None) -> _Wait:
        folder = f"texts/{topic}/{self._rounds[topic]}"
        return _Wait(self._shared, self._this, folder, is_over, LateWarnings(self._late_seconds))

    def _waited(self, key: str, wait: _Wait) -> str:
        while True:
            try:
                return self._shared.wait(key, PATIENCE)
            except TimeoutError:
                wait.look()


class _Wait:
    """A wait for the texts in a folder."""

    def __init__(
        self, shared: Service, this: Process, folder: str, is_over: Callable[[], bool] | None, warnings: LateWarnings
    ) -> None:
        self._shared, self._this, self._is_over, self._warnings = shared, this, is_over, warnings
        self.folder, self._since, self._looked = folder, monotonic(), monotonic()

    def look(self) -> None:
        """See whether to go on waiting; name from time to time who is waited for."""
        self._this.check()
        if self._is_over is not None and self._is_over():
            raise Over
        if monotonic() - self._looked >= PATIENCE:
            self._looked = monotonic()
            self._warnings.consider(self._missing, self._since)

    def _missing(self) -> tuple[Late, ...]:
        there, signs = self._shared.list(self.folder), self._shared.list("signs")
        missing = [index for index in range(self._this.count) if str(index) not in there and str(index) in signs]
        read = {index: Sign.read(signs[str(index)]) for index in missing[: LateWarnings.MOST]}
        return tuple(Late(index, sign.stage, sign.stage_seconds) for index, sign in read.items())
