"""How a run is getting on, as the monitor reckons it: speed, time left, best values; and files of an earlier version."""

import json
import sqlite3
from pathlib import Path

import pytest

from epochal.monitor.changes import hear
from epochal.monitor.event import read_events
from epochal.monitor.runs import new_summary
from epochal.monitor.store import Store

LENGTHS = {"x-epochal-run": "a", "x-epochal-epochs": "10", "x-epochal-steps": "20"}


def event(epoch, headers=LENGTHS, **logs):
    return read_events(json.dumps({"epoch": epoch, **logs}).encode(), headers, "10.0.0.1")[0]


def heard(events, headers=LENGTHS):
    """Return the summary of a run that has posted `(now, epoch, values)`."""
    run = new_summary("a", "10.0.0.1", events[0][1], 1_000.0)
    for now, epoch, values in events:
        hear(run, event(epoch, headers, **values), 1_000.0 + now)
    return run


def standing(run):
    return tuple(run[name] for name in ("duration", "rate", "pace", "eta", "batch"))


KERAS = {}


@pytest.mark.parametrize(
    ("headers", "events", "expected"),
    [
        # the run's own clock counts, whenever its events come: 8 epochs are left
        (LENGTHS, [(0, 0, {"seconds": 5.0, "step_time": 0.2}), (0, 1, {"seconds": 8.0, "step_time": 0.1})],
         (8.0, 10.0, 4.0, 32.0, None)),
        # one that doesn't tell is measured by its events; the first one says nothing yet
        (LENGTHS, [(0, 0, {"loss": 1.0})], (0.0, None, None, None, None)),
        (LENGTHS, [(0, 0, {"loss": 1.0}), (4, 1, {"loss": 1.0})], (4.0, 5.0, 4.0, 32.0, None)),
        # batches tell the speed before an epoch is over: 5 of 20 at 5 a second, so 9.75 epochs of 4 s
        (LENGTHS, [(0, 0, {"batch": 0, "loss": 1.0}), (0.8, 0, {"batch": [1, 2, 3, 4], "loss": [1.0] * 4})],
         (0.8, 5.0, None, 39.0, 5)),
        # those that had waited and come at once tell nothing
        (LENGTHS, [(0, 0, {"batch": 0, "loss": 1.0}), (0, 0, {"batch": 1, "loss": 1.0})], (0.0, None, None, None, 2)),
        # an epoch that is done again after a resume starts the measure afresh
        (LENGTHS, [(0, 4, {"seconds": 5.0}), (9, 2, {"seconds": 3.0}), (9, 3, {"seconds": 4.0})],
         (4.0, 20 / 3, 3.0, 18.0, None)),
        # nobody has said how long it is to be
        (KERAS, [(0, 0, {"loss": 1.0}), (4, 1, {"loss": 1.0})], (4.0, None, 4.0, None, None)),
        # what no float can hold is not known: of steps, of epochs, and of all that are left
        (KERAS, [(0, 0, {"step_time": 1e-309})], (0.0, None, None, None, None)),
        (LENGTHS, [(0, 0, {"seconds": -1e308}), (1, 1, {"seconds": 1e308})], (1e308, None, None, None, None)),
        (LENGTHS, [(0, 0, {"seconds": 0.0}), (1, 1, {"seconds": 1e308})], (1e308, 2e-307, 1e308, None, None)),
    ],
)  # fmt: skip
def test_speed_and_time_left(headers, events, expected):
    assert standing(heard(events, headers)) == pytest.approx(expected)


def test_a_run_that_goes_past_its_end_has_no_time_left():
    assert heard([(0, 9, {"seconds": 5.0}), (9, 12, {"seconds": 8.0})])["eta"] == 0.0


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs.db")
    yield store
    store.close()


def test_best_values_are_those_of_epochs_whose_better_direction_is_known(store):
    values = [(0.5, 0.1), (0.2, 0.9), (0.4, None), (0.2, 0.9)]
    store.add([event(e, loss=loss, val_acc=acc, lr=1.0) for e, (loss, acc) in enumerate(values)])
    store.add([event(4, batch=0, loss=0.01)])
    assert store.runs()[0]["best"] == {
        "loss": {"value": 0.2, "epoch": 1, "higher": False},
        "val_acc": {"value": 0.9, "epoch": 1, "higher": True},
    }


def test_an_epoch_that_was_best_and_is_done_again_worse_is_no_longer_best(store):
    store.add([event(e, loss=loss) for e, loss in enumerate((0.5, 0.3, 0.1, 0.4))])
    store.add([event(2, loss=0.9)])
    assert store.runs()[0]["best"] == {"loss": {"value": 0.3, "epoch": 1, "higher": False}}


def file_of_version_1(path):
    """Make the file that the first version has written: one run with its batches and its end, one of Keras."""
    with sqlite3.connect(path) as db:
        db.executescript((Path(__file__).parent / "data/monitor_format_1.sql").read_text(encoding="utf-8"))
    db.close()


def test_a_file_of_the_first_version_keeps_its_runs(tmp_path):
    file_of_version_1(tmp_path / "runs.db")
    for _ in range(2):  # once migrated, and once as it is then
        store = Store(tmp_path / "runs.db")
        other, whole = store.runs()
        assert (whole["id"], whole["name"], whole["state"], whole["epochs"]) == ("whole", "größer", "finished", 3)
        assert (whole["seen"], whole["duration"], whole["last"]["val_loss"]) == (1_700_000_070.0, 60.0, None)
        assert whole["best"]["val_acc"] == {"value": 0.7, "epoch": 1, "higher": True}
        assert whole["best"]["val_loss"] == {"value": 0.4, "epoch": 1, "higher": False}
        assert [row[:3] for row in store.table("whole")[1]] == [
            (0, 0, 1.1), (0, 1, 1.05), (0, None, 1.0), (1, 0, 0.6), (1, 1, 0.55), (1, None, 0.5), (2, 0, 0.7),
            (2, 1, 0.65), (2, None, 0.6),
        ]  # fmt: skip
        assert (other["client"], other["state"], other["last"]) == ("10.0.0.1", "running", {"loss": 0.75})
        store.close()


def test_a_run_of_the_first_version_goes_on_and_is_deleted_with_its_points(tmp_path):
    file_of_version_1(tmp_path / "runs.db")
    store = Store(tmp_path / "runs.db")
    again, new = store.add([event(0, {"x-epochal-run": "whole", "x-epochal-seq": "1"}, loss=2.0), event(0, loss=1.0)])
    assert (again.run["id"], new.run["id"]) == ("whole", "a")
    store.delete("whole")
    store.close()
    with sqlite3.connect(tmp_path / "runs.db") as db:
        for table in ("points", "events", "series"):
            assert db.execute(f"SELECT count(*) FROM {table} WHERE run = 1").fetchone() == (0,)
    db.close()


def test_a_migration_that_is_killed_leaves_the_old_file(tmp_path, monkeypatch):
    file_of_version_1(tmp_path / "runs.db")

    def fails(db, found):
        db.execute("DROP TABLE runs")
        raise sqlite3.OperationalError("disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("epochal.monitor.store.migrate", fails)
        with pytest.raises(ValueError, match="disk is full"):
            Store(tmp_path / "runs.db")
    store = Store(tmp_path / "runs.db")
    assert len(store.runs()) == 2
    store.close()
