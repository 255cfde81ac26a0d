"""A shell on a real terminal, typed at and watched as a person would."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType

import pyte

PROMPT = "$ "


class Shell:
    """Bash on a terminal of its own, whose screen an emulator keeps.

    Args:
        folder: Where it is started.
        columns: Of the terminal.
        rows: Of the terminal.
        variables: Environment variables, beside those of this process.

    Attributes:
        screen: What stands on the terminal.
    """

    def __init__(self, folder: Path, columns: int, rows: int, variables: dict[str, str] | None = None) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        prompt = r"\[\e[1;32m\]$\[\e[0m\] "
        own = {"PATH": path, "PS1": prompt, "TERM": "xterm-256color", "BASH_SILENCE_DEPRECATION_WARNING": "1"}
        environment = {**os.environ, **own, **(variables or {})}
        self._master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        command = ["setsid", "--ctty", "bash", "--norc", "--noprofile", "-i"]  # a fork of ours would have JAX's threads
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
        )
        os.close(terminal)

    def __enter__(self) -> Shell:
        self.wait_for(r"\$ $")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._master)  # which hangs up on the shell and what it runs
        self._process.wait()

    @property
    def text(self) -> str:
        """What stands on the screen down to the cursor."""
        lines = [line.rstrip() for line in self.screen.display[: self.screen.cursor.y + 1]]
        return "\n".join(lines) + (" " if lines[-1] == PROMPT.strip() else "")

    def type(self, command: str) -> None:
        """Type a command and the key Enter."""
        os.write(self._master, command.encode() + b"\n")

    def run(self, command: str, seconds: float = 120.0) -> None:
        """Type a command, and wait until the prompt is there again."""
        before = len(re.findall(r"^\$", self.text, re.MULTILINE))
        self.type(command)
        self.wait_for(rf"(?m:(^\$.*\n([^$].*\n)*){{{before}}})\$ $", seconds)

    def wait_for(self, pattern: str, seconds: float = 120.0) -> None:
        """Wait until the screen's text has a pattern.

        Raises:
            TimeoutError: If it doesn't in time; shows what stands there instead.
        """
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            if time.monotonic() > end:
                raise TimeoutError(f"no {pattern!r} within {seconds:g} s on this screen:\n{self.text}")
            if select.select([self._master], [], [], 0.1)[0]:
                self._stream.feed(os.read(self._master, 65536))

    def kill(self) -> None:
        """Kill the program that runs in the foreground, without a chance to save anything."""
        os.killpg(os.tcgetpgrp(self._master), signal.SIGKILL)
