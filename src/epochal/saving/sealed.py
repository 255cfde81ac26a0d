r"""HDF5 files that end in a checksum over all their bytes.

    what HDF5 wrote  b"EPOCHAL\x02"  number of bytes before (8 bytes, little endian)  CRC-32 of these (4 bytes)

HDF5 itself reads no further than what it wrote, and cuts off what follows when it changes a file: so Keras and every
other program reads these files, and a file without a checksum is one that another program wrote or changed.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from . import hdf5
from .hdf5 import Group

MAGIC = b"EPOCHAL\x02"
BYTES = len(MAGIC) + 8 + 4
BLOCK = 2**20  # bytes that are read at once


def write(path: Path, content: Callable[[Group], None]) -> None:
    """Write a new file, and the checksum behind it.

    Args:
        path: The file.
        content: Gets the file, open for writing.

    Raises:
        OSError: If it couldn't be written, on a full disk for example.
    """
    if threading.current_thread() is not threading.main_thread():
        _write(path, content)
        return
    failures: list[BaseException] = []
    thread = threading.Thread(target=_try_to_write, args=(path, content, failures))
    try:
        thread.start()  # elsewhere, since HDF5 would crash if Ctrl-C came while it calls the sink
    except RuntimeError:  # at the interpreter's end there are no new threads
        _write(path, content)
        return
    try:
        thread.join()
    finally:
        thread.join()  # also after Ctrl-C
    if failures:
        raise failures[0]


def _try_to_write(path: Path, content: Callable[[Group], None], failures: list[BaseException]) -> None:
    try:
        _write(path, content)
    except BaseException as failure:
        failures.append(failure)


def _write(path: Path, content: Callable[[Group], None]) -> None:
    with open(path, "w+b", buffering=0) as raw:
        sink = _Sink(raw.fileno())
        with hdf5.open_to_write(sink) as file:
            content(file)
        sink.check()
        length = os.fstat(raw.fileno()).st_size
        seal = MAGIC + length.to_bytes(8, "little") + _checksum(raw, length)
        while seal:
            seal = seal[raw.write(seal) :]


def check(path: Path) -> None:
    """Raise a ValueError if a file has a checksum that isn't that of its bytes."""
    with open(path, "rb", buffering=0) as raw:
        length = os.fstat(raw.fileno()).st_size - BYTES
        if length < 0:
            return
        raw.seek(length)
        seal = raw.read(BYTES)
        if not seal.startswith(MAGIC):
            return
        if seal[len(MAGIC) :] != length.to_bytes(8, "little") + _checksum(raw, length):
            raise ValueError(f"{path} is damaged: its content isn't what was written.")


def _checksum(raw: FileIO, length: int) -> bytes:
    raw.seek(0)
    value, block = 0, memoryview(bytearray(BLOCK))
    while length > 0 and (read := raw.readinto(block[: min(length, BLOCK)])):
        value, length = zlib.crc32(block[:read], value), length - read
    return value.to_bytes(4, "little")


class _Sink:
    """What HDF5 writes to.

    An error is kept until HDF5 has closed the file, since HDF5 crashes if closing fails; what comes after it is
    dropped.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._position, self._end = descriptor, 0, 0
        self._error: BaseException | None = None

    def check(self) -> None:
        """Raise the first error there was."""
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, data: bytes | memoryview) -> int:
        left = memoryview(data).cast("B")
        at, self._position = self._position, self._position + len(left)
        self._end = max(self._end, self._position)
        try:
            while left and self._error is None:
                done = os.pwrite(self._descriptor, left, at)
                left, at = left[done:], at + done
        except BaseException as error:
            self._error = error
        return len(data)

    def read(self, size: int) -> bytes:
        at, self._position = self._position, self._position + size
        try:
            return os.pread(self._descriptor, size, at).ljust(size, b"\0")  # zeros for what couldn't be written
        except BaseException as error:
            self._error = self._error or error
            return bytes(size)

    def truncate(self, size: int) -> int:
        self._end = size
        try:
            if self._error is None:
                os.ftruncate(self._descriptor, size)
        except BaseException as error:
            self._error = error
        return size

    def flush(self) -> None:
        """Do nothing, since nothing is held back."""
