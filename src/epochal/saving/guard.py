"""Reading HDF5 files that nobody vouches for.

Only named paths are walked, through hard links, so that neither links out of the file nor cycles lead anywhere.
What a dataset declares is compared with what the model has before a byte of it is read.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
from h5py import h5l  # pyright: ignore[reportAttributeAccessIssue]  (a compiled module without types)

from . import sealed

MOST_TEXT = 16 * 2**20  # bytes of one attribute, a model's whole description included
KNOWN_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}  # any other would be looked for as a plugin
ALIGNMENT = 64  # bytes; from there on XLA takes an array over instead of copying it


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a model file for reading.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it isn't HDF5 or is damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}.")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; a model file is one .h5 file.")
    sealed.check(path)
    if not h5py.is_hdf5(path):
        if zipfile.is_zipfile(path):
            raise ValueError(f"{path} is a .keras archive, not HDF5. In Keras, save it again: model.save('model.h5').")
        raise ValueError(f"{path} is no HDF5 file, or its beginning is damaged.")
    with named(path):
        file = h5py.File(path, "r")
    with file:
        yield file


@contextmanager
def named(path: str | PathLike[str]) -> Iterator[None]:
    """Let errors from reading a file name it: damage and refusals alike are a ValueError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError) as error:  # all that h5py raises for damage
        raise ValueError(f"{path} is damaged or cut short: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def has(parent: h5py.Group, name: str) -> bool:
    """Say whether there is a link of this name; where it leads isn't looked at."""
    return bool(parent.id.links.exists(name.encode()))


def group(parent: h5py.Group, path: str) -> h5py.Group:
    """Return a group by its path below `parent`.

    Raises:
        ValueError: If it isn't there, isn't a group, or is reached through anything but hard links.
    """
    found = _walk(parent, path)
    if not isinstance(found, h5py.Group):
        raise ValueError(f"{path!r} should be a group.")
    return found


def dataset(parent: h5py.Group, path: str) -> h5py.Dataset:
    """Return a dataset of plain numbers, which lie in the file itself, by its path below `parent`; nothing is read.

    Raises:
        ValueError: If it isn't there or isn't such a dataset.
    """
    found = _walk(parent, path)
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"{path!r} should be a dataset.")
    if found.is_virtual or found.external:
        raise ValueError(f"{path!r} takes its values from another file, which is refused.")
    if found.shape is None or (found.dtype.kind not in "biuf" and not is_bfloat16(found)):
        raise ValueError(f"{path!r} holds {found.dtype}, not numbers.")
    plan = found.id.get_create_plist()
    for number in range(plan.get_nfilters()):
        if (code := plan.get_filter(number)[0]) not in KNOWN_FILTERS:
            raise ValueError(
                f"{path!r} is packed with HDF5 filter {code}; only {_listed(KNOWN_FILTERS.values())} are read."
            )
    return found


def is_bfloat16(stored: h5py.Dataset) -> bool:
    """Say whether a dataset is bfloat16 as Keras writes it: opaque values of two bytes."""
    return stored.dtype.kind == "V" and stored.dtype.itemsize == 2 and stored.dtype.fields is None


def _walk(parent: h5py.Group, path: str) -> Any:
    found: Any = parent
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise ValueError(f"{path!r} is no plain path within the file.")
        if not isinstance(found, h5py.Group) or not found.id.links.exists(part.encode()):
            raise ValueError(f"{path!r} is missing.")
        if (kind := found.id.links.get_info(part.encode()).type) != h5l.TYPE_HARD:
            what = "soft link" if kind == h5l.TYPE_SOFT else "link into another file"
            raise ValueError(f"{path!r} is reached through a {what}, which is refused.")
        found = found[part]
    return found


def text(holder: h5py.Group, name: str) -> str | None:
    """Return the text in an attribute, None if there is no such attribute.

    Raises:
        ValueError: If it isn't text or longer than any model's description.
    """
    values = texts(holder, name, scalar=True)
    return None if values is None else values[0]


def texts(holder: h5py.Group, name: str, scalar: bool = False) -> list[str] | None:
    """Return the list of texts in an attribute, None if there is no such attribute; raises as `text` does."""
    if name not in holder.attrs:
        return None
    stored = holder.attrs.get_id(name)
    if stored.get_storage_size() > MOST_TEXT:
        raise ValueError(f"the attribute {name!r} has more than {MOST_TEXT:,} bytes.")
    value: Any = holder.attrs[name]
    values = [value] if scalar else list(np.ravel(value))
    values = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values]
    if not all(isinstance(v, str) for v in values):
        raise ValueError(f"the attribute {name!r} should be text.")
    if sum(map(len, values)) > MOST_TEXT:
        raise ValueError(f"the attribute {name!r} has more than {MOST_TEXT:,} bytes.")
    return [str(v) for v in values]


def described(holder: h5py.Group, name: str) -> dict[str, Any] | None:
    """Return the JSON object in an attribute, None if there is no such attribute.

    Raises:
        ValueError: If it isn't one.
    """
    if (source := text(holder, name)) is None:
        return None
    try:
        value = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the attribute {name!r} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"the attribute {name!r} should be a JSON object.")
    return value


def read(stored: h5py.Dataset, shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Return a dataset's values, whose shape must be known to be `shape`, in the given dtype.

    They lie at an address from which XLA on the CPU takes them over without a copy.
    """
    dtype = np.dtype(dtype)
    if is_bfloat16(stored):
        return stored[()].view(ml_dtypes.bfloat16).astype(dtype)
    if stored.dtype != dtype:
        return np.asarray(stored[()]).astype(dtype)
    values = empty(shape, dtype)
    if values.size:
        stored.read_direct(values)
    return values


def empty(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Return a new array at an address that XLA can take over."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.empty(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].view(dtype).reshape(tuple(shape))


def _listed(names: Any) -> str:
    return ", ".join(names)
