"""Callbacks of a user's own for random programs, and what ends a process in the middle of one."""

import os
import random
import signal

import numpy as np

from epochal.callbacks import Callback, Every


class Ended(BaseException):
    """Stands for what ends a process."""


class Remembers(Callback):
    """Remembers every call of some hooks with all that it is given.

    Args:
        hooks: Their names.
        replay, reads_means: See `epochal.callbacks.Callback`.
        every: How many batches it wishes between two calls; None doesn't say.
    """

    def __init__(self, hooks, replay=False, every=None, reads_means=False):
        self.replay, self.reads_means = replay, reads_means
        self.cadence = every and Every(every, "batch")
        self.calls = []
        for hook in hooks:
            setattr(self, hook, self._remembering(hook))

    def _remembering(self, hook):
        def remember(at, logs=None):
            at, logs = ("", at) if logs is None else (at, logs)
            self.calls.append(f"{hook} {at} {dict(logs)}")

        return remember

    def state_dict(self):
        return {"calls": self.calls}

    def load_state_dict(self, state):
        self.calls[:] = state["calls"]


class Acts(Callback):
    """Does something in some calls of a hook.

    Args:
        hook: Its name.
        at: What it does, by the number of the call, counted from 1.
        every: How many batches it wishes between two calls; None doesn't say.
    """

    some = ()  # what it evaluates

    def __init__(self, hook, at, every=None):
        self.hook, self.at, self.cadence = hook, at, every and Every(every, "batch")
        self.calls, self.seen = 0, []
        setattr(self, hook, self._called)

    def _called(self, epoch_or_batch, logs=None):
        self.calls += 1
        if action := self.at.get(self.calls):
            getattr(self, action)(epoch_or_batch if logs is None else logs)

    def look(self, logs):
        self.seen.append([weight.tolist() for weight in self.model.get_weights()])

    def write(self, logs):
        self.model.set_weights([weight * 0.5 for weight in self.model.get_weights()])

    def rate(self, logs):
        self.seen.append(self.model.optimizer.lr)
        self.model.optimizer.lr = self.model.optimizer.lr * 0.5

    def log(self, logs):
        if "epoch" in self.hook:
            logs["added"] = self.calls

    def stop(self, logs):
        self.model.stop_training = True

    def draw(self, logs):
        self.seen.append([random.random(), np.random.random()])

    def evaluate(self, logs):
        self.seen.append(self.model.evaluate(*self.some, verbose=0))

    def state_dict(self):
        return {"calls": self.calls, "seen": self.seen}

    def load_state_dict(self, state):
        self.calls, self.seen = state["calls"], list(state["seen"])


class Fails(Callback):
    """Ends the process in a call of a hook: a `random_programs.Fault`."""

    def __init__(self, fault):
        self.fault, self.calls = fault, 0
        self.cadence = fault.every and Every(fault.every, "batch")
        setattr(self, fault.hook, self._called)

    def _called(self, *arguments):
        self.calls += 1
        if self.calls == self.fault.at:
            self._end()

    def _end(self):
        if self.fault.kind == "error":
            raise Ended
        if self.fault.kind == "interrupt":
            raise KeyboardInterrupt
        os.kill(os.getpid(), getattr(signal, self.fault.kind))

    def state_dict(self):
        return {}


class Numbers:
    """An endless iterator over batches that can tell where it is, and go on from there."""

    def __init__(self, batches):
        self.batches, self.at = batches, 0

    def __iter__(self):
        return self

    def __next__(self):
        self.at += 1
        return self.batches[(self.at - 1) % len(self.batches)]

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


class Iterable:
    """Batches that are gone through anew in each epoch, and don't say how many they are."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


class Drawing(Iterable):
    """Batches whose samples have weights that a global generator draws when they are read."""

    def __iter__(self):
        for x, y, weight in self.batches:
            yield x, y, weight * np.random.random()


class Indexed:
    """Batches by index."""

    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, at):
        return self.batches[at]


SOURCES = {"list": list, "index": Indexed, "iterable": Iterable, "iterator": Numbers, "drawing": Drawing}
