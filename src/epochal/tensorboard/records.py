"""TFRecord framing: the length (8 bytes), its checksum (4), the data, their checksum (4).

The `tensorboard` package's own `RecordWriter` frames one record at a time and takes 0.3 µs a byte for its checksum;
here the checksums of many records of one length, such as the scalars of each batch, are computed together.
(https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details)
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow  # pyright: ignore[reportMissingTypeStubs]

LENGTH, CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
OVERHEAD = LENGTH.size + 2 * CHECKSUM.size

TOGETHER = 8
"""From so many records of one length on it is faster to compute their checksums together."""

masked_crc32c = cast(Callable[[bytes], int], vars(pywrap_tensorflow)["masked_crc32c"])  # which has no types
_TABLE = np.array(pywrap_tensorflow.CRC_TABLE, np.uint32)


def frame(messages: Sequence[bytes]) -> bytes:
    """Return messages as records, one after the other."""
    checksums: dict[int, int] = {}  # by place
    places: dict[int, list[int]] = {}  # by length
    for place, message in enumerate(messages):
        places.setdefault(len(message), []).append(place)
    for alike in places.values():
        checksums.update(zip(alike, _masked_crc32c([messages[place] for place in alike]), strict=True))
    parts: list[bytes] = []
    for place, message in enumerate(messages):
        parts += (_header(len(message)), message, CHECKSUM.pack(checksums[place]))
    return b"".join(parts)


@functools.cache
def _header(length: int) -> bytes:
    packed = LENGTH.pack(length)
    return packed + CHECKSUM.pack(masked_crc32c(packed))


def _masked_crc32c(messages: Sequence[bytes]) -> Sequence[int]:
    """Return the CRC-32C of messages of one length, masked as TFRecord files want it."""
    if len(messages) < TOGETHER:
        return [masked_crc32c(message) for message in messages]
    rows = np.frombuffer(b"".join(messages), np.uint8).reshape(len(messages), -1)
    crc = np.full(len(messages), 0xFFFFFFFF, np.uint32)
    for column in np.ascontiguousarray(rows.T):
        crc = _TABLE[(crc ^ column) & 0xFF] ^ (crc >> 8)
    crc = ~crc
    return (((crc >> 15) | (crc << 17)) + np.uint32(0xA282EAD8)).tolist()


def whole_records(path: Path, most: int) -> tuple[int, int]:
    """Return how many of a file's first records are whole, `most` at most, and how many bytes they take."""
    size, end = path.stat().st_size, 0
    with open(path, "rb") as file:
        for number in range(most):
            packed = file.read(LENGTH.size)
            if len(packed) < LENGTH.size or (after := end + LENGTH.unpack(packed)[0] + OVERHEAD) > size:
                return number, end
            file.seek(end := after)
    return most, end
