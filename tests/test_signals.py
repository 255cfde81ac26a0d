"""Ctrl-C and SIGTERM: when they are heard, and what they leave."""

import functools
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy_engine import NumpyEngine, Recorder, SpanOfRows, X, Y, fit, make_run

from epochal.callbacks import Callback, WhenNotFinite
from epochal.core import loop
from epochal.core.signals import Signals
from epochal.data.inputs import from_batches


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


class Interrupts(Callback):
    """Presses Ctrl-C in a hook and notes whether the hook went on."""

    went_on = False

    def __init__(self, hook):
        setattr(self, hook, self._interrupt)

    def _interrupt(self, *arguments):
        ctrl_c()
        self.went_on = True


@pytest.mark.parametrize(
    "hook", ["on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_epoch_end"]
)
def test_ctrl_c_in_a_hook_raises_there_and_then(hook):
    recorder, interrupts = Recorder(), Interrupts(hook)
    with pytest.raises(KeyboardInterrupt):
        fit([interrupts, recorder])
    assert not interrupts.went_on
    assert recorder.names()[-1] == "on_exception"


def test_ctrl_c_while_the_users_data_are_waited_for_raises_there_and_then():
    released, went_on = threading.Event(), []

    def batches():
        yield X, Y
        ctrl_c()
        released.wait(60)
        went_on.append(True)

    with pytest.raises(KeyboardInterrupt):
        fit(data=from_batches(batches(), 2, arrange=lambda *batch: batch))
    assert went_on == []
    released.set()


class InterruptedEngine(NumpyEngine):
    """Presses Ctrl-C while it works: before it stores the new state, or while it is waited for."""

    waited = False

    def __init__(self, model, times, waiting=False):
        super().__init__(model)
        self.times, self.waiting = times, waiting

    def train(self, span, stop_when_not_finite, behind=None):
        if not self.waiting:
            self.interrupt()
        result = super().train(span, stop_when_not_finite)
        return Waited(result.rows(), span.chunk.size, self) if self.waiting else result

    def interrupt(self):
        for _ in range(self.times):
            ctrl_c()


class Waited(SpanOfRows):
    def __init__(self, rows, size, engine):
        super().__init__(rows, size)
        self.engine = engine

    def count(self):
        self.engine.interrupt()
        self.engine.waited = True
        return super().count()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_waits_until_the_new_state_is_stored(times):
    recorder = Recorder()
    run = make_run([recorder], engine=functools.partial(InterruptedEngine, times=times))
    with pytest.raises(KeyboardInterrupt):
        loop.fit(run)
    assert run.engine.spans == [1]
    assert np.any(run.model.weights)
    assert recorder.names()[-2:] == ["on_train_batch_begin", "on_exception"]


@pytest.mark.parametrize(("times", "waited"), [(1, True), (2, False)])
def test_a_second_ctrl_c_raises_at_once(times, waited):
    engine = functools.partial(InterruptedEngine, times=times, waiting=True)
    run = make_run([Recorder(WhenNotFinite())], engine=engine)  # somebody who makes the loop wait for each span
    with pytest.raises(KeyboardInterrupt):
        loop.fit(run)
    assert run.engine.waited is waited


def test_the_old_handler_is_put_back():
    old = signal.getsignal(signal.SIGINT)
    fit()
    assert signal.getsignal(signal.SIGINT) is old
    with pytest.raises(KeyboardInterrupt):
        fit([Interrupts("on_epoch_end")])
    assert signal.getsignal(signal.SIGINT) is old
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


def test_a_fit_inside_a_fit_puts_the_outer_ones_handler_back():
    handlers = []

    class Nested(Callback):
        def on_epoch_end(self, epoch, logs=None):
            handlers.append(signal.getsignal(signal.SIGINT))
            fit(epochs=1)
            handlers.append(signal.getsignal(signal.SIGINT))

    fit([Nested()], epochs=1)
    assert handlers[0] == handlers[1] != signal.getsignal(signal.SIGINT)


def test_a_ctrl_c_that_the_process_ignores_stays_ignored():
    interrupts = Interrupts("on_epoch_end")
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        fit([interrupts])
    finally:
        signal.signal(signal.SIGINT, old)
    assert interrupts.went_on


def test_outside_the_main_thread_no_handler_is_installed():
    handlers = []

    class Looks(Callback):
        def on_epoch_end(self, epoch, logs=None):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=fit, args=([Looks()],), kwargs={"epochs": 1})
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_sigterm_is_left_alone_where_nothing_can_be_saved():
    handlers = []

    class Looks(Callback):
        def on_epoch_end(self, epoch, logs=None):
            handlers.append(signal.getsignal(signal.SIGTERM))

    fit([Looks()], epochs=1)
    assert handlers == [signal.getsignal(signal.SIGTERM)]


def test_where_a_run_can_be_saved_a_first_ctrl_c_waits_for_the_moments_end_and_a_second_does_not():
    signals = Signals(can_save=True)
    with signals.handled():
        ctrl_c()
        signals.deliver_early()
        assert signals.pending
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()
        assert not signals.pending


RANDOM_INTERRUPTS = """
import os, random, signal, threading, time
import numpy as np
from epochal.layers import Dense
from epochal.models import Sequential

x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
model = Sequential([Dense(8, activation="relu", input_dim=8), Dense(8)])
model.compile(loss="mse", optimizer="adam")
model.fit(x, x, batch_size=16, epochs=1, verbose=0)
random.seed(0)
for attempt in range(100):
    try:
        threading.Timer(random.uniform(0, 0.02), os.kill, (os.getpid(), signal.SIGINT)).start()
        model.fit(x, x, batch_size=16, epochs=10**9, verbose=0)
    except KeyboardInterrupt:
        pass
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    assert len(model.fit(x, x, batch_size=16, epochs=1, verbose=0).history["loss"]) == 1
print("interrupted", attempt + 1, "times")
"""


def test_a_model_never_loses_its_arrays_whenever_ctrl_c_comes():
    done = subprocess.run(
        [sys.executable, "-c", RANDOM_INTERRUPTS], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "interrupted 100 times\n", done.stderr


SIGTERM = """
import signal, sys
sys.path.insert(0, "tests")
from numpy_engine import fit
from epochal.callbacks import Callback


class Saves(Callback):
    save_due = False

    def restore_run(self, identity):
        return None

    def wait(self):
        pass

    def save_run(self, state):
        print("saved", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            signal.raise_signal(signal.SIGTERM)
            print("heard", flush=True)

    def close(self):
        print("closed", flush=True)


fit([Saves()], epochs=10)
print("never", flush=True)
"""


def test_sigterm_saves_the_run_closes_the_callbacks_and_is_sent_again():
    done = subprocess.run([sys.executable, "-c", SIGTERM], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "heard\nsaved\nclosed\n"), done.stderr
