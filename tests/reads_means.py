"""A callback that reads the means of the epoch so far."""

from epochal.callbacks import Callback, Every


class Means(Callback):
    """Keeps what its hooks get at every seventh batch."""

    reads_means = True
    cadence = Every(7, "batch")

    def __init__(self):
        self.seen = {}

    def on_train_batch_end(self, batch, logs=None):
        self.seen[batch] = dict(logs)
