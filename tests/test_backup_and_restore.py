"""Runs that are killed and go on as if they had never been."""

import pytest
from interrupted import Fails, train
from killed_runs import newest
from numpy_engine import Recorder, X, Y, fit

from epochal.callbacks import BackupAndRestore, Callback, EarlyStopping, Every
from epochal.data.array_data import ArrayData
from epochal.storage import generation

# What happens when


def test_hooks_come_before_states_and_an_epoch_begins_once(tmp_path):
    train(tmp_path, fails=Fails(5))
    recorder = Recorder()
    recorder.load_state_dict = lambda state: recorder.calls.append(("load_state_dict",))
    recorder.set_model = lambda model: recorder.calls.append(("set_model",))
    recorder.set_params = lambda params: recorder.calls.append(("set_params",))
    recorder.state_dict = lambda: {"x": 1}
    train(tmp_path / "other", fails=Fails(5), more=[recorder])
    recorder.calls.clear()
    train(tmp_path / "other", epochs=3, more=[recorder])
    names = [name for name in recorder.names() if "batch" not in name]
    assert names[:5] == ["set_params", "set_model", "on_train_begin", "load_state_dict", "on_epoch_end"]
    assert recorder.batches("on_epoch_begin") == [2]
    assert recorder.batches("on_train_batch_end") == [1, 2, 0, 1, 2]


def test_nothing_is_cut_off_before_the_states_are_restored(tmp_path):
    train(tmp_path, fails=Fails(5))
    before = (tmp_path / "log.csv").read_bytes()
    train(tmp_path, fails=Fails(hook="on_train_begin"))
    assert (tmp_path / "log.csv").read_bytes() == before != b""


@pytest.mark.parametrize("batch", range(1, 12))
def test_a_run_that_failed_at_any_batch_goes_on_bit_for_bit(tmp_path, batch):
    whole = train(tmp_path / "whole")
    assert train(tmp_path / "failed", fails=Fails(batch)) is None
    assert train(tmp_path / "failed") == whole


class Adds(Callback):
    """Puts a number into the epoch logs that counts epochs."""

    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
        logs["epochs"] = self.epochs

    def state_dict(self):
        return {"epochs": self.epochs}

    def load_state_dict(self, state):
        self.epochs = state["epochs"]


@pytest.mark.parametrize("first", [True, False])
def test_a_save_is_taken_after_the_last_hook_of_its_moment(tmp_path, first):
    backup, adds, recorder = BackupAndRestore(tmp_path), Adds(), Recorder()
    recorder.is_sink = True
    recorder.state_dict = lambda: {"calls": len(recorder.calls)}
    fit([backup, adds, recorder] if first else [adds, recorder, backup], epochs=1)
    saved = generation.read(max(tmp_path.glob("*.run")))["callbacks"]
    assert saved["Adds/0"] == {"epochs": 1}
    assert saved["Recorder/0"] == {"calls": len(recorder.calls) - 1}  # all but on_train_end
    assert saved["History/0"]["history"]["epochs"] == [1]


def test_on_train_end_gets_the_last_epochs_logs_also_if_the_run_was_killed_before_it(tmp_path):
    whole, resumed = Recorder(), Recorder()
    train(tmp_path / "whole", more=[whole])
    train(tmp_path / "killed", fails=Fails(hook="on_train_end"))
    train(tmp_path / "killed", more=[resumed])
    assert resumed.logs("on_train_end") == whole.logs("on_train_end") != [{}]


class WatchesValidations(Callback):
    """Wishes to be woken at every second batch of the validations."""

    cadence = Every(2, "batch")

    def __init__(self):
        self.batches = []

    def on_test_batch_end(self, batch, logs=None):
        self.batches.append(batch)

    def state_dict(self):
        return {"batches": self.batches}

    def load_state_dict(self, state):
        self.batches = list(state["batches"])


def test_batches_of_validations_are_counted_from_the_beginning_of_the_run(tmp_path):
    def tested(folder, fails=None):
        watching = WatchesValidations()
        train(
            tmp_path / folder, fails=fails, save_freq="epoch", more=[watching], validation=ArrayData(X, Y, batch_size=4)
        )
        return watching.batches

    tested("ended", Fails(hook="on_epoch_begin", epoch=1))
    assert tested("ended") == tested("whole") == [1, 0, 2, 1, 0, 2]  # of three batches an epoch


def test_a_wish_to_stop_survives_a_kill_before_the_end(tmp_path):
    stopping = {"logged": {"val": [1.0, 2.0, 3.0, 4.0]}, "save_freq": "epoch"}
    whole = train(tmp_path / "whole", more=[EarlyStopping("val", mode="min", patience=1)], **stopping)
    assert len(whole[2]["loss"]) == 2
    train(
        tmp_path / "x",
        fails=Fails(hook="on_train_end"),
        more=[EarlyStopping("val", mode="min", patience=1)],
        **stopping,
    )
    recorder = Recorder()
    assert train(tmp_path / "x", more=[EarlyStopping("val", mode="min", patience=1), recorder], **stopping) == whole
    assert recorder.names() == ["on_train_begin", "on_train_end"]


# Callbacks


class Counts(Callback):
    """Remembers something and can't say it."""

    def __init__(self):
        self.n = 0

    def on_epoch_end(self, epoch, logs=None):
        self.n += 1


def test_a_callback_that_remembers_without_state_dict_is_named_once(tmp_path):
    with pytest.warns(UserWarning, match="Counts has no state_dict: what it remembers starts afresh") as caught:
        fit([BackupAndRestore(tmp_path, save_freq=1), Counts()], epochs=3)
    assert len(caught) == 1


def test_callbacks_without_memory_are_not_named(tmp_path):
    class Prints(Callback):
        def __init__(self):
            self.is_sink = True

        def on_epoch_end(self, epoch, logs=None):
            print(logs["loss"])

    fit([BackupAndRestore(tmp_path), Prints()])


def test_states_go_to_the_callbacks_of_the_same_class_and_number(tmp_path):
    first, second = Adds(), Adds()
    second.epochs = 10
    train(tmp_path, fails=Fails(7), more=[first, second])
    first, second = Adds(), Adds()
    train(tmp_path, more=[first, Recorder(), second], epochs=2, fails=Fails(hook="on_train_end"))
    assert (first.epochs, second.epochs) == (2, 12)


def test_a_state_that_no_file_can_hold_is_an_error_that_names_the_place(tmp_path):
    class Bad(Counts):
        def state_dict(self):
            return {"n": {1, 2}}

    with pytest.raises(TypeError, match=r"state\.callbacks\.Bad/0\.n is a set"):
        fit([BackupAndRestore(tmp_path), Bad()])


def test_an_objects_state_that_is_no_callback_of_ours_is_saved(tmp_path):
    class Plain:
        n = 0

        def on_epoch_end(self, epoch, logs):
            self.n += 1

        def state_dict(self):
            return {"n": self.n}

        def load_state_dict(self, state):
            self.n = state["n"]

    fit([BackupAndRestore(tmp_path), Plain()], epochs=2)
    plain = Plain()
    fit([BackupAndRestore(tmp_path), plain], epochs=3)
    assert plain.n == 3


# Arguments


@pytest.mark.parametrize("arguments", [{"save_freq": 0}, {"save_freq": "day"}, {"save_freq": True}, {"keep": 0}])
def test_arguments_out_of_range_are_refused(tmp_path, arguments):
    with pytest.raises(ValueError, match=r"needs a whole n|a frequency is 'epoch'|keep is how many generations stay"):
        BackupAndRestore(tmp_path, **arguments)


@pytest.mark.parametrize("save_freq", ["epoch", "batch", 5, Every(2, "epoch"), Every(3, "batch"), Every(0.5, "second")])
def test_save_freq_is_a_word_a_number_of_batches_or_an_every(tmp_path, save_freq):
    train(tmp_path, save_freq=save_freq)
    assert generation.read(newest(tmp_path))["end"]


@pytest.mark.parametrize(
    ("save_freq", "batches"), [("epoch", [0, 3, 6]), (2, [0, 2, 4, 6]), (Every(2, "epoch"), [0, 6])]
)
def test_saves_are_taken_when_they_are_due(tmp_path, save_freq, batches, monkeypatch):
    counts = []
    monkeypatch.setattr(
        BackupAndRestore,
        "save_run",
        lambda self, state: counts.append((state.count, setattr(self, "save_due", False))),
    )
    train(tmp_path, save_freq=save_freq, epochs=2)
    assert [count for count, _ in counts][:-1] == batches  # the last is the finished run
