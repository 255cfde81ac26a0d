"""A finished run gives back what it ended with, and goes on only if there are more epochs to do."""

import numpy as np
import pytest
from interrupted import Fails, Stop, train
from numpy_engine import NumpyEngine, Recorder, fit

from epochal.callbacks import BackupAndRestore, Callback, LambdaCallback


def test_a_finished_run_gives_back_what_it_ended_with_and_calls_no_hook(tmp_path, capsys):
    whole = train(tmp_path)
    recorder = Recorder()
    assert train(tmp_path, more=[recorder]) == whole
    assert recorder.calls == []
    assert capsys.readouterr().out == f"{tmp_path}/run/ is finished (4 epochs); raise epochs or delete it to train.\n"


def test_a_run_that_a_callback_stopped_says_where_and_how_it_goes_on(tmp_path, capsys):
    stopping = LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(stopping.model, "stop_training", epoch >= 1))
    for epochs in (50, 50, 51):
        history = fit([BackupAndRestore(tmp_path), stopping], epochs)
    assert history.epoch == [0, 1, 2]
    expected = f"{tmp_path}/ was stopped after 2 of 50 epochs (LambdaCallback has set model.stop_training); raise epochs above 50 or delete it to train.\n"
    assert capsys.readouterr().out == expected


def test_why_a_run_was_stopped_is_said_when_it_is_started_again(tmp_path, capsys):
    stopping = LambdaCallback(on_epoch_end=lambda epoch, logs: stopping.ask_to_stop("it is late."))
    for _ in range(2):
        fit([BackupAndRestore(tmp_path), stopping], 9)
    expected = (
        f"{tmp_path}/ was stopped after 1 of 9 epochs (it is late); raise epochs above 9 or delete it to train.\n"
    )
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(("save_freq", "where"), [("epoch", "epoch 1"), (2, "batch 1 of epoch 2")])
def test_a_resumed_run_says_where_it_goes_on_unless_it_is_to_be_silent(tmp_path, capsys, save_freq, where):
    for verbose in (0, 1, 0):
        with pytest.raises(Stop):
            fit([BackupAndRestore(tmp_path, save_freq), Fails(5)], verbose=verbose)
    assert capsys.readouterr().out == f"{tmp_path}/: going on after {where}.\n"


def test_a_finished_run_touches_no_file(tmp_path):
    train(tmp_path)
    looks = lambda: {
        p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in tmp_path.rglob("*") if p.suffix in (".csv", ".run")
    }
    before = looks()
    train(tmp_path)
    assert looks() == before


def test_what_on_train_end_did_is_given_back_but_raised_epochs_go_on_from_before_it(tmp_path):
    class Zeroes(Callback):
        def on_train_end(self, logs=None):
            self.model.set_weights([np.zeros(2)])

    assert train(tmp_path / "run", epochs=2, more=[Zeroes()])[0] == [0, 0]
    assert train(tmp_path / "run", epochs=2, more=[Zeroes()])[0] == [0, 0]
    assert train(tmp_path / "run") == train(tmp_path / "whole")


def test_several_callbacks_that_save_a_run_share_one_copy_of_its_end(tmp_path):
    class Counts(NumpyEngine):
        def state_dict(self, in_parts=False):
            copies.append(self)
            return super().state_dict(in_parts)

    copies = []
    fit([BackupAndRestore(tmp_path / "a")], engine=Counts)
    of_one = len(copies)
    fit([BackupAndRestore(tmp_path / "b"), BackupAndRestore(tmp_path / "c")], engine=Counts)
    assert len(copies) - of_one == of_one


def test_a_finished_run_with_fewer_epochs_is_finished(tmp_path, capsys):
    train(tmp_path, epochs=4)
    train(tmp_path, epochs=2)
    assert "is finished (4 epochs)" in capsys.readouterr().out
