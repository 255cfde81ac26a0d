"""Keras 3 models on JAX, trained by this package's loop: their own steps, layers, losses, metrics and files.

>>> import numpy as np
>>> keras = import_keras("the example")
>>> net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
>>> net.compile("sgd", "mse")
>>> history = Model(net).fit(np.ones((32, 4)), np.ones(32), epochs=2, verbose=0)
>>> len(history.history["loss"])
2
"""

from .backend import import_keras

import_keras(__name__)

from .installed import install, uninstall  # noqa: E402
from .model import Model  # noqa: E402

__all__ = ["Model", "install", "uninstall"]
