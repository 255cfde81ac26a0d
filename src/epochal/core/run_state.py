"""Gathering and restoring everything that decides a run's future."""

from __future__ import annotations

from typing import Any


def find(run: Any) -> Any:
    """Return the saved state that a callback offers to go on from, else None."""
    for saver in run.savers:
        raise NotImplementedError(saver)
    return None
