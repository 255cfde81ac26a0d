"""What TensorBoard logs cost."""

import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks import workloads
from benchmarks.contest import best_of, report
from epochal.callbacks import Callback, TensorBoard
from epochal.layers import Dense
from epochal.models import Sequential


class EpochTime(Callback):
    """The time of the last epoch, until everything that it logged is in its files."""

    is_sink = True

    def on_epoch_begin(self, epoch, logs=None):
        self.writer.put(lambda: None).wait()
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.writer.put(lambda: None).wait()
        self.seconds = time.perf_counter() - self.started


def fitting(name, callbacks, model=None):
    """Return a contestant that trains an epoch with `fit`, in its second epoch, when all is compiled."""
    x, y, batch = workloads.arrays(name)
    model = model or workloads.model(name)

    def epoch():
        timer = EpochTime()
        model.fit(x, y, batch_size=batch, epochs=2, verbose=0, callbacks=[*callbacks(), timer])
        return timer.seconds

    return epoch


def bare_writer(name, folder):
    """Return a contestant that gives an epoch's batch scalars to the `tensorboard` package's own writer."""
    sys.modules.setdefault("tensorboard.compat.notf", sys)  # so that it doesn't look for TensorFlow
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    x, _, batch = workloads.arrays(name)

    def epoch():
        writer = EventFileWriter(folder)
        start = time.perf_counter()
        for step in range(len(x) // batch):
            values = [Summary.Value(tag=tag, simple_value=0.5) for tag in ("batch_loss", "batch_accuracy")]
            writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        writer.flush()
        seconds = time.perf_counter() - start
        writer.close()
        return seconds

    return epoch


def scalars(folder):
    model = workloads.model("softmax")
    best = best_of(
        {
            "fused": workloads.fused("softmax"),
            "without": fitting("softmax", list, model),
            "epoch": fitting("softmax", lambda: [TensorBoard(folder)], model),
            "batch": fitting("softmax", lambda: [TensorBoard(folder, update_freq="batch")], model),
        },
        rounds=25,
    )
    print("softmax:", ", ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in best.items()), "ms an epoch")
    report("scalars each epoch add", best["epoch"] / best["without"] - 1, 0.02)
    report("update_freq='batch' / fused", best["batch"] / best["fused"], 1.5)
    best = best_of(
        {
            "bare writer": bare_writer("tiny", folder),
            "batch": fitting("tiny", lambda: [TensorBoard(folder, update_freq="batch")]),
        },
        rounds=5,
    )
    print("tiny:", ", ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in best.items()), "ms an epoch")
    report("update_freq='batch', training included / the bare writer", best["batch"] / best["bare writer"], 1.2)


class Blocked(TensorBoard):
    """Notes how long its hook keeps the training waiting at each epoch's end."""

    def on_epoch_end(self, epoch, logs=None):
        start = time.perf_counter()
        super().on_epoch_end(epoch, logs)
        self.seconds = [*getattr(self, "seconds", []), time.perf_counter() - start]


def wide_model():
    """Return a model of 5 million weights and the data of one short epoch."""
    model = Sequential([Dense(1000, activation="relu", input_dim=1500), Dense(3500)])
    model.compile(loss="mse", optimizer="sgd")
    return model, np.zeros((64, 1500), np.float32), np.zeros((64, 3500), np.float32)


def histograms(folder):
    model, x, y = wide_model()
    callback = Blocked(folder, histogram_freq=1)
    model.fit(x, y, epochs=8, verbose=0, validation_data=(x[:1], y[:1]), callbacks=[callback])
    weights = model.get_weights()
    start = time.perf_counter()
    for weight in weights:
        np.histogram(weight, 30)
    numpy_seconds = time.perf_counter() - start
    print(f"{sum(w.size for w in weights):,} weights: numpy.histogram takes {numpy_seconds * 1e3:.0f} ms")
    blocked = max(callback.seconds[1:])
    report("histograms block the training an epoch by", blocked * 1e3, max(150, 10 * numpy_seconds * 1e3), "ms")


class Peak:
    """Looks at the process's memory every millisecond in a thread of its own.

    Attributes:
        megabytes: The most there was.
    """

    def __enter__(self):
        self.megabytes, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self):
        while not self._stop.wait(0.001):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.megabytes = max(self.megabytes, pages * resource.getpagesize() / 2**20)

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def memory(folder):
    """Return by how much histograms raise a fit's peak memory, in units of the model's weights."""
    model, x, y = wide_model()
    validation = (x[:1], y[:1])
    peaks = []
    for freq in (0, 1, 0, 1):  # the first two bring everything that stays
        with Peak() as peak:
            callbacks = [TensorBoard(folder, histogram_freq=freq)]
            model.fit(x, y, epochs=6, verbose=0, validation_data=validation, callbacks=callbacks)
        peaks.append(peak.megabytes)
    weights = sum(weight.nbytes for weight in model.get_weights()) / 2**20
    return (peaks[3] - peaks[2]) / weights


def main():
    with tempfile.TemporaryDirectory() as folder:
        scalars(str(Path(folder) / "scalars"))
        histograms(str(Path(folder) / "histograms"))
        report("peak memory of histograms, in units of the weights", memory(str(Path(folder) / "memory")), 2)
