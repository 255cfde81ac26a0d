"""Hooks that of several processes only the primary calls: it alone writes files, prints and sends."""

from __future__ import annotations

import functools
from collections.abc import Callable

from .processes import THIS

KERAS_RECORDERS = frozenset({"CSVLogger", "ModelCheckpoint", "ProgbarLogger", "RemoteMonitor", "TensorBoard"})
"""Callbacks of Keras that write files, print or send; they say nothing about processes."""


def is_primary_only(callback: object) -> bool:
    """Return whether hooks of a callback are for the primary, as `primary_only` says, or else `is_sink`.

    Raises:
        ValueError: If it is Keras's BackupAndRestore, which would write and read in each process by itself.
    """
    said = getattr(callback, "primary_only", None)
    if said is None:
        of_keras = {kind.__name__ for kind in type(callback).__mro__ if kind.__module__.startswith("keras.")}
        if "BackupAndRestore" in of_keras:
            raise ValueError("Keras's BackupAndRestore knows one process only: use epochal.callbacks.BackupAndRestore.")
        said = getattr(callback, "is_sink", False) or bool(of_keras & KERAS_RECORDERS)
    return bool(said)


def runs_here(callback: object) -> bool:
    """Return whether hooks of a callback run in this process."""
    return THIS.is_primary or not is_primary_only(callback)


def here(callback: object, hook: Callable[..., None] | None) -> Callable[..., None] | None:
    """Return a hook as this process calls it: one of the primary's does nothing elsewhere, and takes part in nothing.

    So all processes call hooks at the same batches, whatever is in them.
    """
    if hook is None or THIS.count == 1 or not is_primary_only(callback):
        return hook
    name = f"{type(callback).__name__}.{getattr(hook, '__name__', 'a hook')}"

    @functools.wraps(hook)
    def call(*args: object) -> None:
        if THIS.is_primary:
            before, THIS.primary_hook = THIS.primary_hook, name
            try:
                hook(*args)
            finally:
                THIS.primary_hook = before

    return call
