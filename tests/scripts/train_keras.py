"""Trains a Keras model and writes down all that comes of it: `train_keras.py FOLDER OPTIONS`, the options as JSON.

kind   of `keras_models`
die    after so many batches, counted in all epochs, the process kills itself
"""

import json
import os
import signal
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras_models
import numpy as np

from epochal.callbacks import BackupAndRestore, Callback, CSVLogger
from epochal.keras import Model

os.chdir(sys.argv[1])
options = json.loads(sys.argv[2])


class Dies(Callback):
    """Counts batches of this process, and kills it after some of them, in a span that has run ahead."""

    def __init__(self, backup, after):
        self.backup, self.after, self.count = backup, after, 0

    def on_train_batch_end(self, batch, logs=None):
        if not self.count:
            with open("begun", "a") as file:
                print(batch, file=file)
        self.count += 1
        if self.count == self.after:
            self.backup.wait()
            os.kill(os.getpid(), signal.SIGKILL)

    def state_dict(self):
        return {}


model, x, y = keras_models.made(getattr(keras_models, options["kind"]))
backup = BackupAndRestore("run", save_freq=3)
history = Model(model).fit(
    x, y, keras_models.BATCH, epochs=3, verbose=0, callbacks=[CSVLogger("log.csv"), backup, Dies(backup, options.get("die"))],
    class_weight=None, seed=1,
)  # fmt: skip
variables = [*model.variables, *model.optimizer.variables]
Path("variables").write_bytes(b"".join(np.asarray(v.value).tobytes() for v in variables))
Path("history.json").write_text(json.dumps(history.history, default=str))
