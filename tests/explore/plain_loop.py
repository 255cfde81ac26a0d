"""Keras's training loop in the plainest words: one batch after the other, every hook called where it is due.

What comes of a program here is what must come of it anywhere, however the real loop cuts its spans and whatever it
leaves out. Of this package it uses nothing that trains, logs or decides. It knows programs on the NumPy engine.
"""

import csv
import io
import itertools
import math
import random
from types import SimpleNamespace

import numpy as np
from models_of_programs import Numpy
from own_callbacks import Acts, Remembers
from running import SCHEDULES, given


class Plain:
    """A callback that doesn't care for a hook does nothing there."""

    every, is_sink = 1, False

    def __getattr__(self, name):
        if name.startswith("on_"):
            return lambda *arguments: None
        raise AttributeError(name)


class Monitors(Plain):
    """Follows a logged value: better is lower unless somebody says else, and by more than `min_delta`."""

    best = None

    def __init__(self, model, monitor="val_loss", mode="auto", min_delta=0.0, **settings):
        self.model, self.monitor, self.sign, self.min_delta = model, monitor, -1 if mode == "max" else 1, min_delta
        vars(self).update(settings)

    def is_better(self, value, than):
        return math.isfinite(value) and (than is None or self.sign * (than - value) > self.min_delta)


class PlainEarlyStopping(Monitors):
    wait = restore_best_weights = start_from_epoch = 0
    baseline = stopped_epoch = best_epoch = kept = None

    def on_epoch_end(self, epoch, logs):
        if self.monitor not in logs or epoch < self.start_from_epoch:
            return
        value = logs[self.monitor]
        is_enough = self.baseline is None or self.is_better(value, self.baseline)
        if self.is_better(value, self.best):
            self.best, self.best_epoch, self.kept = value, epoch, self.model.weights.copy()
            if is_enough:
                self.wait = 0
                return
        self.wait += 1
        if self.wait >= max(1, self.patience):
            self.stopped_epoch, self.model.stop_training = epoch, True

    def on_train_end(self, logs):
        if self.restore_best_weights and self.kept is not None:
            self.model.weights = self.kept

    def state(self):
        return {"wait": self.wait, "best_epoch": self.best_epoch, "stopped_epoch": self.stopped_epoch}


class PlainReduceLROnPlateau(Monitors):
    wait = resting = min_lr = 0

    def on_epoch_end(self, epoch, logs):
        logs.setdefault("lr", self.model.optimizer.lr)
        if self.monitor not in logs:
            return
        if self.is_better(value := logs[self.monitor], self.best):
            self.best, self.wait = value, 0
        elif not self.resting:
            self.wait += 1
        self.resting = max(0, self.resting - 1)
        if self.wait >= max(1, self.patience):
            self.wait, self.resting, rate = 0, self.cooldown, self.model.optimizer.lr
            if rate > self.min_lr:
                self.model.optimizer.lr = max(rate * self.factor, self.min_lr)

    def state(self):
        return {"wait": self.wait, "cooldown_counter": self.resting}


class PlainLearningRateScheduler(Plain):
    def __init__(self, model, schedule):
        self.model, self.schedule = model, schedule

    def on_epoch_begin(self, epoch, logs):
        rate = self.model.optimizer.lr
        self.model.optimizer.lr = SCHEDULES[self.schedule](*([epoch] if self.schedule == "decays" else [epoch, rate]))

    def on_epoch_end(self, epoch, logs):
        logs.setdefault("lr", self.model.optimizer.lr)


class PlainTerminateOnNaN(Plain):
    stopped_batch = None

    def __init__(self, model):
        self.model = model

    def on_train_batch_end(self, batch, logs):
        if not math.isfinite(logs["loss"]):
            self.stopped_batch, self.model.stop_training = batch, True

    def state(self):
        return {"stopped_batch": self.stopped_batch}


class PlainLambdaCallback(Plain):
    def __init__(self, model):
        pass

    def on_epoch_end(self, epoch, logs):
        logs["doubled"] = 2 * logs["loss"]


class PlainCSVLogger(Plain):
    is_sink = True

    def __init__(self, model, append):
        self.model, self.text, self.columns = model, io.StringIO(newline=""), None

    def on_epoch_end(self, epoch, logs):
        rows = csv.writer(self.text, lineterminator="\n")
        if self.columns is None:
            self.columns = list(dict.fromkeys([*self.model.metrics, *logs]))
            rows.writerow(["epoch", *self.columns])
        rows.writerow([epoch, *(logs.get(name, "NA") for name in self.columns)])


class PlainModelCheckpoint(Monitors):
    every, save_best_only, keep, period, save_freq, monitor = 1, False, None, 1, "epoch", None

    def __init__(self, model, **settings):
        super().__init__(model, **settings)
        self.files, self.epoch = {}, 0
        self.every = 1 if self.save_freq == "epoch" else self.save_freq

    def on_epoch_begin(self, epoch, logs):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs):
        if self.save_freq != "epoch":
            self.save(logs | {"batch": batch + 1})

    def on_epoch_end(self, epoch, logs):
        if self.save_freq == "epoch" and (epoch + 1) % self.period == 0:
            self.save(logs)

    def save(self, logs):
        if self.save_best_only:
            if self.monitor not in logs or not self.is_better(logs[self.monitor], self.best):
                return
            self.best = logs[self.monitor]
        name = self.filepath.format_map(logs | {"epoch": self.epoch + 1})
        self.files.pop(name, None)
        self.files[name] = self.model.weights.tobytes()
        for old in list(self.files)[: -self.keep] if self.keep else ():
            del self.files[old]


PLAIN = {name.removeprefix("Plain"): kind for name, kind in dict(globals()).items() if name.startswith("Plain")}


class Loop:
    """A fit of a program.

    Attributes:
        model: What is trained.
        listed: The callbacks in the program's order.
        history: The logs of each epoch, and `epochs` their numbers.
    """

    def __init__(self, program):
        random.seed(0)
        np.random.seed(0)
        self.data, self.program, self.options = program.data, program, given(program)
        self.model = SimpleNamespace(weights=np.zeros(2), optimizer=SimpleNamespace(lr=0.1), stop_training=False)
        self.model.metrics = ["loss", "error", *(["val_loss", "val_error"] if self.data.validation else [])]
        self.model.get_weights = lambda: [self.model.weights.copy()]
        self.model.set_weights = lambda weights: setattr(self.model, "weights", weights[0])
        self.model.evaluate = lambda x, y, verbose: list(self.means([(x, y, np.ones(len(x)))]).values())
        self.listed = [self.made(part) for part in program.callbacks]
        self.called = sorted(self.listed, key=lambda callback: callback.is_sink)
        self.epochs, self.history, self.count, self.passed = [], {}, 0, None

    def made(self, part):
        if part.kind not in ("Remembers", "Acts"):
            return PLAIN[part.kind](self.model, **part.settings)
        callback = {"Remembers": Remembers, "Acts": Acts}[part.kind](**part.settings)
        callback.model, callback.every = self.model, part.settings.get("every") or 1
        callback.some = Numpy.samples(5, None)[:2]
        return callback

    def call(self, hook, *arguments):
        for callback in self.called:
            getattr(callback, hook)(*arguments)

    def call_batch(self, hook, count, logs, so_far=None):
        for callback in self.called:
            if count % callback.every == 0:
                reads_means = so_far and getattr(callback, "reads_means", False)
                getattr(callback, hook)(logs["batch"], logs | so_far if reads_means else logs)

    # Data

    def epoch_of_batches(self, epoch):
        """Yield the batches of an epoch; with `steps`, the pass goes on where the epoch before stopped."""
        if self.data.steps is None:
            yield from self.pass_from(epoch)
            return
        batch = next(self.passed, None) if self.passed else None
        if batch is None:
            self.passed = self.pass_from(epoch)
            batch = next(self.passed)
        yield batch
        yield from itertools.islice(self.passed, self.data.steps - 1)

    def pass_from(self, epoch):
        """Yield all batches, in the order of a pass that begins in this epoch."""
        if self.data.kind == "index":
            batches = self.options["x"].batches
            return (batches[at] for at in self.order(epoch, len(batches), self.data.shuffle))
        if self.data.kind != "arrays":
            return iter(self.options["x"])
        return self.of_arrays(epoch)

    def of_arrays(self, epoch):
        x, y, weight = self.options["x"], self.options["y"], self.options["sample_weight"]
        size, samples = self.data.batch_size, self.data.samples - self.data.held_out
        starts = range(0, samples, size)
        if self.data.shuffle == "batch":
            whole = samples // size
            starts = [*(size * at for at in self.order(epoch, whole, True)), *starts[whole:]]
        order = self.order(epoch, samples, self.data.shuffle is True)
        for start in starts:
            rows = order[start : start + size]
            yield x[rows], y[rows], *([] if weight is None else [weight[rows]])

    def order(self, epoch, count, is_shuffled):
        order = np.arange(count, dtype=np.int32)
        if is_shuffled:
            np.random.default_rng((self.data.seed, epoch)).shuffle(order)
        return order

    def validation(self):
        """Return the batches of the validation."""
        if self.data.validation == "list":
            return self.options["validation_data"]
        if self.data.validation == "arrays":
            x, y, weight = self.options["validation_data"]
        else:
            first = self.data.samples - self.data.held_out
            x, y, weight = (None if part is None else part[first:] for part in (self.options[n] for n in ("x", "y", "sample_weight")))  # fmt: skip
        weight = np.ones(len(x)) if weight is None else weight
        size = self.data.batch_size if self.data.kind == "arrays" else 32
        return [(x[at : at + size], y[at : at + size], weight[at : at + size]) for at in range(0, len(x), size)]

    # Training

    def fit(self):
        model, program = self.model, self.program
        self.call("on_train_begin", {})
        epoch, logs = program.initial_epoch, {}
        while epoch < program.epochs and not model.stop_training:
            self.call("on_epoch_begin", epoch, {})
            if model.stop_training:
                break
            logs = self.epoch(epoch)
            epoch += 1
        self.call("on_train_end", logs)
        return self

    def epoch(self, epoch):
        model, batches = self.model, iter(self.epoch_of_batches(epoch))
        ended, means = True, Means()
        for number in itertools.count():
            if model.stop_training:
                ended = next(batches, None) is None
                break
            if (batch := next(batches, None)) is None:
                break
            self.train(number, batch, means)
        logs = means.values()
        if self.data.validation and (epoch + 1) % self.data.freq == 0 and ended:
            self.call("on_test_begin", {})
            found = self.means(self.validation(), hooks=True)
            self.call("on_test_end", found)
            logs |= {f"val_{name}": value for name, value in found.items()}
        self.call("on_epoch_end", epoch, logs)
        self.epochs.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        return logs

    def train(self, number, batch, means):
        x, y, weight = weighted(batch)
        self.call_batch("on_train_batch_begin", self.count + 1, {"batch": number, "size": len(x)})
        self.count += 1
        residual = x @ self.model.weights - y
        found = values(residual, weight)
        means.add(found, len(x))
        self.model.weights = self.model.weights - self.model.optimizer.lr * 2 * x.T @ (weight * residual) / len(x)
        self.call_batch(
            "on_train_batch_end", self.count, {"batch": number, "size": len(x)} | found, so_far=means.values()
        )

    def means(self, batches, hooks=False):
        means = Means()
        for number, batch in enumerate(batches):
            x, y, weight = weighted(batch)
            if hooks:
                self.count_tests = getattr(self, "count_tests", 0) + 1
                self.call_batch("on_test_batch_begin", self.count_tests, {"batch": number, "size": len(x)})
            found = values(x @ self.model.weights - y, weight)
            means.add(found, len(x))
            if hooks:
                logs = {"batch": number, "size": len(x)} | found
                self.call_batch("on_test_batch_end", self.count_tests, logs, so_far=means.values())
        return means.values()


def weighted(batch):
    x, y, *weight = batch
    return x, y, weight[0] if weight else np.ones(len(x))


def values(residual, weight):
    return {"loss": float(np.mean(weight * residual**2)), "error": float(np.mean(abs(residual)))}


class Means:
    """Means over samples of the batches' values."""

    def __init__(self):
        self.sums, self.samples = {}, 0

    def add(self, found, size):
        self.samples += size
        for name, value in found.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * size

    def values(self):
        return {name: total / self.samples for name, total in self.sums.items()}
