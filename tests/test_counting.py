"""Epochs and batches are counted from 1 in every line that is printed, as the progress bar counts them."""

import numpy as np
import pytest
from numpy_engine import Model, X, Y, make_run

from epochal.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgbarLogger,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from epochal.core import loop
from epochal.data.array_data import ArrayData
from epochal.data.stream_data import StreamData


class Saves(Model):
    def snapshot(self, weights_only, reuse=None):
        return self

    def save(self, path):
        pass


def lines(capsys, callbacks, epochs=5, values=(3, 1, 2, 2, 2), **options):
    """Return what a fit printed whose epochs log these values as `v`."""
    loop.fit(make_run(callbacks, epochs=epochs, model=Saves(), logged={"v": values}, **options))
    return capsys.readouterr().out.splitlines()


def test_early_stopping_names_epochs_as_the_bar_does(capsys):
    stopping = EarlyStopping("v", patience=2, verbose=1, mode="min", restore_best_weights=True)
    printed = lines(capsys, [stopping, ProgbarLogger()], verbose=2)
    assert [line.split(" - ")[0] for line in printed] == [
        "Epoch 1/5",
        "Epoch 2/5",
        "Epoch 3/5",
        "Epoch 4/5",
        "Epoch 4: early stopping. v was best in epoch 2: 1; epochs without improvement: 2.",
        "Restoring the weights of epoch 2.",
    ]
    assert (stopping.best_epoch, stopping.stopped_epoch) == (1, 3)  # attributes count from 0, as hooks do


def test_rates_and_files_are_told_with_their_epoch(capsys, tmp_path):
    printed = lines(
        capsys,
        [
            LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch), verbose=1),
            ReduceLROnPlateau("v", patience=2, verbose=1, mode="min"),
            ModelCheckpoint(tmp_path / "{epoch}.h5", "v", verbose=1, mode="min", save_best_only=True),
        ],
        epochs=4,
    )
    assert printed == [
        "Epoch 1: setting the learning rate to 0.1.",
        f"Epoch 1: v improved to 3, saving {tmp_path}/1.h5.",
        "Epoch 2: setting the learning rate to 0.05.",
        f"Epoch 2: v improved to 1, saving {tmp_path}/2.h5.",
        "Epoch 3: setting the learning rate to 0.0333333.",
        "Epoch 4: setting the learning rate to 0.025.",
        "Epoch 4: reducing the learning rate from 0.025 to 0.0025.",
    ]


def test_the_batch_whose_loss_is_no_number_is_named_with_its_epoch(capsys):
    class Spoils(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.weights[:] = np.nan

    terminate = TerminateOnNaN()
    printed = lines(capsys, [Spoils(), terminate], data=ArrayData(X, Y, batch_size=4))
    assert printed == ["Epoch 2, batch 1: the loss is nan, terminating training."]
    assert terminate.stopped_batch == 0


def test_a_resumed_terminate_on_nan_still_knows_its_epoch(capsys):
    before, after = TerminateOnNaN(), TerminateOnNaN()
    before.on_epoch_begin(4, {})
    after.model = Model()
    after.load_state_dict(before.state_dict())
    after.on_train_batch_end(6, {"loss": np.inf})
    assert capsys.readouterr().out == "Epoch 5, batch 7: the loss is inf, terminating training.\n"


def test_a_schedules_bad_value_is_told_with_epoch_and_call():
    schedule = LearningRateScheduler(lambda epoch, lr: None if epoch == 2 else lr)
    with pytest.raises(ValueError, match=r"for epoch 3, schedule\(2, lr\) returned None"):
        loop.fit(make_run([schedule], epochs=5))


def test_notes_on_errors_count_from_one():
    def ends():
        yield X[:4], Y[:4]
        raise OSError("disk gone")

    def prepare(batch):
        return (*batch, None)

    with pytest.raises(OSError, match="disk gone") as caught:
        loop.fit(make_run([], data=StreamData(ends(), 3, prepare)))
    assert caught.value.__notes__ == ["This was raised for batch 2 of epoch 1 of the data, counted from 1."]
    with pytest.raises(ValueError, match="after 1 batches of epoch 1; 3 were expected"):
        loop.fit(make_run([], data=StreamData(iter([(X[:4], Y[:4])]), 3, prepare)))
    with pytest.raises(ValueError, match="mismatch|operands|shape") as caught:
        loop.fit(make_run([], epochs=1, data=ArrayData(np.ones((8, 3)), np.ones(8), batch_size=4)))
    assert caught.value.__notes__[0].startswith("This was raised for batch")
    assert "of epoch 1, counted from 1" in caught.value.__notes__[0]
