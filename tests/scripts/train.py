"""Trains a small model and writes down all that comes of it: `train.py FOLDER OPTIONS`, the options as JSON.

epochs, save_freq, seconds   of the fit and its BackupAndRestore
die                          [signal, batch]: what the process sends itself after that batch, counted in all epochs
die_at                       a hook's name, for `die` without a batch
follows                      the callbacks for every batch say nothing of their cadence, so spans run ahead of them
seed                         None: not a word about seeds
ema                          SwapEMAWeights, too
own                          the layers are those inside a user's own one, which counts its training steps and adds a loss
mutant                       what is left out of the saved run
"""

import json
import os
import random
import signal
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import epochal
from epochal.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    Every,
    ModelCheckpoint,
    ReduceLROnPlateau,
    SwapEMAWeights,
)
from epochal.engines.jax.device_state import DeviceState
from epochal.layers import BatchNormalization, Dense, Dropout, Layer
from epochal.models import Sequential
from epochal.storage.generation import Generation

os.chdir(sys.argv[1])
folder = Path()
options = {
    "epochs": 5,
    "save_freq": 10,
    "seconds": None,
    "die": None,
    "die_at": None,
    "follows": False,
    "seed": 0,
    "ema": False,
    "own": False,
    "mutant": None,
}
options |= json.loads(sys.argv[2])


class Diary(Callback):
    """A user's callback that remembers the loss of every batch."""

    replay = not options["follows"]

    def on_train_begin(self, logs=None):
        self.losses, self.begun = [], []

    def on_train_batch_end(self, batch, logs=None):
        if not self.begun:
            self.begun = [len(self.losses)]
            with open(folder / "begun", "a") as file:
                print(len(self.losses), file=file)
        self.losses.append(logs["loss"])

    def close(self):
        print("closed", flush=True)

    def state_dict(self):
        return {"losses": np.array(self.losses)}

    def load_state_dict(self, state):
        self.losses = state["losses"].tolist()


class DiesFollowing(Callback):
    """Sends this process a signal in the middle of a span that has run ahead."""

    def __init__(self, diary, backup, number, batch):
        self.diary, self.backup, self.number, self.batch = diary, backup, number, batch

    def on_train_batch_end(self, batch, logs=None):
        if len(self.diary.losses) == self.batch:
            self.backup.wait()
            os.kill(os.getpid(), self.number)

    def state_dict(self):
        return {}


class Dies(Callback):
    """Sends this process a signal, after what was saved before is on the disk."""

    def __init__(self, backup, number, batch=None, hook="on_train_batch_end"):
        self.backup, self.number = backup, number
        self.cadence = Every(batch or 1, "batch")
        setattr(self, hook, self.die)

    def die(self, *arguments):
        self.backup.wait()
        os.kill(os.getpid(), self.number)

    def state_dict(self):
        return {}


def without(words):
    """Leave some arrays as they are when a state is restored."""
    restore = DeviceState.restore

    def forgetful(self, arrays):
        own = self.snapshot()
        restore(self, {path: own[path] if any(w in path for w in words) else a for path, a in arrays.items()})

    DeviceState.restore = forgetful


def appended(self, state):
    self._columns, self._length, self._warned = state["columns"], self.filename.stat().st_size, False


if options["mutant"] == "random streams":
    without(["rngs", "count"])
elif options["mutant"] == "EarlyStopping":
    EarlyStopping.load_state_dict = lambda self, state: None
elif options["mutant"] == "CSV":
    CSVLogger.load_state_dict = appended

random.seed(0)
np.random.seed(0)
if options["seed"] is not None:
    epochal.set_random_seed(options["seed"])
rng = np.random.default_rng(0)
x = rng.random((500, 8), dtype=np.float32)
y = (x @ rng.normal(size=(8, 3))).argmax(1)
layers = [Dense(8, activation="relu", input_dim=8), Dropout(0.2), BatchNormalization(), Dense(3, activation="softmax")]


class Block(Layer):
    """Has the layers in a list, a dict and a model, and state of its own: a counter, a key and a stream."""

    def __init__(self):
        super().__init__(input_dim=8)
        self.denses, self.rest = [layers[0]], {"drop": layers[1], "stack": Sequential(layers[2:])}
        self.key, self.rngs = jax.random.key(1), nnx.Rngs(noise=2)

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=None):
        if training:
            self.count.assign_add(1)
            self.key, key = jax.random.split(self.key)
            x = x + 0.01 * self.count * (jax.random.normal(key, x.shape) + self.rngs.noise.normal(x.shape))
        self.add_loss(0.01 * jnp.sum(self.scale**2))
        for dense in self.denses:
            x = dense(x * self.scale)
        return self.rest["stack"](self.rest["drop"](x, training=training))


model = Sequential([Block()] if options["own"] else layers)
model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["acc"])

every = options["save_freq"] if options["seconds"] is None else Every(options["seconds"], "second")
backup = BackupAndRestore(folder / "run", save_freq=every)
stopping = EarlyStopping("val_loss", mode="max", patience=3, restore_best_weights=True)  # the first epoch is best
checkpoint = ModelCheckpoint(folder / "best.weights.h5", "val_loss", save_best_only=True, save_weights_only=True)
diary = Diary()
callbacks = [stopping, ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=1), checkpoint]
callbacks += [CSVLogger(folder / "log.csv"), diary, backup]
if options["ema"]:
    callbacks.append(SwapEMAWeights(0.9))
if options["die"]:
    number, *batch = options["die"]
    if options["follows"]:
        callbacks.append(DiesFollowing(diary, backup, number, *batch))
    else:
        callbacks.append(Dies(backup, number, *batch, **({"hook": options["die_at"]} if options["die_at"] else {})))

before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
try:
    history = model.fit(x, y, epochs=options["epochs"], verbose=0, validation_split=0.1, callbacks=callbacks)
finally:
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

result = {
    "history": history.history,
    "rate": model.optimizer.lr,
    "losses": diary.losses,
    "stopping": [stopping.best, stopping.best_epoch, stopping.wait, stopping.stopped_epoch, stopping.stopped_reason],
    "checkpoint": checkpoint.best,
}
(folder / "result.json").write_text(json.dumps(result, indent=1))
Generation({"weights": model.get_weights()}).write(folder / "weights")
Generation(model.trainee.runtime.engine.state_dict()).write(folder / "engine")
