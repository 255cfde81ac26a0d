"""Callbacks for every batch that do all that hooks may do, and what comes of a fit with them."""

import numpy as np
from numpy_engine import Model

import epochal
from epochal.callbacks import Callback, Every
from epochal.layers import BatchNormalization, Dense, Dropout
from epochal.models import Sequential

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(46, 3)), RNG.normal(size=(46, 1))


class Ended(Exception):
    """Raised by a hook."""


class Acts(Callback):
    """Records what it sees in one of the two batch hooks, and does something to the model at some batches.

    Args:
        hook: Its name.
        actions: What it does, by the number of the call.
        own_cadence: Whether it says that it wants to be woken at every batch.
        every: For each how manieth batch it wants to be woken, if not for all.
    """

    def __init__(self, hook, actions, own_cadence, every=1):
        self.actions, self.seen = actions, []
        self.cadence = Every(every, "batch") if own_cadence or every > 1 else None
        setattr(self, hook, self.act)

    def act(self, batch, logs=None):
        self.seen.append((batch, repr(dict(logs))))  # NaN isn't equal to itself
        action = self.actions.get(len(self.seen) - 1)
        if action == "look":
            self.seen.append([weight.tobytes() for weight in self.model.get_weights()])
        elif action == "write":
            self.model.set_weights([weight * 0.5 for weight in self.model.get_weights()])
        elif action == "rate":
            self.seen.append(self.model.optimizer.lr)
            self.model.optimizer.lr *= 0.5
        elif action == "log":
            logs["added"] = len(self.seen)
        elif action == "stop":
            self.model.stop_training = True
        elif action == "raise":
            raise Ended

    def state_dict(self):
        return {"seen": len(self.seen)}


ACTIONS = ("look", "write", "rate", "log", "stop", "raise")


def outcome(fit, model, plans, own_cadence, *others):
    """Return everything that can be seen of a fit: what the callbacks saw, how it ended, the weights, and the rate.

    Args:
        fit: Runs it with a list of callbacks, and returns its history.
        model: What is trained.
        plans: A hook's name and the actions of each callback, and for each how manieth batch it is, if not for all.
        own_cadence: Whether the callbacks say that they want to be woken at every batch.
        *others: More callbacks, the first in the list.
    """
    callbacks = [Acts(hook, actions, own_cadence, *every) for hook, actions, *every in plans]
    try:
        ended = fit([*others, *callbacks])
    except Ended:
        ended = "raised"
    weights = [weight.tobytes() for weight in model.get_weights()]
    return [callback.seen for callback in callbacks], repr(ended), weights, model.optimizer.lr


def toy_outcome(fit, plans, own_cadence, **options):
    """Return the outcome on the NumPy engine."""
    model = Model()
    return outcome(lambda callbacks: fit(callbacks, model=model, **options).history, model, plans, own_cadence)


def net():
    """Return a model whose steps draw random numbers and move statistics."""
    epochal.set_random_seed(5)
    model = Sequential([Dense(4, input_dim=3), BatchNormalization(), Dropout(0.2), Dense(1)])
    model.compile("adam", "mse")
    return model
