"""Callbacks with `replay = True`, which promise to ask the model for nothing."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from typing import Any

from .protocols import Model
from .wakes import BatchHooks


class Replayed:
    """Stands for the model in the batch hooks of a callback that only reads logs: it can be told to stop."""

    def __init__(self, model: Model, owner: str) -> None:
        self.__dict__.update(_model=model, _owner=owner)

    def __getattr__(self, name: str) -> Any:
        if name == "stop_training":
            return self._model.stop_training
        raise RuntimeError(
            f"{self._owner} has replay = True: its batch hooks only read logs, and ask nothing of model.{name}. "
            f"Set replay = False for hooks that look at the model."
        )

    def __setattr__(self, name: str, value: object) -> None:
        if name != "stop_training":
            self.__getattr__(name)
        self._model.stop_training = value


@contextmanager
def kept_from_model(watchers: Iterable[BatchHooks]) -> Generator[None]:
    """Put a `Replayed` in the place of the model of those callbacks that only read logs, for a while."""
    with ExitStack() as stack:
        for watcher in watchers:
            if watcher.only_reads_logs:
                stack.enter_context(_replayed(watcher.callback))
        yield


@contextmanager
def _replayed(callback: Any) -> Generator[None]:
    model = callback.model
    callback.model = Replayed(model, type(callback).__name__)
    try:
        yield
    finally:
        callback.model = model
