"""A run of several processes that is saved, to which something happens: `several_saved.py FOLDER WHAT VICTIM`."""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from distributed import LABELS, X, dense
from joined import COUNT, INDEX, join

from epochal import distribution, set_random_seed
from epochal.callbacks import BackupAndRestore, Callback, CSVLogger
from epochal.distribution import DataParallel, LayoutMap, ModelParallel

folder, what, victim = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if COUNT > 1:
    join(heartbeat_seconds=2, late_seconds=1)
distribution.set_distribution(DataParallel())
if "parts" in what:
    distribution.set_distribution(ModelParallel(LayoutMap({"dense/kernel": ("batch",)}), {"batch": COUNT}))
set_random_seed(3)


class Source:
    """This process's part of every batch, drawn at random: resumed by what each process remembers of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(INDEX)

    def __iter__(self):
        for _ in range(5):
            if "hang" in what and victim == INDEX and self.rng.random() < 0.3:
                time.sleep(3)
            rows = self.rng.choice(40, 8) + 40 * INDEX
            yield X[rows], LABELS[rows]


class Happens(Callback):
    """What happens, to the victim, after some batches; it counts them in its own way in each process."""

    def __init__(self):
        self.seen = 100 * INDEX

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if victim == INDEX and self.seen % 100 == 12:
            if "kill" in what:
                os.kill(os.getpid(), signal.SIGKILL)
            if "terminate" in what:
                os.kill(os.getpid(), signal.SIGTERM)
            if "raise" in what:
                raise ValueError(f"a hook raised on process {INDEX}")

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


own = str(INDEX) if "unshared" in what else ""
model, happens = dense(), Happens()
data = (Source(),) if "stream" in what else (X[:80], LABELS[:80])
callbacks = [
    happens,
    BackupAndRestore(folder / own / "run", save_freq=5, in_parts="orbax" in what or None),
    CSVLogger(folder / "log.csv"),
]
options = {} if "stream" in what else {"batch_size": 16}
history = model.fit(*data, epochs=4, verbose=0, seed=1, callbacks=callbacks, **options)
digest = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()
print(json.dumps({"digest": digest, "loss": history.history["loss"], "seen": happens.seen}), flush=True)
