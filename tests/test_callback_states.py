"""Which saved state goes to which callback: by class and by what identifies them, wherever they stand."""

import re
import shutil

import numpy as np
import pytest
from killed_runs import newest
from numpy_engine import Recorder, X, Y, fit

from epochal.callbacks import BackupAndRestore, Callback, CSVLogger, EarlyStopping, ModelCheckpoint, TerminateOnNaN
from epochal.core import callback_states
from epochal.data.array_data import ArrayData
from epochal.storage import generation


class Follows(Callback):
    """Counts epochs for a purpose."""

    def __init__(self, purpose, **more):
        self.purpose, self.more, self.epochs = purpose, more, 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1

    def identity(self):
        return {"purpose": self.purpose, **self.more}

    def state_dict(self):
        return {"epochs": self.epochs}

    def load_state_dict(self, state):
        self.epochs = state["epochs"]


def run(folder, *callbacks, epochs=2):
    fit([*callbacks, BackupAndRestore(folder)], epochs=epochs)
    return [callback.epochs for callback in callbacks if isinstance(callback, Follows)]


def following(*purposes, at=0):
    made = [Follows(purpose) for purpose in purposes]
    for step, callback in enumerate(made):
        callback.epochs = at + 10 * step
    return made


def test_another_order_and_one_more_of_the_class(tmp_path):
    assert run(tmp_path, *following("a", "b")) == [2, 12]
    with pytest.warns(UserWarning, match=r"Follows\(purpose='c'\) was not there when the run was saved") as told:
        assert run(tmp_path, *following("c", "b", "a"), epochs=3) == [1, 13, 3]
    assert len(told) == 1


def test_one_removed_is_told(tmp_path):
    run(tmp_path, *following("a", "b"))
    with pytest.warns(UserWarning, match=r"saved state of Follows\(purpose='a'\) finds no such callback"):
        assert run(tmp_path, *following("b"), epochs=3) == [13]


def test_equal_ones_are_told_apart_by_their_number_among_equals(tmp_path):
    run(tmp_path, *following("a", "a", "b"))
    assert run(tmp_path, *following("b", "a", "a"), epochs=3) == [23, 3, 13]


def test_another_class_between_them_changes_nothing(tmp_path):
    run(tmp_path, *following("a", "b"))
    first, second = following("a", "b")
    assert run(tmp_path, first, Recorder(), TerminateOnNaN(), second, epochs=3) == [3, 13]


@pytest.mark.parametrize(
    ("then", "now", "belongs"),
    [
        ("run/a.csv", "run/a.csv", True),
        ("run/a.csv", "./run/../run/a.csv", True),
        ("run/a.csv", "elsewhere/a.csv", True),  # a folder that was moved
        ("run/a.csv", "run/b.csv", False),
    ],
)
def test_paths_are_compared_by_where_they_lead(tmp_path, monkeypatch, then, now, belongs):
    monkeypatch.chdir(tmp_path)
    states = {path: callback_states.identities_of([CSVLogger(path)], "run")[0] for path in (then, now)}
    assert (callback_states._closeness(states[then], states[now]) > 0) is belongs


def test_of_two_that_moved_each_finds_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    then = callback_states.identities_of([CSVLogger("old/a/log.csv"), CSVLogger("old/b/log.csv")], "save")
    now = callback_states.identities_of([CSVLogger("new/b/log.csv"), CSVLogger("new/a/log.csv")], "save")
    assert {at: then.index(known) for at, known in callback_states._pairs(then, now)} == {0: 1, 1: 0}


def test_a_folder_renamed_with_all_that_is_in_it_goes_on(tmp_path):
    def go(folder, epochs):
        fit(
            [EarlyStopping("loss"), CSVLogger(folder / "log.csv", append=True), BackupAndRestore(folder / "run")],
            epochs=epochs,
        )
        return (folder / "log.csv").read_text()

    whole = go(tmp_path / "whole", 4)
    go(tmp_path / "first", 2)
    shutil.move(tmp_path / "first", tmp_path / "second")
    assert go(tmp_path / "second", 4) == whole
    assert not (tmp_path / "first").exists()


def test_a_file_says_nothing_of_where_it_lies(tmp_path):
    for name in ("a", "b"):
        data = ArrayData(X, Y, batch_size=4, seed=1)
        fit([CSVLogger(tmp_path / name / "log.csv"), BackupAndRestore(tmp_path / name / "run")], data=data)
    assert newest(tmp_path / "a").read_bytes() == newest(tmp_path / "b").read_bytes()


def test_what_monitors_something_else_is_another(tmp_path):
    fit([EarlyStopping("loss"), BackupAndRestore(tmp_path)])
    with pytest.warns(UserWarning) as told:
        fit([EarlyStopping("error", mode="max"), BackupAndRestore(tmp_path)], epochs=3)
    (text,) = [str(warning.message) for warning in told]
    assert "the saved state of EarlyStopping(monitor='loss', mode='min') finds no such callback" in text
    assert "EarlyStopping(monitor='error', mode='max') was not there when the run was saved and starts afresh" in text


def test_one_more_checkpoint_does_not_take_anothers_best(tmp_path):
    def best(name):
        return ModelCheckpoint(tmp_path / name, monitor="loss", save_best_only=True)

    first, second = best("a"), best("b")
    first.monitor.best, second.monitor.best = 1.0, 2.0
    then = callback_states.collect([first, second], str(tmp_path), set())
    again = [best("c"), best("b"), best("a")]
    told = callback_states.restore(then, again, str(tmp_path))
    assert [callback.best for callback in again] == [None, 2.0, 1.0]
    assert [re.findall(r"filepath='(\w)'", line) for line in told] == [["c"]]


# States that are no states


class Odd(Follows):
    def __init__(self, *values):
        super().__init__("odd")
        self.values = values

    def state_dict(self):
        return {"value": self.values[0]}

    def load_state_dict(self, state):
        self.values = (state["value"],)


@pytest.mark.parametrize(
    ("value", "back"), [(np.float32(0.5), 0.5), ((1, (2, 3)), [1, [2, 3]]), (np.int64(3), 3), (np.bool_(True), True)]
)
def test_numpy_numbers_and_tuples_come_back_as_plain_ones(tmp_path, value, back):
    fit([Odd(value), BackupAndRestore(tmp_path)])
    odd = Odd(None)
    fit([odd, BackupAndRestore(tmp_path)], epochs=3)
    assert odd.values == (back,)


@pytest.mark.parametrize("value", [{1, 2}, object(), lambda: 1, {1: 2}])
def test_what_no_file_can_hold_names_the_callback(tmp_path, value):
    with pytest.raises(TypeError, match=r"state\.callbacks\.Odd\(purpose='odd'\)/0"):
        fit([Odd(value), BackupAndRestore(tmp_path)])


def test_a_state_dict_that_raises_is_named_and_leaves_what_was_saved(tmp_path):
    class Raises(Follows):
        def state_dict(self):
            return {"epochs": 1 / (2 - self.epochs)}

    with pytest.raises(ZeroDivisionError) as caught:
        fit([Raises("x"), BackupAndRestore(tmp_path)], epochs=4)
    assert caught.value.__notes__ == [
        "This was raised by the state_dict of Raises(purpose='x')/0 when the run was saved."
    ]
    assert generation.read(max(tmp_path.glob("*.run")))["epoch"] == 1


def test_a_load_state_dict_that_raises_is_named(tmp_path):
    run(tmp_path, *following("a"))

    class Forgot(Follows):
        def load_state_dict(self, state):
            raise KeyError("batches")

    Forgot.__name__ = "Follows"
    with pytest.raises(KeyError) as caught:
        run(tmp_path, Forgot("a"), epochs=3)
    assert (
        "raised by the load_state_dict of Follows(purpose='a')/0 when the run was resumed" in caught.value.__notes__[0]
    )


def test_an_identity_of_other_things_is_refused(tmp_path):
    with pytest.raises(
        TypeError, match=r"Follows\.identity\(\) has 'of': \[1\]; it has plain values and paths by name"
    ):
        run(tmp_path, Follows("a", of=[1]))


def test_one_that_has_no_state_before_the_first_epoch_is_no_error(tmp_path):
    class Late(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.last = epoch

        def state_dict(self):
            return {"last": self.last}

        def load_state_dict(self, state):
            self.last = state["last"]

    fit([Late(), BackupAndRestore(tmp_path, keep=9)], epochs=2)
    first, second, *_ = (generation.read(path) for path in sorted(tmp_path.glob("*.run")))
    assert (first["count"], "Late/0" in first["callbacks"]) == (0, False)
    assert second["callbacks"]["Late/0"] == {"last": 0}
