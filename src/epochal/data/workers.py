"""Batches by index, read ahead by several threads and given in order."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..messages.numeric import whole

AHEAD = 10
"""How many batches threads may be ahead, if nobody says."""


def is_indexed(given: object) -> bool:
    """Return whether batches are asked for by index: where that is the only way, or `given` is a dataset as Keras's."""
    by_index = hasattr(given, "__getitem__") and (hasattr(given, "__len__") or hasattr(given, "num_batches"))
    return by_index and (not hasattr(given, "__iter__") or hasattr(given, "on_epoch_end"))


def check_workers(given: object) -> tuple[int, int]:
    """Return how many threads read a source of batches by index, and how many batches they may be ahead.

    Args:
        given: May have `workers`, `max_queue_size` and `use_multiprocessing`, as Keras's datasets have; else one thread
            reads it.

    Raises:
        ValueError: If processes are asked for, or a number can't be right.
    """
    if getattr(given, "use_multiprocessing", False):
        raise ValueError(
            f"{type(given).__name__} has use_multiprocessing=True, and batches aren't read by processes here: leave it "
            "out and set workers=4 for threads, or give a loader that has processes of its own, such as "
            "torch.utils.data.DataLoader(dataset, num_workers=4)."
        )
    # Keras's 0 means that the fit's own thread reads; here one of its own always does.
    workers = whole("workers", getattr(given, "workers", 1), 0)
    return max(workers, 1), whole("max_queue_size", getattr(given, "max_queue_size", AHEAD), 1)


def read_in_order(given: Any, indices: Iterable[int]) -> Generator[object]:
    """Yield the batches with these indices, one after the other; several threads read ahead if `given` says so.

    The threads begin when the second batch is wanted, since some passes only look at the first one. They end with the
    generator; an error is raised in the place of its batch.
    """
    workers, ahead = check_workers(given)
    if workers == 1:
        yield from (given[index] for index in indices)
        return
    coming = iter(indices)
    yield from (given[index] for index in itertools.islice(coming, 1))
    pool = ThreadPoolExecutor(workers, thread_name_prefix="epochal-worker")
    waiting: deque[Future[object]] = deque()
    try:
        waiting.extend(pool.submit(given.__getitem__, index) for index in itertools.islice(coming, ahead))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(given.__getitem__, index) for index in itertools.islice(coming, 1))
    finally:
        pool.shutdown(wait=not waiting, cancel_futures=True)


@contextmanager
def read_by(given: object, workers: int, max_queue_size: int, use_multiprocessing: bool) -> Generator[None]:
    """Let batches be read by so many threads, as Keras 2's arguments say; what a dataset says itself holds otherwise.

    Args:
        given: A source of batches.
        workers: How many threads read batches by index.
        max_queue_size: How many batches these may be ahead.
        use_multiprocessing: False.

    Raises:
        ValueError: If it can't be read so; says what can.
    """
    asked = {"workers": workers, "max_queue_size": max_queue_size, "use_multiprocessing": use_multiprocessing}
    usual = {"workers": 1, "max_queue_size": AHEAD, "use_multiprocessing": False}
    changes = {name: value for name, value in asked.items() if value != usual[name]}
    if changes and not is_indexed(given):
        name, value = next(iter(changes.items()))
        raise ValueError(
            f"{name}={value!r} can't be chosen for a {type(given).__name__}: one thread reads it, since a generator "
            "can't run in several, and is as far ahead as the memory set aside for it allows. Leave it out, or give "
            "batches by index, an epochal.utils.Sequence."
        )
    before = {name: getattr(given, name, usual[name]) for name in changes}
    try:
        for name, value in changes.items():
            setattr(given, name, value)
        if changes:
            check_workers(given)
        yield
    finally:
        for name, value in before.items():
            setattr(given, name, value)
