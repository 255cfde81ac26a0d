"""States that no process has whole: what the loop and the callbacks that save runs know of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ..storage.generation import PlainState

PARTS = "parts"
"""The key in an engine's state of arrays that lie in parts: `Parts`, or in a file their folder and checksums."""


class Saving(Protocol):
    """Arrays on their way to a folder, from all processes."""

    @property
    def checksums(self) -> Mapping[str, Any]:
        """What restoring needs to know of each array, by path; once they are there."""
        ...

    def wait(self) -> None:
        """Wait until all of it is on the disk; every process calls it, in the order of the saves."""
        ...


class Parts(Protocol):
    """The arrays of a state, of which each process has its part."""

    def save(self, folder: Path) -> Saving:
        """Begin to save them, and return when the next step may be done; every process must call it."""
        ...

    def lend(self) -> None:
        """Keep the arrays from being consumed until `save` is called."""
        ...

    def remove(self, folder: Path) -> None:
        """Remove what was saved in a folder; the primary's to call."""
        ...

    def remove_leftovers(self, parent: Path) -> None:
        """Remove what kills have left in the folder of the folders; the primary's to call."""
        ...


def stored(state: PlainState, folder: Path, saving: Saving) -> PlainState:
    """Return an engine's state for a file: with the folder that its arrays are in, and their checksums."""
    return {**state, PARTS: {"folder": folder.name, "checksums": dict(saving.checksums)}}


def located(state: PlainState, beside: Path) -> PlainState:
    """Return an engine's state from a file as it lies now: the folder of its arrays is beside the file."""
    if (parts := state.get(PARTS)) is None:
        return state
    return {**state, PARTS: {**parts, "folder": str(beside / parts["folder"])}}


def free_host_bytes() -> int:
    """Return how many bytes of this machine's memory programs may still take, as far as the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):  # another system
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 1 << 34
