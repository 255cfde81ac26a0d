"""The base of a user's batches by index."""

from __future__ import annotations

from typing import Any, Self

from ..data.workers import check_workers
from ..messages.arguments import NamesArguments


class PyDataset(NamesArguments):
    """Batches by index: write `__getitem__` and `__len__`, and give it to `fit`, `evaluate` or `predict`.

        >>> import numpy as np
        >>> class Squares(PyDataset):
        ...     def __len__(self):
        ...         return 3
        ...     def __getitem__(self, index):
        ...         x = np.arange(4.0) + 4 * index
        ...         return x, x**2
        >>> len(Squares(workers=2)), Squares()[1][1].tolist()
        (3, [16.0, 25.0, 36.0, 49.0])

    `fit(shuffle=True)` asks for the batches in another order in each epoch; the rows of a batch are yours to shuffle,
    in `on_epoch_end`. A subclass that doesn't call `super().__init__()` has the defaults.

    Args:
        workers: How many threads read ahead, whatever the order in which they end; the batches come in theirs. Threads
            help where reading waits, for a disk, a network or NumPy. With more than 1, `__getitem__` is called for
            several batches at once, so random numbers that it draws differ from run to run; and where
            `steps_per_epoch` is less than all of them, it is called for the next ones before `on_epoch_end`.
        use_multiprocessing: False; processes aren't used here.
        max_queue_size: How many batches the threads may be ahead, if there are several.

    Raises:
        TypeError: If the class has no `__getitem__`, or neither `__len__` nor `num_batches`.
        ValueError: If a number can't be right, or processes are asked for; says what reads in processes.
    """

    workers = 1
    use_multiprocessing = False
    max_queue_size = 10

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Look, before a fit does, whether the class says which batches there are."""
        if cls.__getitem__ is PyDataset.__getitem__:
            raise TypeError(f"{cls.__name__} gives no batches: write __getitem__(self, index), which returns one.")
        if not hasattr(cls, "__len__") and cls.num_batches is PyDataset.num_batches:
            raise TypeError(f"{cls.__name__} doesn't say how many batches there are: write __len__(self).")
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size
        check_workers(self)

    @property
    def num_batches(self) -> int | None:
        """How many batches there are; a subclass may say None for batches without an end."""
        return len(self)  # pyright: ignore[reportArgumentType]  (which the subclass has)

    def __getitem__(self, index: int) -> Any:
        """Return the batch with this number, from 0: `x`, `(x, y)` or `(x, y, sample_weight)`."""
        raise NotImplementedError

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch; a place to shuffle."""


Sequence = PyDataset
"""The name that Keras 2 had for it."""
