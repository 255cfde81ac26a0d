"""Images of three classes."""

import numpy as np

IMAGES = np.random.default_rng(1).normal(size=(50, 6, 6, 2)).astype(np.float32)
CLASSES = np.eye(3, dtype=np.float32)[np.random.default_rng(1).integers(0, 3, 50)]
