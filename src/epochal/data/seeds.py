"""Where a run's randomness comes from."""

from __future__ import annotations

import numpy as np

_sequence = np.random.default_rng()


def set_random_seed(seed: int) -> None:
    """Make what follows reproducible: initial weights, data order and dropout.

    Without it each run draws a fresh seed, which is part of its saved state.
    """
    global _sequence
    _sequence = np.random.default_rng(seed)


def fresh_seed() -> int:
    """Draw the seed of a new model or a new fit."""
    return int(_sequence.integers(2**31))
