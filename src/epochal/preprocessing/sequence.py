"""Sequences of different lengths, time series and pairs of words as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..data.seeds import fresh_seed
from ..messages.numeric import whole
from ..utils.padding import pad_sequences
from ..utils.py_dataset import PyDataset

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams"]


class TimeseriesGenerator(PyDataset):
    """Batches of windows of a time series, and what comes after each: data for `fit`.

        >>> series = np.arange(6)
        >>> x, y = TimeseriesGenerator(series, series, length=3, batch_size=2)[0]
        >>> x.tolist(), y.tolist()
        ([[0, 1, 2], [1, 2, 3]], [3, 4])

    Args:
        data: Of shape `(steps, …)`.
        targets: One a step; a window's is that of the step after it.
        length: Steps that a window covers.
        sampling_rate: Every so many of them is in the window.
        stride: Steps from one window to the next.
        start_index: The first step that is used.
        end_index: The last step that may be a target; the last of the data if None.
        shuffle: Whether windows are drawn at random, with repetition, instead of in order.
        reverse: Whether each window goes backwards in time.
        batch_size: Windows a batch; the last batch may have fewer.

    Raises:
        ValueError: If lengths differ, or there is no window.
    """

    def __init__(
        self,
        data: ArrayLike,
        targets: ArrayLike,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        super().__init__()
        self.data, self.targets = np.asarray(data), np.asarray(targets)
        if len(self.data) != len(self.targets):
            raise ValueError(f"data has {len(self.data)} steps, and there are {len(self.targets)} targets.")
        self.length, self.sampling_rate = whole("length", length, 1), whole("sampling_rate", sampling_rate, 1)
        self.stride, self.batch_size = whole("stride", stride, 1), whole("batch_size", batch_size, 1)
        self.shuffle, self.reverse = shuffle, reverse
        self.start_index = whole("start_index", start_index, 0) + self.length
        self.end_index = len(self.data) - 1 if end_index is None else whole("end_index", end_index, 0)
        if self.start_index > self.end_index:
            raise ValueError(
                f"there is no window: the first would end before step {self.start_index}, and the last step is "
                f"{self.end_index}."
            )
        self._rng = np.random.default_rng(fresh_seed())

    def __len__(self) -> int:
        windows = self.end_index - self.start_index + 1
        return -(-windows // (self.batch_size * self.stride))

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return windows of shape `(batch, steps, …)` and their targets."""
        if self.shuffle:
            after = self._rng.integers(self.start_index, self.end_index + 1, self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            after = np.arange(first, min(first + self.batch_size * self.stride, self.end_index + 1), self.stride)
        steps = after[:, None] + np.arange(-self.length, 0, self.sampling_rate)
        return self.data[steps[:, ::-1] if self.reverse else steps], self.targets[after]


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """Return for each word, by its rank in a Zipf distribution, the probability that `skipgrams` keeps it.

        >>> make_sampling_table(3).round(4).tolist()
        [0.0032, 0.0032, 0.0055]

    Args:
        size: How many words there are.
        sampling_factor: The smaller, the fewer frequent words are kept; word2vec's threshold.
    """
    rank = np.maximum(np.arange(whole("size", size, 0), dtype=float), 1)
    inverse_frequency = rank * (np.log(rank) + np.euler_gamma) + 0.5 - 1 / (12 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse_frequency))


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: ArrayLike | None = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Return pairs of words that stand near each other, random pairs beside them, and which is which.

        >>> skipgrams([1, 2, 3], 4, window_size=1, negative_samples=0, shuffle=False)
        ([[1, 2], [2, 1], [2, 3], [3, 2]], [1, 1, 1, 1])

    Args:
        sequence: Words by number; 0 is none and is skipped.
        vocabulary_size: The highest number and one more.
        window_size: Words on each side that are near.
        negative_samples: Random pairs for each pair of near ones.
        shuffle: Whether pairs come in random order.
        categorical: Whether labels are `[0, 1]` for near ones and `[1, 0]`, instead of 1 and 0.
        sampling_table: The probability with which each word is used; see `make_sampling_table`.
        seed: Decides the randomness; drawn from `set_random_seed` if None.
    """
    rng = np.random.default_rng(fresh_seed() if seed is None else seed)
    table = None if sampling_table is None else np.asarray(sampling_table)
    pairs: list[list[int]] = []
    for at, word in enumerate(sequence):
        if not word or (table is not None and table[word] < rng.random()):
            continue
        near = range(max(0, at - window_size), min(len(sequence), at + window_size + 1))
        pairs += [[word, sequence[other]] for other in near if other != at and sequence[other]]
    words = [word for word, _ in pairs]
    chosen: list[int] = rng.permutation(len(words)).tolist()
    random_pairs: list[list[int]] = [
        [words[chosen[n % len(words)]], int(rng.integers(1, vocabulary_size))]
        for n in range(int(len(pairs) * negative_samples))
    ]
    near, apart = ([0, 1], [1, 0]) if categorical else (1, 0)
    labels: list[Any] = [near] * len(pairs) + [apart] * len(random_pairs)
    pairs += random_pairs
    order = rng.permutation(len(pairs)) if shuffle else range(len(pairs))
    return [pairs[at] for at in order], [labels[at] for at in order]
