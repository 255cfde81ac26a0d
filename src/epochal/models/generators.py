"""Keras 2's methods for batches that come one after the other: `fit`, `evaluate` and `predict` by other names."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Protocol

from ..callbacks import History
from ..data.workers import AHEAD, is_indexed, read_by
from ..messages.arguments import names_arguments
from ..messages.tracebacks import shows_users_frames
from ..training.arguments import Callbacks, Outputs, Results, UserData


class Trains(Protocol):
    """A model, as these methods know it."""

    fit: Any
    evaluate: Any
    predict: Any


@shows_users_frames
@names_arguments
def fit_generator(
    _model: Trains,
    generator: UserData,
    steps_per_epoch: int | None = None,
    epochs: int = 1,
    verbose: int | str = 1,
    callbacks: Callbacks = None,
    validation_data: UserData = None,
    validation_steps: int | None = None,
    class_weight: Mapping[int, float] | None = None,
    max_queue_size: int = AHEAD,
    workers: int = 1,
    use_multiprocessing: bool = False,
    shuffle: bool = True,
    initial_epoch: int = 0,
) -> History:
    """Train on batches of a generator, or by index: `fit(generator)`, which takes all that this takes.

    Args:
        generator: Batches, `(x, y)` or `(x, y, sample_weight)` each: an iterable, or a `utils.Sequence`.
        steps_per_epoch: Needed for a generator; all batches of anything else if None.
        epochs: See `fit`.
        verbose: See `fit`.
        callbacks: See `fit`.
        validation_data: See `fit`.
        validation_steps: See `fit`.
        class_weight: See `fit`.
        max_queue_size: How many batches several workers may be ahead.
        workers: How many threads read batches by index; a generator can only run in one.
        use_multiprocessing: False; see `utils.PyDataset`.
        shuffle: Whether batches by index come in another order in each epoch.
        initial_epoch: See `fit`.

    Raises:
        ValueError: If an argument can't be right; several workers, say, for a generator.
    """
    with ExitStack() as stack:
        for given in (generator, *([validation_data] if is_indexed(validation_data) else [])):
            stack.enter_context(read_by(given, workers, max_queue_size, use_multiprocessing))
        return _model.fit(
            generator, epochs=epochs, verbose=verbose, callbacks=callbacks, validation_data=validation_data,
            shuffle=shuffle, class_weight=class_weight, initial_epoch=initial_epoch, steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
        )  # fmt: skip


@shows_users_frames
@names_arguments
def evaluate_generator(
    _model: Trains,
    generator: UserData,
    steps: int | None = None,
    max_queue_size: int = AHEAD,
    workers: int = 1,
    use_multiprocessing: bool = False,
    verbose: int | str = 0,
) -> Results:
    """Return the loss over batches of a generator, or by index, and the metrics: `evaluate(generator)`.

    Args:
        generator: See `fit_generator`.
        steps: Batches to evaluate; needed for a generator.
        max_queue_size: See `fit_generator`.
        workers: See `fit_generator`.
        use_multiprocessing: See `fit_generator`.
        verbose: See `evaluate`.
    """
    with read_by(generator, workers, max_queue_size, use_multiprocessing):
        return _model.evaluate(generator, steps=steps, verbose=verbose)


@shows_users_frames
@names_arguments
def predict_generator(
    _model: Trains,
    generator: UserData,
    steps: int | None = None,
    max_queue_size: int = AHEAD,
    workers: int = 1,
    use_multiprocessing: bool = False,
    verbose: int | str = 0,
) -> Outputs:
    """Return the outputs for batches of a generator, or by index: `predict(generator)`.

    Args:
        generator: See `fit_generator`; targets among the batches don't matter.
        steps: Batches to predict; needed for a generator.
        max_queue_size: See `fit_generator`.
        workers: See `fit_generator`.
        use_multiprocessing: See `fit_generator`.
        verbose: See `predict`.
    """
    with read_by(generator, workers, max_queue_size, use_multiprocessing):
        return _model.predict(generator, steps=steps, verbose=verbose)
