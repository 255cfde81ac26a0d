"""The arguments of `fit`, `evaluate` and `predict` that are numbers or names, checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

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
        validation_batch_size: Samples a batch of the validation; None for those of training.
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
    validation_batch_size: int | None
    seed: int | None

    @classmethod
    def checked(
        cls,
        *,
        batch_size: object,
        epochs: object,
        verbose: object,
        validation_split: object,
        shuffle: bool | str,
        initial_epoch: object,
        steps_per_epoch: object,
        validation_steps: object,
        validation_freq: object,
        validation_batch_size: object,
        seed: object,
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
            validation_batch_size=count("validation_batch_size", validation_batch_size),
            validation_split=real("validation_split", validation_split),
            seed=None if seed is None else whole("seed", seed, 0),
            shuffle=shuffle,
        )

    def without_split(self) -> FitOptions:
        """Return the same options with nothing kept from the data to validate on."""
        return replace(self, validation_split=0.0)


LEVELS = (0, 1, 2)
"""What `verbose` may be: silence, a progress bar, a line an epoch."""


def verbosity(verbose: object) -> int:
    """Return how much is printed: 0, 1 or 2; "auto" is 1.

    Raises:
        ValueError: If it is anything else.
    """
    if verbose == "auto":
        return 1
    if isinstance(verbose, bool) or (is_whole(verbose, 0) and verbose in LEVELS):
        return int(cast("int", verbose))
    raise ValueError(f'verbose is 0, 1, 2 or "auto"; got {verbose!r}.')


def count(name: str, value: object) -> int | None:
    """Return a number of things as Python's `int`; None if nobody said."""
    return None if value is None else whole(name, value, 1)


def _frequency(given: object) -> int | list[int]:
    """Return every how many epochs, or in which of them, counted from 1, is validated."""
    if not isinstance(given, str) and getattr(given, "ndim", 1) and isinstance(given, Iterable):
        return [whole("validation_freq", epoch, 1) for epoch in cast("Iterable[object]", given)]
    return whole("validation_freq", given, 1)
