"""The seed from which all randomness of a run follows."""

from __future__ import annotations

from typing import Any

import numpy as np

_sequence = np.random.default_rng()
_chosen: int | None = None


def set_random_seed(seed: int) -> None:
    """Make what follows reproducible: initial weights, data order and dropout.

    Without it each run draws a fresh seed, which is part of its saved state.

    >>> set_random_seed(0)
    >>> first = fresh_seed()
    >>> set_random_seed(0)
    >>> fresh_seed() == first
    True

    Args:
        seed: A whole number, at least 0.
    """
    global _sequence, _chosen
    _sequence, _chosen = np.random.default_rng(seed), int(seed)


def chosen_seed() -> int | None:
    """Return what `set_random_seed` was given last; None if nobody has called it."""
    return _chosen


def fresh_seed() -> int:
    """Return a new random seed, for a model or a fit: at least 0, less than 2**31."""
    return int(_sequence.integers(2**31))


def seed_state() -> dict[str, Any]:
    """Return where the sequence of seeds is, in values for JSON; `set_seed_state` takes them, in any process."""
    return _sequence.bit_generator.state  # pyright: ignore[reportReturnType]


def set_seed_state(state: dict[str, Any]) -> None:
    """Let the sequence of seeds go on where another one was."""
    _sequence.bit_generator.state = state
