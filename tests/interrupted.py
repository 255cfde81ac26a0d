"""Runs that fail in mid-epoch, and everything that they remember."""

from numpy_engine import Model, X, Y, fit

from epochal.callbacks import BackupAndRestore, Callback, CSVLogger, Every, History
from epochal.data.array_data import ArrayData


class Stop(Exception):
    """Stands for what ends a process."""


class Fails(Callback):
    """Raises after so many batches, counted in all epochs, or in a hook (of an epoch); what was saved before is on the disk then."""

    def __init__(self, batch=None, hook="on_train_batch_end", epoch=None):
        self.cadence, self.epoch = Every(batch or 1, "batch"), epoch
        setattr(self, hook, self._fail)

    def _fail(self, *arguments):
        if self.epoch is None or self.epoch == arguments[0]:
            raise Stop

    def state_dict(self):
        return {}


class Diary(Callback):
    """A user's callback that remembers the loss of every batch."""

    replay = True

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])

    def state_dict(self):
        return {"losses": self.losses}

    def load_state_dict(self, state):
        self.losses = list(state["losses"])


def shuffled(seed=None, **options):
    return ArrayData(X, Y, shuffle=True, seed=seed, **{"batch_size": 4} | options)


def train(folder, epochs=4, fails=None, save_freq=2, data=None, more=(), seed=7, **options):
    """Return the weights and everything that a run remembers; None if it `fails`."""
    folder.mkdir(exist_ok=True)
    model, diary, history = Model(), Diary(), History()
    backup = BackupAndRestore(folder / "run", save_freq)
    callbacks = [diary, CSVLogger(folder / "log.csv"), backup, history, *more, *([fails] if fails else [])]
    try:
        fit(callbacks, epochs, model=model, data=data or shuffled(seed), **options)
    except Stop:
        return None
    return model.weights.tolist(), diary.losses, history.history, (folder / "log.csv").read_bytes()


class Raises(Callback):
    """Raises in one hook, in the batch or epoch given."""

    def __init__(self, hook, at=None, error=None):
        setattr(self, hook, self._raise)
        self.at, self.error = at, error or RuntimeError(f"{hook} failed")

    def _raise(self, *arguments):
        if self.at in (None, arguments[0]):
            raise self.error
