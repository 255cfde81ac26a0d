"""Keras models of twelve kinds train on our loop as on Keras's own, and go on bit for bit where they were stopped."""

import json
import signal

import numpy as np
import pytest
from folders import SCRIPTS

from epochal.callbacks import BackupAndRestore, Callback

km = pytest.importorskip("keras_models")
Model = pytest.importorskip("epochal.keras").Model

TOLERANCE = 2e-5
"""Relative, of logs and weights: programs of another shape round differently."""


def fitted(run, kind, epochs=3, **options):
    model, x, y = km.made(kind)
    fit = model.fit if run == "keras" else Model(model).fit
    validated = {"validation_data": (x, y)} if kind in km.VALIDATED else {}
    history = fit(x, y, batch_size=km.BATCH, epochs=epochs, verbose=0, shuffle=False, **validated, **options)
    return model, history.history


def variables(model):
    return [np.asarray(v.numpy()) for v in [*model.variables, *model.optimizer.variables]]


class Stopped(Exception):
    pass


class Stops(Callback):
    """Raises after a batch of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 2):
            raise Stopped

    def state_dict(self):
        return {}


@pytest.mark.parametrize("kind", km.KINDS, ids=lambda kind: kind.__name__)
def test_history_and_weights_are_those_of_keras_and_a_run_goes_on_where_it_stopped(kind, tmp_path):
    expected, logs = fitted("keras", kind)
    model, history = fitted("ours", kind)
    assert history.keys() == logs.keys()
    for name, values in logs.items():
        np.testing.assert_allclose(history[name], values, TOLERANCE, 1e-6, err_msg=name)
    for ours, theirs in zip(variables(model), variables(expected), strict=True):
        np.testing.assert_allclose(ours.astype(float), theirs.astype(float), TOLERANCE, 1e-5)
    with pytest.raises(Stopped):
        fitted("ours", kind, callbacks=[BackupAndRestore(tmp_path, save_freq=1), Stops()])
    resumed, again = fitted("ours", kind, callbacks=[BackupAndRestore(tmp_path, save_freq=1)])
    np.testing.assert_equal(again, history)
    for ours, theirs in zip(variables(resumed), variables(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.faults
@pytest.mark.parametrize("kind", km.KINDS, ids=lambda kind: kind.__name__)
def test_killed_in_an_epoch_it_ends_as_if_it_had_not_been(kind, forks, tmp_path, long):
    if not long and kind is not km.averaged:
        pytest.skip("only with --faults")
    killed, free = tmp_path / "killed", tmp_path / "free"

    def run(folder, **options):
        folder.mkdir(exist_ok=True)
        arguments = folder, json.dumps({"kind": kind.__name__} | options)
        forks.start_script(SCRIPTS / "train_keras.py", folder / "output", *arguments)
        return forks.wait()

    assert run(killed, die=8) == -signal.SIGKILL
    assert run(killed) == 0, (killed / "output").read_text()
    assert run(free) == 0
    for name in ("variables", "history.json", "log.csv"):
        assert (killed / name).read_bytes() == (free / name).read_bytes()
    assert (killed / "begun").read_text() == "0\n1\n"
