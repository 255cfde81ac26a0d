"""Stops before an epoch and within one, and what a run that was killed then makes of them."""

import pytest
from numpy_engine import Recorder, fit

from epochal.callbacks import BackupAndRestore, Callback, CSVLogger, LambdaCallback
from epochal.storage import generation


class Stops(Callback):
    """Asks to stop in a hook, the nth time."""

    def __init__(self, hook, nth=1):
        self.left = nth
        setattr(self, hook, self.stop)

    def stop(self, *arguments):
        self.left -= 1
        if self.left == 0:
            self.model.stop_training = True

    def state_dict(self):
        return {}


@pytest.mark.parametrize(
    ("hook", "nth", "rows"), [("on_train_begin", 1, 0), ("on_epoch_begin", 1, 0), ("on_epoch_begin", 3, 2)]
)
def test_an_epoch_that_was_stopped_before_it_began_leaves_nothing_and_comes_when_asked_for(tmp_path, hook, nth, rows):
    log, begun = CSVLogger(tmp_path / "log.csv"), []
    history = fit([Stops(hook, nth), log, BackupAndRestore(tmp_path / "run")], epochs=5)
    assert history.epoch == list(range(rows))
    assert (tmp_path / "log.csv").exists() == (rows > 0)
    watch = LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch))
    assert fit([CSVLogger(tmp_path / "log.csv"), watch, BackupAndRestore(tmp_path / "run")], epochs=6).epoch == [
        *range(6)
    ]
    assert begun == list(range(rows, 6))
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 7


class Killed(Exception):
    pass


def test_a_stop_within_an_epoch_ends_it_also_in_a_run_that_was_killed_there(tmp_path):
    def kill(epoch, logs):
        raise Killed

    stops = lambda: Stops("on_train_batch_end", 5)
    whole = fit([stops(), BackupAndRestore(tmp_path / "whole", save_freq=1)], epochs=5)
    with pytest.raises(Killed):
        fit([stops(), LambdaCallback(on_epoch_end=lambda e, logs: e == 1 and kill(e, logs)),
             BackupAndRestore(tmp_path / "run", save_freq=1)], epochs=5)  # fmt: skip
    recorder = Recorder()
    resumed = fit([recorder, BackupAndRestore(tmp_path / "run", save_freq=1)], epochs=5)
    assert resumed.history == whole.history
    assert recorder.names() == ["on_train_begin", "on_epoch_end", "on_train_end"]
    assert generation.read(max((tmp_path / "run").glob("*.run")))["end"]
