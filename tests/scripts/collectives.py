"""Trains models on all devices, one program each, for the sake of what the compiler makes of the programs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from distributed import IMAGES, KINDS, LABELS, X, convolutional, dense, on

from epochal.distribution import DataParallel, LayoutMap, ModelParallel

FULLY_SHARDED = ModelParallel(LayoutMap({"dense/kernel": ("batch",)}), mesh={"batch": 8})

for parallel, make, x in [
    (DataParallel(), dense, X),
    (DataParallel(), convolutional, IMAGES),
    (DataParallel(), KINDS["dropout"][0], X),
    (DataParallel(), lambda: dense(accumulate=2), X),
    (FULLY_SHARDED, dense, X),
]:
    with on(parallel):
        make().fit(x[:80], LABELS[:80], batch_size=16, verbose=0)
