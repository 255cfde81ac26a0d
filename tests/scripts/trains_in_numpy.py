"""A training in NumPy that takes its time, so that it can be killed in the middle: `python train.py FOLDER`."""

import sys
import time

import numpy as np
from numpy_engine import Model, X, Y, loop, make_run

from epochal.callbacks import BackupAndRestore, Callback, ProgbarLogger
from epochal.data.array_data import ArrayData


class Slow(Callback):
    def on_train_batch_begin(self, batch, logs=None):
        time.sleep(0.02)

    def state_dict(self):
        return {}


folder, model = sys.argv[1], Model(lr=0.01)
data = ArrayData(np.tile(X, (8, 1)), np.tile(Y, 8), batch_size=4, shuffle=True, seed=1)
loop.fit(
    make_run(
        [Slow(), BackupAndRestore(folder, save_freq=3), ProgbarLogger()], epochs=3, model=model, data=data, verbose=1
    )
)
np.savez(f"{folder}/weights.npz", *model.get_weights())
