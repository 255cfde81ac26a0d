"""JAX's random keys of the usual kind, computed without JAX.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; `fold_in` in jax/_src/prng.py.
"""

from __future__ import annotations

from collections.abc import Sequence

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
WORD = 0xFFFFFFFF


def folded_in(key: Sequence[int], number: int) -> tuple[int, int]:
    """Return the two numbers of the key that `jax.random.fold_in` makes of a key's two and a number below 2**32.

    >>> import jax
    >>> folded_in([0, 7], 3) == tuple(jax.random.key_data(jax.random.fold_in(jax.random.key(7), 3)).tolist())
    True
    """
    schedule = (*key, key[0] ^ key[1] ^ PARITY)
    first, second = key[0], (number + key[1]) & WORD
    for turn in range(5):
        for bits in ROTATIONS[turn % 2]:
            first = (first + second) & WORD
            second = (second << bits | second >> 32 - bits) & WORD ^ first
        first = (first + schedule[(turn + 1) % 3]) & WORD
        second = (second + schedule[(turn + 2) % 3] + turn + 1) & WORD
    return first, second
