"""Fits in several processes, one after the other; prints what became of each, in a line of JSON: `several.py FOLDER`."""

import json
import os
import sys
import time
import warnings
from pathlib import Path

os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from distributed import BATCH, LABELS, X, dense, without_momentum
from joined import COUNT, INDEX, join

from epochal import distribution, set_random_seed
from epochal.callbacks import Callback, CSVLogger, Every, LambdaCallback, ModelCheckpoint, TensorBoard
from epochal.distribution import DataParallel, LayoutMap, ModelParallel

warnings.simplefilter("error")
FOLDER = Path(sys.argv[1])
join(heartbeat_seconds=3, late_seconds=20)
SITUATIONS = []
DATA_PARALLEL = DataParallel()
set_random_seed(3)
MODEL = without_momentum()
FIRST = MODEL.get_weights()


def situation(function):
    SITUATIONS.append(function)
    return function


def trained(*callbacks, seed=3, model=None, x=X, y=LABELS, **options):
    """Train for two epochs; return the logs, the weights, and for how many batches hooks were called."""
    model = model or fresh(seed)
    options = {"epochs": 2, "verbose": 0, "seed": 1, "callbacks": list(callbacks)} | options
    if y is not None:
        options |= {"batch_size": BATCH, "validation_data": (X[:20], LABELS[:20])}
    logs = model.fit(x, y, **options).history
    weights = model.get_weights()
    seen = [callback.seen for callback in callbacks if hasattr(callback, "seen")]
    return {"logs": logs, "weights": np.concatenate([w.ravel() for w in weights]).tolist(), "seen": seen}


def fresh(seed=3):
    """Return a model that nobody has trained: one for all, with its first weights, since compiling takes long."""
    if seed != 3 or distribution.distribution() is not DATA_PARALLEL:
        set_random_seed(seed)
        return dense()
    MODEL.set_weights(FIRST)
    return MODEL


class Hook(Callback):
    """Calls a function after each batch, and counts the batches."""

    def __init__(self, function=lambda model, count: None, cadence=None, **attributes):
        self.function, self.cadence, self.seen = function, cadence, 0
        vars(self).update(attributes)

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        self.function(self.model, self.seen)


@situation
def plain():
    model = fresh()
    return trained(model=model) | {
        "evaluated": model.evaluate(X, LABELS, verbose=0),
        "predicted": model.predict(X[:21], batch_size=8).tolist(),
    }


@situation
def the_second_is_slower():
    return trained(Hook(lambda model, count: time.sleep(0.02 * INDEX), Every(3, "batch")))


@situation
def the_second_stops_amid_an_epoch():
    def stop(model, count):
        model.stop_training = INDEX == 1 and count == 5

    return trained(Hook(stop))


@situation
def the_second_looks_amid_an_epoch():
    looks = []

    def look(model, count):
        if INDEX == 1 and count == 4:
            looks.append(float(model.get_weights()[0].sum()))

    return trained(Hook(look), Hook(cadence=Every(0.003, "second"))) | {"looks": looks}


@situation
def a_hook_by_the_second_reads_weights():
    def look(model, count):
        time.sleep(0.005 * (1 + 4 * INDEX))
        model.get_weights()

    return trained(Hook(look, Every(0.02, "second")), epochs=12)


@situation
def only_the_primary_looks_and_writes():
    files = [
        CSVLogger(FOLDER / "log.csv"), TensorBoard(str(FOLDER / "board"), histogram_freq=1),
        ModelCheckpoint(FOLDER / "weights-{epoch}.h5", save_weights_only=True),
    ]  # fmt: skip
    only = Hook(lambda model, count: model.get_weights(), primary_only=True)
    return trained(only, *files)


@situation
def each_gives_its_part_of_every_batch():
    def parts():
        for start in range(0, 84, BATCH):
            rows = np.arange(start, min(start + BATCH, 84)).reshape(COUNT, -1)[INDEX]
            time.sleep(0.01 * INDEX)
            yield X[rows], LABELS[rows]

    class Source:
        __iter__ = staticmethod(parts)

    size = LambdaCallback(on_batch_end=lambda batch, logs: sizes.append(logs["size"]))
    sizes = []
    return trained(size, x=Source(), y=None) | {"sizes": sizes}


@situation
def weights_in_parts():
    distribution.set_distribution(ModelParallel(LayoutMap({"dense.*kernel": ("batch",)}), {"batch": COUNT}))
    model = fresh()
    result = trained(model=model)
    kernel = model.layers[0].affine.kernel.get_value()
    return result | {"shard": kernel.addressable_shards[0].data.shape, "predicted": model.predict(X[:21]).tolist()}


# What all of them are told, and may catch


@situation
def seeds_differ():
    return trained(seed=INDEX)


@situation
def epochs_and_data_differ():
    return trained(epochs=2 + INDEX, x=X + INDEX)


@situation
def the_second_sets_a_weight_alone():
    def write(model, count):
        if INDEX == 1 and count == 3:
            model.set_weights([2 * weight for weight in model.get_weights()])

    return trained(Hook(write, Every(1, "batch")))


@situation
def the_primary_evaluates_alone():
    def evaluate(epoch, logs):
        if distribution.is_primary():
            model.evaluate(X, LABELS, verbose=0)

    model = fresh()
    return trained(LambdaCallback(on_epoch_end=evaluate), model=model)


@situation
def the_primary_reads_weights_in_parts_alone():
    distribution.set_distribution(ModelParallel(LayoutMap({"dense/kernel": ("batch",)}), {"batch": COUNT}))
    model = fresh()

    def read(epoch, logs):
        if distribution.is_primary():
            model.get_weights()

    return trained(LambdaCallback(on_epoch_end=read), model=model)


@situation
def the_second_has_fewer_batches():
    rows = np.arange(INDEX, 80 if INDEX == 0 else 64, COUNT)
    batches = [(X[part], LABELS[part]) for part in np.split(rows, len(rows) // 8)]
    return trained(x=batches, y=None)


@situation
def the_second_has_smaller_batches():
    size = 8 - INDEX
    return trained(x=[(X[:size], LABELS[:size])] * 3, y=None)


@situation
def nothing_says_how_they_work_together():
    distribution.set_distribution(None)
    return trained()


@situation
def a_mesh_that_leaves_a_process_out():
    import jax

    return repr(DataParallel(jax.devices()[:1]))


@situation
def a_callback_of_the_primary_evaluates():  # in the primary alone an error ends the fit, and with it the others
    model = fresh()
    return trained(Hook(lambda _, count: model.evaluate(X, LABELS, verbose=0), primary_only=True), model=model)


for function in SITUATIONS:
    distribution.set_distribution(DATA_PARALLEL)
    last = function is SITUATIONS[-1]
    try:
        found = function()
    except (RuntimeError, ValueError) as error:
        if last:
            raise
        found = f"{type(error).__name__}: {error}"
    print(json.dumps([function.__name__, found]), flush=True)
