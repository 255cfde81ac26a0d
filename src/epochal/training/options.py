"""The arguments of `fit`, `evaluate` and `predict` that are numbers or names, checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

from ..messages.numeric import is_whole, real, whole


@dataclass(frozen=True)
class FitOptions:
    """How a fit goes through its data.

    Attributes:
        batch_size: Samples a batch; None if nobody said.
        epochs: The number of the last epoch.
        verbose: 0, 1 or 2.
        validation_split: The share of the samples to validate on.
        shuffle: True, False or "batch".
        initial_epoch: The first epoch, counted from 0.
        steps_per_epoch: Batches an epoch; None for all the data.
        validation_steps: Batches a validation; None for all the data.
        validation_freq: Validate every so many epochs, or in these epochs, counted from 1.
        seed: Decides the data order; None to draw one.
    """

    batch_size: int | None
    epochs: int
    verbose: int
    validation_split: float
    shuffle: bool | str
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_freq: int | list[int]
    seed: int | None

    @classmethod
    def checked(
        cls,
        *,
        batch_size: Any = None,
        epochs: Any = 1,
        verbose: Any = "auto",
        validation_split: Any = 0.0,
        shuffle: bool | str = True,
        initial_epoch: Any = 0,
        steps_per_epoch: Any = None,
        validation_steps: Any = None,
        validation_freq: Any = 1,
        seed: Any = None,
    ) -> FitOptions:
        """Return the options for what a user gave; see `Trainer.fit`.

        Raises:
            ValueError: If a number or a name can't be right.
        """
        return cls(
            verbose=verbosity(verbose),
            epochs=whole("epochs", epochs, 0),
            initial_epoch=whole("initial_epoch", initial_epoch, 0),
            batch_size=count("batch_size", batch_size),
            steps_per_epoch=count("steps_per_epoch", steps_per_epoch),
            validation_steps=count("validation_steps", validation_steps),
            validation_freq=_frequency(validation_freq),
            validation_split=real("validation_split", validation_split),
            seed=None if seed is None else whole("seed", seed, 0),
            shuffle=shuffle,
        )

    def without_split(self) -> FitOptions:
        """Return the same options with nothing kept from the data to validate on."""
        return replace(self, validation_split=0.0)


def verbosity(verbose: Any) -> int:
    """Return how much is printed: 0, 1 or 2; "auto" is 1.

    Raises:
        ValueError: If it is anything else.
    """
    if verbose == "auto":
        return 1
    if verbose in (0, 1, 2) and (isinstance(verbose, bool) or is_whole(verbose, 0)):
        return int(verbose)
    raise ValueError(f'verbose is 0, 1, 2 or "auto"; got {verbose!r}.')


def count(name: str, value: Any) -> int | None:
    """Return a number of things as Python's `int`; None if nobody said."""
    return None if value is None else whole(name, value, 1)


def _frequency(given: Any) -> int | list[int]:
    """Return every how many epochs, or in which of them, counted from 1, is validated."""
    if isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1):
        return [whole("validation_freq", epoch, 1) for epoch in cast("Iterable[Any]", given)]
    return whole("validation_freq", given, 1)
