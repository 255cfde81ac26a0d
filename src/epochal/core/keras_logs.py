"""Logs of batches as Keras 3 has them, for callbacks that are made for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from .user_code import package_of

FACTS = ("batch", "size")
"""What the logs of a batch have here, and in Keras 2, beside the logged values."""

BatchHook = Callable[[int, Any], None]


def is_of_keras(callback: object) -> bool:
    """Return whether a callback is one of Keras's, or of a class that a user has made of one."""
    return any(package_of(base) == "keras" for base in type(callback).__mro__)


def without_facts(hook: BatchHook) -> BatchHook:
    """Return a hook that is given the logged values of a batch alone.

    Keras's ModelCheckpoint takes a batch's number in the logs for one that counts from 1.
    """

    @functools.wraps(hook)
    def call(batch: int, logs: Mapping[str, Any] | None = None) -> None:
        hook(batch, {name: value for name, value in (logs or {}).items() if name not in FACTS})

    return call
