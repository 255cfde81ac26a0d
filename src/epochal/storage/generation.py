r"""One saved state as bytes: JSON for the plain values, raw bytes for the arrays, a digest over all.

    b"EPOCHAL\x01"  header's length (8 bytes, little endian)  header (JSON)  arrays' bytes  SHA-256 of all before

The header is `{"state": …, "arrays": [{"dtype", "shape"}, …]}`; in `state` an array is `{"__array__": i}` and
bytes are `{"__bytes__": base64}`. Nothing is ever unpickled.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np

MAGIC = b"EPOCHAL\x01"
DIGEST_BYTES = 32
RESERVED = ("__array__", "__bytes__")

_HOLDS = "a saved state holds plain JSON values, bytes and arrays of numbers."


PlainState: TypeAlias = Mapping[str, Any]
"""What a generation can hold: plain JSON values, bytes and arrays by name, also nested in dicts and lists."""


class Damaged(Exception):
    """A file is no whole generation."""


class OtherVersion(Damaged):
    """A file is whole, and of a format that isn't this version's."""


class Generation:
    """A state, encoded so that nothing that goes on can change it.

    Args:
        state: Nested dicts and lists of plain values, bytes and arrays; arrays are copied unless they
            are read-only.

    Raises:
        TypeError: If anything else is in it; says where.
    """

    def __init__(self, state: PlainState) -> None:
        self._arrays: list[np.ndarray] = []
        plain = self._plain(state, "state")
        shapes = [{"dtype": array.dtype.name, "shape": array.shape} for array in self._arrays]
        self._header = json.dumps({"state": plain, "arrays": shapes}).encode()
        self.nbytes = len(MAGIC) + 8 + len(self._header) + sum(a.nbytes for a in self._arrays) + DIGEST_BYTES

    def _plain(self, value: object, where: str) -> object:
        if isinstance(value, np.generic):
            return self._plain(cast("np.generic[object]", value).item(), where)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, Mapping):
            return {
                _key(key, where): self._plain(v, f"{where}.{key}")
                for key, v in cast("Mapping[object, object]", value).items()
            }
        if isinstance(value, (list, tuple)):
            return [self._plain(v, f"{where}[{i}]") for i, v in enumerate(cast("list[object]", value))]
        if isinstance(value, bytes):
            return {"__bytes__": base64.b64encode(value).decode()}
        if hasattr(value, "__array__"):
            self._arrays.append(_as_numbers(value, where))
            return {"__array__": len(self._arrays) - 1}
        raise TypeError(f"{where} is a {type(value).__name__}; {_HOLDS}")

    def write(self, path: Path) -> None:
        """Write it to a file."""
        with open(path, "wb") as file:
            self._write(file)

    def _write(self, file: BinaryIO) -> None:
        digest = hashlib.sha256()
        parts: list[bytes | memoryview] = [MAGIC, len(self._header).to_bytes(8, "little"), self._header]
        parts += [array.reshape(-1).view(np.uint8).data for array in self._arrays if array.size]
        for part in parts:
            digest.update(part)
            file.write(part)
        file.write(digest.digest())

    def text(self) -> str:
        """Return it as a text, which `from_text` reads."""
        file = io.BytesIO()
        self._write(file)
        return base64.b64encode(file.getvalue()).decode()


def _key(key: object, where: str) -> str:
    if not isinstance(key, str) or key in RESERVED:
        raise TypeError(f"{where} has the key {key!r}; a saved state's keys are strings, and none of {RESERVED}.")
    return key


def _as_numbers(value: object, where: str) -> np.ndarray:
    """Return a contiguous array in this machine's byte order that nobody else writes to."""
    try:
        array = np.asarray(value)
        dtype = array.dtype.newbyteorder("=")
        known = not dtype.hasobject and np.dtype(dtype.name) == dtype
    except TypeError as error:
        raise TypeError(f"{where} is a {type(value).__name__} that is no array of numbers; {_HOLDS}") from error
    if not known:
        raise TypeError(f"{where} is an array of dtype {array.dtype}; {_HOLDS}")
    shared = array.flags.writeable
    return np.ascontiguousarray(array.astype(dtype, copy=shared)).reshape(array.shape)


def read(path: Path) -> dict[str, Any]:
    """Return the state in a file.

    Raises:
        Damaged: If the file isn't exactly what `Generation.write` wrote.
    """
    return _read(path.read_bytes(), str(path))


def from_text(text: str) -> dict[str, Any]:
    """Return the state in a text that `Generation.text` has returned.

    Raises:
        Damaged: If it isn't exactly that.
    """
    return _read(base64.b64decode(text), "a state from another process")


def _read(stored: bytes, path: str) -> dict[str, Any]:
    content = memoryview(stored)
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if len(content) < len(MAGIC) + 8 + DIGEST_BYTES or hashlib.sha256(body).digest() != bytes(digest):
        raise Damaged(f"{path} is damaged: its digest is wrong")
    if bytes(body[: len(MAGIC)]) != MAGIC:
        raise OtherVersion(f"{path} was written by another version: it begins with {bytes(body[: len(MAGIC)])!r}")
    try:
        return _decoded(body[len(MAGIC) :])
    except Exception as error:  # the digest was right, so somebody made this on purpose
        raise Damaged(f"{path} is no saved run: {type(error).__name__}: {error}") from error


def _decoded(body: memoryview) -> dict[str, Any]:
    end = 8 + int.from_bytes(body[:8], "little")
    header = json.loads(bytes(body[8:end]))
    arrays: dict[int, np.ndarray] = {}
    for described in header["arrays"]:
        arrays[len(arrays)], end = _array(body, end, described["dtype"], described["shape"])
    if not isinstance(header["state"], dict):
        raise ValueError("its state is no mapping")
    if end != len(body):
        raise ValueError(f"{len(body) - end} bytes are left over")
    return _restored(header["state"], arrays)


def _array(body: memoryview, start: int, name: str, shape: list[int]) -> tuple[np.ndarray, int]:
    dtype = np.dtype(str(name))
    end = start + dtype.itemsize * math.prod(shape)
    if dtype.hasobject or any(n < 0 for n in shape) or not start <= end <= len(body):
        raise ValueError(f"no array of dtype {dtype} and shape {shape} is in it")
    return np.frombuffer(body[start:end], np.uint8).view(dtype).reshape(shape).copy(), end


def _restored(value: object, arrays: Mapping[int, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_restored(v, arrays) for v in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    nest = cast("dict[str, Any]", value)
    if nest.keys() == {"__array__"}:
        return arrays[nest["__array__"]]
    if nest.keys() == {"__bytes__"}:
        return base64.b64decode(nest["__bytes__"], validate=True)
    return {key: _restored(v, arrays) for key, v in nest.items()}
