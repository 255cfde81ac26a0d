"""Reading HDF5 files that nobody vouches for.

Only named paths are walked, through hard links, so that neither links out of the file nor cycles lead anywhere.
What a dataset declares is compared with what the model has before a byte of it is read.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import cast

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike

from . import hdf5, sealed
from .hdf5 import Array, Dataset, Group
from .json_values import Json, as_object

MOST_TEXT = 16 * 2**20  # bytes of one attribute, a model's whole description included
KNOWN_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}  # any other would be looked for as a plugin
ALIGNMENT = 64  # bytes; from there on XLA takes an array over instead of copying it


@contextmanager
def open_file(path: Path) -> Generator[Group]:
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
    if not hdf5.is_hdf5(path):
        if zipfile.is_zipfile(path):
            raise ValueError(f"{path} is a .keras archive, not HDF5. In Keras, save it again: model.save('model.h5').")
        raise ValueError(f"{path} is no HDF5 file, or its beginning is damaged.")
    with errors_naming(path):
        file = hdf5.open_to_read(path)
    with file:
        yield file


@contextmanager
def errors_naming(path: str | PathLike[str]) -> Generator[None]:
    """Let errors from reading a file name it: damage and refusals alike are a ValueError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError) as error:  # all that h5py raises for damage
        raise ValueError(f"{path} is damaged or cut short: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def group(parent: Group, path: str) -> Group:
    """Return a group by its path below `parent`.

    Raises:
        ValueError: If it isn't there, isn't a group, or is reached through anything but hard links.
    """
    found = _walk(parent, path)
    if not hdf5.is_group(found):
        raise ValueError(f"{path!r} should be a group.")
    return found


def dataset(parent: Group, path: str) -> Dataset:
    """Return a dataset of plain numbers, which lie in the file itself, by its path below `parent`; nothing is read.

    Raises:
        ValueError: If it isn't there or isn't such a dataset.
    """
    found = _walk(parent, path)
    if not hdf5.is_dataset(found):
        raise ValueError(f"{path!r} should be a dataset.")
    if found.is_virtual or found.external:
        raise ValueError(f"{path!r} takes its values from another file, which is refused.")
    if found.shape is None or (found.dtype.kind not in "biuf" and not is_bfloat16(found)):
        raise ValueError(f"{path!r} holds {found.dtype}, not numbers.")
    for code in hdf5.filters_of(found):
        if code not in KNOWN_FILTERS:
            raise ValueError(
                f"{path!r} is packed with HDF5 filter {code}; only {', '.join(KNOWN_FILTERS.values())} are read."
            )
    return found


def is_bfloat16(stored: Dataset) -> bool:
    """Return whether a dataset is bfloat16 as Keras writes it: opaque values of two bytes."""
    return stored.dtype.kind == "V" and stored.dtype.itemsize == 2 and stored.dtype.fields is None


def _walk(parent: Group, path: str) -> object:
    found: object = parent
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise ValueError(f"{path!r} is no plain path within the file.")
        if not hdf5.is_group(found) or not hdf5.has_link(found, part):
            raise ValueError(f"{path!r} is missing.")
        if not hdf5.is_hard_link(found, part):
            what = "soft link" if hdf5.is_soft_link(found, part) else "link into another file"
            raise ValueError(f"{path!r} is reached through a {what}, which is refused.")
        found = found[part]
    return found


def text(holder: Group, name: str) -> str | None:
    """Return the text in an attribute, None if there is no such attribute.

    Raises:
        ValueError: If it isn't text or longer than any model's description.
    """
    values = texts(holder, name, scalar=True)
    return None if values is None else values[0]


def texts(holder: Group, name: str, scalar: bool = False) -> list[str] | None:
    """Return the list of texts in an attribute, None if there is no such attribute; raises as `text` does."""
    if name not in holder.attrs:
        return None
    if hdf5.attribute_bytes(holder, name) > MOST_TEXT:
        raise ValueError(f"the attribute {name!r} has more than {MOST_TEXT:,} bytes.")
    stored = holder.attrs[name]
    values = [_decoded(value) for value in ([stored] if scalar else np.ravel(cast(Array, stored)))]
    found = [str(value) for value in values if isinstance(value, str)]
    if len(found) < len(values):
        raise ValueError(f"the attribute {name!r} should be text.")
    if sum(map(len, found)) > MOST_TEXT:
        raise ValueError(f"the attribute {name!r} has more than {MOST_TEXT:,} bytes.")
    return found


def _decoded(value: object) -> object:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def names(holder: Group, attribute: str) -> list[str] | None:
    """Return a list of names in an attribute, or in several numbered ones; None if there is none."""
    if attribute in holder.attrs:
        return texts(holder, attribute) if hdf5.attribute_shape(holder, attribute) != (0,) else []
    if f"{attribute}0" not in holder.attrs:
        return None
    listed: list[str] = []
    for number in range(len(holder.attrs)):
        listed += texts(holder, f"{attribute}{number}") or ()
    return listed


def json_object(holder: Group, name: str) -> Json | None:
    """Return the JSON object in an attribute, None if there is no such attribute.

    Raises:
        ValueError: If it isn't one.
    """
    if (source := text(holder, name)) is None:
        return None
    try:
        value: object = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the attribute {name!r} is no JSON: {error}") from error
    if (found := as_object(value)) is None:
        raise ValueError(f"the attribute {name!r} should be a JSON object.")
    return found


def read(stored: Dataset, shape: Sequence[int], dtype: DTypeLike) -> Array:
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


def empty(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """Return a new array at an address that XLA can take over."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.empty(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].view(dtype).reshape(tuple(shape))
