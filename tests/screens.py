"""A terminal of some size, read back through an emulator."""

import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
import threading

import pyte

ROWS = 50


class Screen:
    """What stands on a terminal, and what stood there.

    Args:
        columns: Of the terminal.

    Attributes:
        text: All that was written to it.
        draws: Each text between two carriage returns, as it was written.
    """

    def __init__(self, columns):
        self.text = ""
        self._emulated = pyte.Screen(columns, ROWS)
        self._stream = pyte.Stream(self._emulated)

    def feed(self, text):
        self.text += text
        self._stream.feed(text)

    @property
    def lines(self):
        """The lines that stand there, down to the last one with text."""
        lines = [line.rstrip() for line in self._emulated.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def draws(self):
        texts = self.text.replace("\r\n", "\n").replace("\x1b[K", "").split("\r")
        return [text.rstrip() for text in texts if text.strip()]


def shown(monkeypatch, columns, function):
    """Call a function with a terminal as standard output and standard error; return its screen."""
    screen = Screen(columns)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    parts = []
    reader = threading.Thread(target=_read, args=(master, parts))
    reader.start()
    monkeypatch.delenv("COLUMNS", raising=False)
    try:
        with open(slave, "w") as out, open(os.dup(slave), "w") as error, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", error)
            function()
    finally:
        reader.join()
        os.close(master)
        screen.feed(b"".join(parts).decode())
    return screen


def _read(master, parts):
    with contextlib.suppress(OSError):  # Linux's way to say that nobody has the other side any more
        while part := os.read(master, 65536):
            parts.append(part)
