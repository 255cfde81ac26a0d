"""HDF5 files as `h5py` opens them, with the types that it lacks: https://docs.h5py.org says what each member does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeGuard, cast

import h5py  # pyright: ignore[reportMissingTypeStubs]  # here: first loaded while the interpreter ends, it crashes
import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_links: Any = vars(h5py)["h5l"]  # compiled, without types


class Attributes(Protocol):
    """The attributes of a group or of a dataset."""

    def __contains__(self, name: str, /) -> bool: ...
    def __getitem__(self, name: str, /) -> object: ...
    def __setitem__(self, name: str, value: object, /) -> None: ...
    def __len__(self) -> int: ...


class Dataset(Protocol):
    """An array in a file, or other values."""

    @property
    def attrs(self) -> Attributes: ...
    @property
    def shape(self) -> tuple[int, ...] | None: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def is_virtual(self) -> bool: ...
    @property
    def external(self) -> object: ...
    def __getitem__(self, key: tuple[()], /) -> Array: ...
    def read_direct(self, dest: Array, /) -> None: ...


class Group(Protocol):
    """A folder in a file; the file itself is one."""

    @property
    def attrs(self) -> Attributes: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, name: str, /) -> object: ...
    def create_group(self, name: str, /) -> Group: ...
    def require_group(self, name: str, /) -> Group: ...
    def create_dataset(self, name: str, /, *, data: Array) -> Dataset: ...


class File(Group, Protocol):
    """A file; to be closed by leaving a `with` block."""

    def __enter__(self) -> File: ...
    def __exit__(self, *error: object) -> object: ...


def open_to_read(path: Path) -> File:
    """Return a file, opened for reading; raises what h5py raises where it is damaged."""
    return cast(File, h5py.File(path, "r"))


def open_to_write(sink: object) -> File:
    """Return a new file, whose bytes go to a sink, which has the methods of a binary file."""
    return cast(File, h5py.File(sink, "w"))


def is_hdf5(path: Path) -> bool:
    """Return whether a file begins as HDF5 does."""
    return bool(vars(h5py)["is_hdf5"](path))


def is_group(found: object) -> TypeGuard[Group]:
    """Return whether something in a file is a group."""
    return isinstance(found, h5py.Group)


def is_dataset(found: object) -> TypeGuard[Dataset]:
    """Return whether something in a file is a dataset."""
    return isinstance(found, h5py.Dataset)


def has_link(group: Group, name: str) -> bool:
    """Return whether a group has a link of this name; where it leads isn't looked at."""
    return bool(_low(group).links.exists(name.encode()))


def is_hard_link(group: Group, name: str) -> bool:
    """Return whether a link leads straight to something in the file."""
    return _low(group).links.get_info(name.encode()).type == _links.TYPE_HARD


def is_soft_link(group: Group, name: str) -> bool:
    """Return whether a link holds the path of something in the file."""
    return _low(group).links.get_info(name.encode()).type == _links.TYPE_SOFT


def filters_of(dataset: Dataset) -> list[int]:
    """Return the numbers of the filters that a dataset's values go through, such as 1 for gzip."""
    plan = _low(dataset).get_create_plist()
    return [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]


def attribute_bytes(holder: Group, name: str) -> int:
    """Return how many bytes an attribute takes in the file; it isn't read."""
    return int(_attribute(holder, name).get_storage_size())


def attribute_shape(holder: Group, name: str) -> tuple[int, ...]:
    """Return the shape of an attribute; it isn't read."""
    return tuple(_attribute(holder, name).shape)


def _attribute(holder: Group, name: str) -> Any:
    return cast(Any, holder.attrs).get_id(name)


def _low(node: Group | Dataset) -> Any:
    """Return h5py's low-level object."""
    return cast(Any, node).id
