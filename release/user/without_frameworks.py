"""What needs NumPy and h5py alone: the package, its callbacks, and a loop of one's own."""

import importlib.util
import sys

import epochal
from epochal.callbacks import CallbackList, CSVLogger, EarlyStopping

for library in ("jax", "keras", "requests", "tensorboard", "starlette"):
    assert importlib.util.find_spec(library) is None, library

with CallbackList([EarlyStopping("loss", patience=2), CSVLogger("log.csv")], epochs=10) as callbacks:
    callbacks.on_train_begin()
    for epoch, loss in enumerate([3.0, 2.0, 2.5, 2.5, 1.0]):
        callbacks.on_epoch_end(epoch, {"loss": loss})
        if callbacks.stop_training:
            break
    callbacks.on_train_end()
assert epoch == 3

try:
    epochal.Sequential()
except ImportError as error:
    assert 'pip install "epochal[jax]"' in str(error), error
else:
    sys.exit("layers without JAX should say what to install")
