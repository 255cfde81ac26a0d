"""Files that somebody removes while the monitor has them: what was acknowledged survives, or nothing more is."""

import os
import shutil
import sqlite3

import pytest
from monitoring import running, serving

SUFFIXES = {"log": ("-wal",), "index": ("-shm",), "both": ("-wal", "-shm")}


def post(monitor, epoch, run="a"):
    return monitor.post({"epoch": epoch, "loss": float(epoch)}, X_Epochal_Run=run, X_Epochal_Seq=str(epoch))


def epochs(monitor, run="a"):
    return [row[0] for row in monitor.get(f"/api/runs/{run}/rows")["rows"]][::-1]


@pytest.mark.parametrize("removed", SUFFIXES)
def test_what_was_acknowledged_survives_a_kill_after_the_log_was_removed(tmp_path, removed):
    db = tmp_path / "runs.db"
    with running(db) as monitor:
        assert [post(monitor, epoch) for epoch in range(3)] == [200] * 3
        for suffix in SUFFIXES[removed]:
            os.unlink(f"{db}{suffix}")
        assert [post(monitor, epoch) for epoch in range(3, 6)] == [200] * 3
        assert epochs(monitor) == list(range(6))
        monitor.process.kill()
        monitor.process.wait()
    with running(db) as monitor:
        assert epochs(monitor) == list(range(6))
        assert post(monitor, 6) == 200


def test_it_may_be_removed_again_and_again(tmp_path):
    db = tmp_path / "runs.db"
    with serving(db) as monitor:
        for epoch in range(10):
            assert post(monitor, epoch) == 200
            os.unlink(f"{db}-wal")
            assert monitor.ask("GET", "/api/runs")[0] in (200, 503)  # a reader may come before the next post
        assert post(monitor, 10) == 200
        assert epochs(monitor) == list(range(11))


def test_a_log_that_is_removed_while_a_post_is_committed_is_noticed_before_the_answer(tmp_path, monkeypatch):
    from epochal.monitor.event import read_events
    from epochal.monitor.store import Store

    store = Store(tmp_path / "runs.db")
    add = store._add

    def removed_meanwhile(events):
        os.unlink(tmp_path / "runs.db-wal")
        return add(events)

    monkeypatch.setattr(store, "_add", removed_meanwhile)
    store.add(read_events(b'{"epoch": 0, "loss": 1.0}', {"x-epochal-run": "a"}, "here"))
    copied = tmp_path / "copy.db"  # what a process that starts now would find, if this one were killed
    for suffix in ("", "-wal", "-shm"):
        shutil.copy(tmp_path / f"runs.db{suffix}", f"{copied}{suffix}")
    with sqlite3.connect(copied) as db:
        assert db.execute("SELECT value FROM points").fetchall() == [(1.0,)]
    db.close()
    store.close()


@pytest.mark.parametrize("how", ["removed", "replaced", "replaced with its log"])
def test_nothing_is_acknowledged_once_the_file_is_another_one(tmp_path, how):
    db, other = tmp_path / "runs.db", tmp_path / "other.db"
    with serving(other) as monitor:
        post(monitor, 0, "b")
    with serving(db) as monitor:
        assert post(monitor, 0) == 200
        if how == "removed":
            db.unlink()
        else:
            os.replace(other, db)
        if how == "replaced with its log":
            os.unlink(f"{db}-wal")
            os.unlink(f"{db}-shm")
        status, headers, words = monitor.ask("POST", "/publish/epoch/end/", '{"epoch": 1}', X_Epochal_Run="a")
        assert (status, headers["retry-after"]) == (503, "5")
        assert "has been taken away; start the monitor again" in words
    if how != "removed":
        with sqlite3.connect(db) as found:
            assert found.execute("SELECT id FROM runs").fetchall() == [("b",)]
        found.close()


def test_an_unchanged_log_stays_as_it_is(tmp_path):
    db = tmp_path / "runs.db"
    with serving(db) as monitor:
        before = os.stat(f"{db}-wal").st_ino
        for epoch in range(20):
            post(monitor, epoch)
        assert os.stat(f"{db}-wal").st_ino == before
