"""What an engine is asked to do in a fit, noted down as it happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from epochal.callbacks import Callback
from epochal.engines.jax.engine import JaxEngine
from epochal.layers import Dense
from epochal.models import Sequential

BATCHES = 200
"""In an epoch of the fits that are recorded."""


@dataclass(frozen=True)
class Ran:
    """A span: its first batch in the epoch, counted from 0, and how many batches were asked for."""

    first: int
    count: int


@dataclass(frozen=True)
class Hooked:
    """A batch hook was called for a batch, counted from 0; `looked` says whether it looked at the model."""

    batch: int
    looked: bool


@dataclass(frozen=True)
class WentBack:
    """The engine went back to where a batch had ended: it ran `again` batches of the span once more."""

    batch: int
    again: int


Event = Ran | Hooked | WentBack


@contextlib.contextmanager
def recorded() -> Iterator[list[Event]]:
    """Note what engines are asked for: spans of training, and ways back, as `core.engine.Engine` has them."""
    events: list[Event] = []
    train, lookout = JaxEngine.train, JaxEngine.lookout

    def noting_train(engine: Any, span: Any, *options: Any) -> Any:
        events.append(Ran(span.at, span.count))
        return train(engine, span, *options)

    def noting_lookout(engine: Any, *arguments: Any) -> Any:
        found = lookout(engine, *arguments)
        begin, end, followed = found.begin, found.end, 0

        def noting_begin(batches: int) -> None:
            nonlocal followed
            followed = batches
            begin(batches)

        def noting_end(stays_ahead: bool) -> None:
            if found.looked and found.at < followed:
                batch = next(event.batch for event in reversed(events) if isinstance(event, Hooked))
                events.append(WentBack(batch, found.at))
            end(stays_ahead)

        found.begin, found.end = noting_begin, noting_end
        return found

    JaxEngine.train, JaxEngine.lookout = noting_train, noting_lookout
    try:
        yield events
    finally:
        JaxEngine.train, JaxEngine.lookout = train, lookout


class Noted(Callback):
    """Notes its own calls, and looks at the model where it is told to.

    Args:
        events: To note them in.
        looks: Returns whether to look at the weights after a batch of an epoch, both counted from 0.
    """

    def __init__(self, events: list[Event], looks: Callable[[int, int], bool] = lambda epoch, batch: False) -> None:
        self.events, self.looks, self.epoch = events, looks, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the call."""
        looks = self.looks(self.epoch, batch)
        if looks:
            self.model.get_weights()
        self.events.append(Hooked(batch, looks))


def by_epoch(
    make: Callable[[list[Event]], list[Callback]], epochs: int = 4, bad: int | None = None
) -> list[list[Event]]:
    """Fit a small model and return what happened in each epoch.

    Args:
        make: Returns the callbacks; those that note things do so in the list.
        epochs: How many.
        bad: A batch, counted from 0, with a target that makes the loss NaN.
    """
    x, y = data()
    if bad is not None:
        y[bad * 8] = np.nan
    model = compiled()
    with recorded() as events:
        starts: list[int] = []
        model.fit(
            x,
            y,
            batch_size=8,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[*make(events), Starts(events, starts)],
        )
    ends = [*starts[1:], len(events)]
    return [events[start:end] for start, end in zip(starts, ends, strict=True)]


class Starts(Callback):
    """Notes how many events there were when each epoch began."""

    def __init__(self, events: list[Event], starts: list[int]) -> None:
        self.events, self.starts = events, starts

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch."""
        self.starts.append(len(self.events))


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return an epoch's samples and their targets."""
    x = np.random.default_rng(0).normal(size=(8 * BATCHES, 4))
    return x, x.sum(1, keepdims=True)


def compiled() -> Sequential:
    """Return a model for them."""
    model = Sequential([Dense(8, activation="tanh", input_dim=4), Dense(1)])
    model.compile("sgd", "mse")
    return model
