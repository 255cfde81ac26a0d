"""Folders of arrays as Orbax writes them: each process its shards, in the background; the format's home is there.

Its handlers are used without its checkpointers, whose part is names, barriers and renaming.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import jax

from .trees import Array

T = TypeVar("T")


class Writing(Protocol):
    """Something that is being written."""

    def result(self) -> object:
        """Wait until it is written; raise what failed."""
        ...


def write(folder: Path, arrays: Mapping[str, Array]) -> list[Writing]:
    """Begin to write this process's shards, in threads, and return what can be waited for.

    When this returns, they are on the host: in arrays that `numpy.asarray` of a shard's data returns, if it is called
    for the same arrays, so that they are there once.

    Args:
        folder: A folder that is there.
        arrays: By path; none is empty.
    """
    import orbax.checkpoint as ocp

    if not arrays:
        return []
    args = ocp.args.PyTreeSave(dict(arrays))
    return _past_loops(lambda: asyncio.run(_handler().async_save(_path(folder), args=args))) or []


def finish(folder: Path) -> None:
    """Make one index of the arrays; one process does it, once all have written."""
    _past_loops(lambda: _handler().finalize(_path(folder)))


def read(folder: Path, arrays: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, Array]:
    """Return arrays: this process reads the shards that it needs.

    Args:
        folder: A folder that is finished.
        arrays: Their shapes, dtypes and shardings, by path: all that were written.

    Raises:
        Exception: Of many types, if something is missing or makes no sense; changed numbers are read as they are.
    """
    import orbax.checkpoint as ocp

    if not arrays:
        return {}
    how = {
        path: ocp.ArrayRestoreArgs(sharding=array.sharding, global_shape=array.shape, dtype=array.dtype)
        for path, array in arrays.items()
    }
    args = ocp.args.PyTreeRestore(item=dict.fromkeys(how, 0), restore_args=how)
    return _past_loops(lambda: _handler().restore(_path(folder), args=args))


def _past_loops(work: Callable[[], T]) -> T:
    """Do something that runs an event loop: in a thread of its own where this one, a notebook's, has one already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def _path(folder: Path) -> Any:
    from etils import epath

    return epath.Path(folder)


def _handler() -> Any:
    """Return Orbax's handler of nests of arrays.

    Shards are written whole and by their first replicas, so that what is on the host is read once, and all of a process
    in one transaction, which fails as a whole. Arrays aren't compressed: that takes longer than the disk.
    """
    import orbax.checkpoint as ocp

    class Arrays(ocp.type_handlers.ArrayHandler):
        """Reads arrays, and where one fails waits for the others: Python complains of coroutines that nobody awaits."""

        async def deserialize(self, infos: Any, args: Any = None) -> Any:
            before = asyncio.all_tasks()
            try:
                return await super().deserialize(infos, args)
            except Exception:
                await asyncio.gather(*(asyncio.all_tasks() - before), return_exceptions=True)
                raise

    logging.getLogger("absl").addFilter(_is_not_of_orbax)
    arrays = Arrays(use_replica_parallel=False, enable_write_sharding_file=False, array_metadata_store=None)
    handler = ocp.BasePyTreeCheckpointHandler(
        type_handler_registry=ocp.type_handlers.create_type_handler_registry((jax.Array, arrays)),
        use_compression=False,
        enable_pinned_host_transfer=False,
    )
    return ocp.PyTreeCheckpointHandler(handler_impl=handler)


def _is_not_of_orbax(record: logging.LogRecord) -> bool:
    """Return whether something else logs; Orbax's failures are raised."""
    return "orbax" not in record.pathname
