"""Folders of arrays that lie in parts over several processes, each of which writes and reads its own parts.

Orbax writes the arrays (https://orbax.readthedocs.io), and any Orbax can read the folder. Three things are added. Orbax
restores a flipped bit in silence, so there is a checksum of each array, which whoever saved the folder keeps elsewhere.
Orbax leaves its last files to the system's cache, so all is synced. And the processes agree through `THIS.exchange`
whether all have done their part, which another process's end interrupts; Orbax's own barriers would wait for minutes.

A folder is written under another name and renamed once everything in it is on the disk: one with its proper name is
whole, wherever a kill comes. Whoever saves names it in a file of his own after that.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypedDict, TypeVar, cast

import jax
import numpy as np

from ...core.processes import THIS
from ...messages.names import first_few
from ...storage import files
from ...storage.checksum import checksum_of_part, total
from ...storage.generation import Damaged
from . import orbax_folder
from .trees import Array, is_keys

PARTIAL, REMOVED = ".partial", ".removed"
"""How the names of folders end that are being written, or removed; they begin with a dot."""

LONGEST = 300
"""Letters of an error's reason."""

T = TypeVar("T")

Shares: TypeAlias = dict[str, int]
"""What the shards of a process add to the checksum of each array, by path."""


class Part(NamedTuple):
    """A shard on the host: where it begins in the whole array, the whole array's shape, and its numbers."""

    start: list[int]
    shape: tuple[int, ...]
    numbers: np.ndarray


class Saved(TypedDict):
    """What is known of a saved array, as JSON values: dtype, shape, and the checksum as 16 hexadecimal digits."""

    dtype: str
    shape: list[int]
    checksum: str


# Saving


class Save:
    """The arrays of a state on their way to a folder, as they were when it was made.

    `save` makes it. Call `wait` once, in every process: in any thread, after those of the saves before.

    Args:
        folder: Where they will be; a path that all processes share.
        arrays: By path; nobody donates or deletes them before the constructor has returned.

    Attributes:
        folder: The argument.
        checksums: What `restore` needs to know of each array, by path; empty before `wait` has returned.
    """

    def __init__(self, folder: Path, arrays: Mapping[str, Array]) -> None:
        self.folder, self.checksums = folder, dict[str, Saved]()
        self._saved = {path: (array.dtype.name, array.shape) for path, array in arrays.items()}
        self._partial = folder.with_name(_everywhere("arrays/begin", self._begin, self._failed)[0])
        own = {path: _own(array) for path, array in arrays.items()}
        for shard in (shard for array in own.values() for shard in _first_replicas(array)):
            shard.data.copy_to_host_async()
        self._parts = {path: _parts(array) for path, array in own.items()}
        filled = {path: array for path, array in own.items() if array.size}
        self._writing = orbax_folder.write(self._partial, filled)

    def wait(self) -> None:
        """Return once all of it is on the disk, under the folder's name.

        Raises:
            OSError: If that failed in any process, also if the disk is full. The folder isn't there then.
            RuntimeError: If another process has ended.
        """
        try:
            shares = _everywhere("arrays/written", self._written, self._failed)
            _everywhere("arrays/finished", self._finish, self._failed)
        except BaseException:
            if THIS.is_primary:
                shutil.rmtree(self._partial, ignore_errors=True)
            raise
        finally:
            self._parts, self._writing = {}, []  # the host's memory
        for path, (dtype, shape) in self._saved.items():
            self.checksums[path] = Saved(dtype=dtype, shape=list(shape), checksum=_checksum(path, shares))

    def _begin(self) -> str:
        """Make the folder in which the processes write, and return its name, which the primary's counts of.

        It is a new one each time, since what still writes of a save that has failed can't be stopped.
        """
        name = _name_beside(self.folder, PARTIAL)
        if THIS.is_primary:
            if os.path.lexists(self.folder):
                raise FileExistsError("it is there already")
            _remove_all(self.folder.parent.glob(f".{glob.escape(self.folder.name)}.*{PARTIAL}"))  # left by a kill
            files.make_folder(self.folder.with_name(name))
        return name

    def _written(self) -> Shares:
        """Wait until this process's shards are on the disk, and return what they add to the checksums."""
        shares = {path: _share(parts) for path, parts in self._parts.items()}
        for writing in self._writing:
            writing.result()
        _sync_all(self._partial)
        return shares

    def _finish(self) -> None:
        """Make one folder of what the processes have written."""
        if THIS.is_primary:
            if self._writing:
                orbax_folder.finish(self._partial)
            _sync_all(self._partial)
            os.rename(self._partial, self.folder)
            files.sync(self.folder.parent)

    def _failed(self, reason: str) -> OSError:
        return OSError(f"could not write {self.folder}: {reason}")


def save(folder: str | os.PathLike[str], arrays: Mapping[str, Array]) -> Save:
    """Begin to save arrays in a folder, and return as soon as they may be donated.

    That is when those whose first replica is in this process are in the host's memory; on CPUs they are there already,
    and a step that consumes one works on a copy. The rest is done in the background.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     saving = save(f"{parent}/arrays", {"kernel": jax.numpy.ones((2, 3))})
    ...     saving.wait()
    ...     restored = restore(saving.folder, saving.checksums, {"kernel": jax.numpy.ones(1).sharding})
    >>> restored["kernel"].shape
    (2, 3)

    Args:
        folder: A path that all processes share. Nothing may be there, nor be on its way there; missing folders above
            it are made.
        arrays: By path: replicated, in parts over the devices of all processes, or on one device of a process alone.
            Random keys are given as their numbers.

    Returns:
        What can be waited for, in any thread.

    Raises:
        TypeError: If an array has random keys.
        ValueError: If an array is in this process only, and there are others.
        OSError: In every process, if the folder is there or can't be made.
    """
    for path, array in arrays.items():
        if is_keys(array):
            raise TypeError(f"{path} has random keys; give their numbers: jax.random.key_data(…).")
        if THIS.count > 1 and array.is_fully_addressable:
            raise ValueError(f"{path} is in process {THIS.index} only; an array that is saved lies on a mesh of all.")
    return Save(Path(os.path.abspath(folder)), arrays)


def _own(array: Array) -> Array:
    """Return another array of the same shards: what the host reads of it is forgotten with it, not kept with the first.

    That also reads them once for both, the checksums and Orbax.
    """
    shards = [shard.data for shard in array.addressable_shards]
    return jax.make_array_from_single_device_arrays(array.shape, array.sharding, shards)


# Restoring


def restore(
    folder: str | os.PathLike[str], checksums: Mapping[str, Saved], shardings: Mapping[str, jax.sharding.Sharding]
) -> dict[str, Array]:
    """Return the arrays in a folder, bit for bit, on any number of devices and processes; all of these must call it.

    Args:
        folder: What was saved.
        checksums: Those of the save.
        shardings: How each array is to lie, by path.

    Raises:
        Damaged: In every process, if the folder isn't there or anything in it has changed; names the array if it can.
        ValueError: If the paths differ, or a dtype needs `jax_enable_x64`.
    """
    folder = Path(os.path.abspath(folder))
    if differing := checksums.keys() ^ shardings.keys():
        raise ValueError(f"only one of {folder} and what is to be restored has: {first_few(sorted(differing), 6)}.")
    for path, saved in checksums.items():
        if jax.dtypes.canonicalize_dtype(saved["dtype"]) != saved["dtype"]:
            raise ValueError(f"{path} in {folder} is {saved['dtype']}: set jax_enable_x64 as when it was saved.")

    wanted = {
        path: jax.ShapeDtypeStruct(tuple(saved["shape"]), np.dtype(saved["dtype"]), sharding=shardings[path])
        for path, saved in checksums.items()
    }
    arrays = {path: _zeros(array) for path, array in wanted.items() if not array.size}

    def read() -> Shares:
        arrays.update(orbax_folder.read(folder, {path: array for path, array in wanted.items() if array.size}))
        return {path: _share(_parts(_own(array))) for path, array in arrays.items()}

    def damaged(reason: str) -> Damaged:
        return Damaged(f"{folder} is damaged: {reason}")

    shares = _everywhere("arrays/read", read, damaged)
    for path, saved in checksums.items():
        if _checksum(path, shares) != saved["checksum"]:
            raise damaged(f"{path} isn't what was saved")
    return {path: arrays[path] for path in checksums}


def _zeros(array: jax.ShapeDtypeStruct) -> Array:
    zeros = np.zeros(array.shape, array.dtype)
    return jax.make_array_from_callback(array.shape, cast("jax.sharding.Sharding", array.sharding), zeros.__getitem__)


# Removing


def remove(folder: str | os.PathLike[str]) -> None:
    """Remove a folder, if it is there; a kill meanwhile leaves nothing of its name. The primary's to call."""
    folder = Path(os.path.abspath(folder))
    with contextlib.suppress(FileNotFoundError):
        removed = folder.with_name(_name_beside(folder, REMOVED))
        os.rename(folder, removed)
        files.sync(folder.parent)
        shutil.rmtree(removed)


def remove_leftovers(parent: str | os.PathLike[str]) -> None:
    """Remove what kills have left of saves and removals in a folder; the primary's to call before the first save."""
    for ending in (PARTIAL, REMOVED):
        _remove_all(Path(parent).glob(f".*{ending}"))


# What they share


def _everywhere(topic: str, work: Callable[[], T], error: Callable[[str], Exception]) -> list[T]:
    """Do some work in every process, and return what it returned in each, JSON values, in the processes' order.

    Args:
        topic: What the processes talk about.
        work: The work.
        error: Makes the error that every process raises if the work failed in any of them, from the reason.
    """
    answer: dict[str, object]
    failure: Exception | None = None
    try:
        answer = {"done": work()}
    except (MemoryError, jax.errors.JaxRuntimeError):  # of this process; the watch tells the others
        raise
    except Exception as caught:
        failure, answer = caught, {"failed": _reason(caught)}
    is_main = threading.current_thread() is threading.main_thread()
    with THIS.waiting() if is_main else contextlib.nullcontext():
        answers = [json.loads(text) for text in THIS.exchange(topic, json.dumps(answer))]
    for index, told in enumerate(answers):
        if "failed" in told:
            raise error(told["failed"] + (f" (process {index})" if THIS.count > 1 else "")) from failure
    return [told["done"] for told in answers]


def _reason(error: Exception) -> str:
    """Return what the first of errors that led to one another says, in a line; libraries tell long stories."""
    first: BaseException = error
    while first.__cause__ is not None:
        first = first.__cause__
    if isinstance(first, OSError) and first.errno:
        return os.strerror(first.errno)
    if system := re.search(r"os_error_code='(\d+)'", str(first)):
        return os.strerror(int(system[1]))
    line = (str(first).strip().splitlines() or [type(first).__name__])[0]
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _first_replicas(array: Array) -> list[Any]:
    """Return the shards that this process has the first replica of; all processes' are every number once."""
    return [shard for shard in array.addressable_shards if shard.replica_id == 0]


def _parts(array: Array) -> list[Part]:
    shards = _first_replicas(array)
    return [Part([at.start or 0 for at in shard.index], array.shape, np.asarray(shard.data)) for shard in shards]


def _share(parts: list[Part]) -> int:
    return total(checksum_of_part(part.numbers, part.start, part.shape) for part in parts)


def _checksum(path: str, shares: list[Shares]) -> str:
    return f"{total(share[path] for share in shares):016x}"


def _sync_all(folder: Path) -> None:
    """Sync all files and folders in a folder, and itself; others may still be at work there."""
    for where, _, names in os.walk(folder):
        for name in (*names, "."):
            files.sync_if_there(Path(where, name))


def _name_beside(folder: Path, ending: str) -> str:
    return f".{folder.name}.{secrets.token_hex(4)}{ending}"


def _remove_all(entries: Iterable[Path]) -> None:
    for entry in entries:
        shutil.rmtree(entry, ignore_errors=True)
