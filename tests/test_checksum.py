"""The checksum of an array is SplitMix64's, and the same however the array is dealt out in parts."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from epochal.storage import checksum
from epochal.storage.checksum import checksum_of_part, total

MASK = 2**64 - 1
DTYPES = ["?", "i1", "u2", "i4", "u8", "f2", "f4", "f8", "c8", "c16", ml_dtypes.bfloat16, ml_dtypes.float8_e5m2]
SHAPES = [(), (1,), (7,), (4, 6), (2, 3, 4), (2, 2, 3, 2)]


def splitmix64(seed, number):
    """Return an output of the generator, numbered from 0, as its paper's figure 16 computes it."""
    z = (seed + (number + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def expected(array):
    content, size = array.tobytes(), min(array.itemsize, 8)
    words = [int.from_bytes(content[at : at + size], "little") for at in range(0, len(content), size)]
    return sum(splitmix64(word, number) for number, word in enumerate(words)) & MASK


def random(dtype, shape):
    return np.asarray(9 * np.random.default_rng(0).normal(size=shape)).astype(dtype)


def of_whole(array):
    return checksum_of_part(array, (0,) * array.ndim, array.shape)


def test_the_generator_here_is_the_known_one():
    assert splitmix64(0, 0) == 0xE220A8397B1DCDAF


@pytest.mark.parametrize("block", [1, 5, 1 << 16])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_it_is_a_sum_of_outputs_of_splitmix64(dtype, block, monkeypatch):
    monkeypatch.setattr(checksum, "BLOCK", block)
    for shape in SHAPES:
        array = random(dtype, shape)
        assert of_whole(array) == expected(array)
        assert of_whole(np.asfortranarray(array)) == expected(array)


@pytest.mark.parametrize("block", [1, 5, 1 << 16])
def test_parts_add_up_however_an_array_is_cut(block, monkeypatch):
    monkeypatch.setattr(checksum, "BLOCK", block)
    array = random("f4", (4, 3, 5))
    cuts = [[(0, at), (at, size)] for size in array.shape for at in (size // 2,)]
    for axes in itertools.product([False, True], repeat=3):
        ranges = [cut if is_cut else [(0, size)] for cut, is_cut, size in zip(cuts, axes, array.shape, strict=True)]
        shares = [
            checksum_of_part(array[tuple(slice(*at) for at in part)], [first for first, _ in part], array.shape)
            for part in itertools.product(*ranges)
        ]
        assert total(shares) == expected(array)


def test_an_empty_part_adds_nothing():
    assert checksum_of_part(np.zeros((0, 4)), (2, 0), (2, 4)) == 0
    assert of_whole(np.zeros((0, 4))) == 0


def test_any_flipped_bit_and_any_exchange_of_elements_changes_it():
    array = random("f2", 12)
    found = {of_whole(array)}
    for bit in range(8 * array.nbytes):
        content = bytearray(array.tobytes())
        content[bit // 8] ^= 1 << bit % 8
        found.add(of_whole(np.frombuffer(content, array.dtype)))
    for first, second in itertools.combinations(range(12), 2):
        exchanged = array.copy()
        exchanged[[first, second]] = array[[second, first]]
        found.add(of_whole(exchanged))
    assert len(found) == 1 + 8 * array.nbytes + 12 * 11 // 2
