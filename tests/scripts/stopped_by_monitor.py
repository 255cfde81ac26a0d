"""A fit of several processes that somebody at a monitor's page stops during its second epoch: `… ADDRESS`."""

import sys
import time

import numpy as np
from joined import join

from epochal import distribution
from epochal.callbacks import Callback, RemoteMonitor
from epochal.layers import Dense
from epochal.models import Sequential


class Waits(Callback):
    """Waits, in the primary, until the page's wish has come."""

    primary_only = True

    def __init__(self, monitor):
        self.monitor = monitor

    def on_epoch_end(self, epoch, logs=None):
        end = time.monotonic() + 20
        while epoch == 1 and not self.monitor._outbox.stop and time.monotonic() < end:
            time.sleep(0.01)


join(heartbeat_seconds=3, late_seconds=20)
distribution.set_distribution(distribution.DataParallel())
model = Sequential([Dense(1, input_dim=3)])
model.compile(loss="mse", optimizer="sgd")
monitor = RemoteMonitor(sys.argv[1], allow_stop=True)
x, y = np.ones((16, 3), np.float32), np.ones((16, 1), np.float32)
history = model.fit(x, y, batch_size=8, epochs=6, verbose=0, callbacks=[Waits(monitor), monitor])
print("epochs:", history.epoch, model.stop_training)
