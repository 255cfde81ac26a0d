"""Texts that all processes get of each other, past the devices."""

from __future__ import annotations

import json
from collections import Counter
from time import sleep

from ..core.processes import Process
from .service import Service

PATIENCE = 1.0
"""Seconds between two looks whether another process has ended."""


class Exchange:
    """Gives every process the texts of all, through the coordination service; also in threads, each with its topics.

    The primary collects them, so it costs a message a process, and no waiting for the devices.

    Args:
        shared: The texts that all processes share.
        this: This process.
    """

    def __init__(self, shared: Service, this: Process) -> None:
        self._shared, self._this = shared, this
        self._rounds: Counter[str] = Counter()

    def __call__(self, topic: str, text: str) -> list[str]:
        """Return the texts of all processes, in their order; each process must call it, for a topic in the same order.

        Raises:
            RuntimeError: If another process has ended.
        """
        texts, number, answer = self.collect(topic, text), self._rounds[topic], f"answers/{topic}"
        if not self._this.is_primary:
            return json.loads(self._waited(f"{answer}/{number}"))
        self._shared.put(f"{answer}/{number}", json.dumps(texts))
        self._shared.delete(f"{answer}/{number - 1}")  # everybody has read it, or nobody would be here
        return texts

    def collect(self, topic: str, text: str) -> list[str]:
        """Return the texts of all processes in the primary, and nothing in the others, which don't wait for it."""
        self._rounds[topic] += 1
        folder = f"texts/{topic}/{self._rounds[topic]}"
        self._shared.put(f"{folder}/{self._this.index}", text)
        if not self._this.is_primary:
            return []
        found = self._waited_for_all(folder)
        self._shared.delete(folder)
        return found

    def _waited_for_all(self, folder: str) -> list[str]:
        wait = 0.0005
        while len(found := self._shared.list(folder)) < self._this.count:
            self._this.check()
            sleep(wait)
            wait = min(0.05, 1.5 * wait)
        return [found[str(index)] for index in range(self._this.count)]

    def _waited(self, key: str) -> str:
        while True:
            try:
                return self._shared.wait(key, PATIENCE)
            except TimeoutError:
                self._this.check()
