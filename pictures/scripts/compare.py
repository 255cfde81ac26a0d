"""Compare the weights that two runs have ended with, bit for bit: `python compare.py FOLDER OTHER`."""

import sys

import numpy as np

folders = sys.argv[1:3]
one, other = (list(np.load(f"{folder}/weights.npz").values()) for folder in folders)
equal = [
    a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True)
]
numbers = sum(array.size for array in one)
if not all(equal):
    sys.exit(f"{equal.count(False)} of {len(equal)} arrays of weights differ")
print(f"{len(equal)} arrays of weights, {numbers:,} numbers: equal bit for bit")
