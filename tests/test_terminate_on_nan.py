"""TerminateOnNaN: it stops at the very batch, and says which."""

import math

import numpy as np
import pytest
from numpy_engine import Model, Recorder, X, Y, fit

from epochal.callbacks import CSVLogger, TerminateOnNaN
from epochal.data.array_data import ArrayData


def bad(value, batch):
    y = Y.copy()
    y[4 * batch] = value
    return ArrayData(X, y, batch_size=4)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("batch", [0, 1, 2])
def test_it_stops_after_the_very_batch_and_says_which(spans_of, capsys, value, batch):
    spans_of(1000)
    terminate, recorder = TerminateOnNaN(), Recorder(replay=True)
    history = fit([terminate, recorder], epochs=5, data=bad(value, batch), validation=ArrayData(X, Y))
    assert terminate.stopped_batch == batch
    assert recorder.batches("on_train_batch_end") == list(range(batch + 1))
    assert capsys.readouterr().out == f"Epoch 1, batch {batch + 1}: the loss is {abs(value)}, terminating training.\n"
    assert history.epoch == [0]
    assert recorder.names()[-1] == "on_train_end"


def test_that_step_has_been_applied():
    model = Model()
    fit([TerminateOnNaN()], data=bad(math.nan, 0), model=model)
    assert np.isnan(model.weights).all()


def test_the_epochs_row_is_written(tmp_path):
    log = tmp_path / "log.csv"
    fit([TerminateOnNaN(), CSVLogger(log)], data=bad(math.nan, 1), validation=ArrayData(X, Y))
    assert log.read_text().splitlines() == ["epoch,loss,error,val_loss,val_error", "0,nan,nan,NA,NA"]


def test_a_finite_loss_stops_nothing():
    terminate = TerminateOnNaN()
    assert fit([terminate], epochs=3).epoch == [0, 1, 2]
    assert terminate.stopped_batch is None


def test_each_fit_starts_afresh_and_a_state_brings_back():
    terminate, other = TerminateOnNaN(), TerminateOnNaN()
    fit([terminate], data=bad(math.nan, 1))
    other.load_state_dict(terminate.state_dict())
    assert other.stopped_batch == 1
    fit([terminate])
    assert terminate.stopped_batch is None
