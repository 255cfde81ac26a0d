"""Viewers of a monitor hear of what changes, and of all of it when they come back."""

import asyncio
import sqlite3
import time
from contextlib import ExitStack

import pytest
from monitoring import serving
from raw_requests import Events, read_all

from epochal.monitor.changes import Removed
from epochal.monitor.commits import CommitQueue
from epochal.monitor.event import read_events
from epochal.monitor.limits import Limits
from epochal.monitor.store import Store

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")


def test_viewers_are_told_of_what_changes(monitor):
    viewer = Events(monitor)
    viewer.next("reset")
    monitor.post({"epoch": 0, "loss": 0.5}, X_Epochal_Run="r")
    _, change = viewer.next("change")
    assert change["runs"][0]["last"] == {"loss": 0.5}
    assert change["points"] == {"r": [{"metric": "loss", "grain": "epoch", "epoch": [0], "value": [0.5]}]}
    monitor.ask("DELETE", "/api/runs/r")
    assert viewer.next("change")[1]["removed"] == ["r"]
    viewer.close()


def test_a_viewer_who_comes_back_gets_what_it_missed(monitor):
    viewer = Events(monitor)
    viewer.next("reset")
    monitor.post({"epoch": 0, "loss": 1.0}, X_Epochal_Run="r")
    last_id, _ = viewer.next("change")
    viewer.close()
    monitor.post({"epoch": 1, "loss": 0.5}, X_Epochal_Run="r")
    again = Events(monitor, last_id)
    assert again.next("change")[1]["points"]["r"][0]["epoch"] == [1]
    again.close()
    stranger = Events(monitor, "another-7")
    stranger.next("reset")
    stranger.close()


def test_what_happens_between_two_messages_is_put_together(monitor):
    viewer = Events(monitor)
    viewer.next("reset")
    for epoch in range(50):
        monitor.post({"epoch": epoch, "loss": 1.0}, X_Epochal_Run="r")
    messages, epochs = 0, []
    while not epochs or epochs[-1] < 49:
        messages += 1
        epochs += viewer.next("change")[1]["points"]["r"][0]["epoch"]
    assert epochs == list(range(50))
    assert messages < 50  # four a second at most
    viewer.close()


def test_text_among_many_numbers_keeps_nobody_from_hearing_more(monitor):
    viewer = Events(monitor)
    viewer.next("reset")
    batches = list(range(1_000))
    event = {"epoch": 0, "batch": batches, "loss": ["warm", *[0.5] * 999], "note": ["text"] * 1_000}
    assert monitor.post(event, X_Epochal_Run="r") == 200
    (series,) = viewer.next("change")[1]["points"]["r"]
    assert series["metric"] == "loss"
    assert set(series["value"]) == {0.5}
    monitor.post({"epoch": 1, "loss": 0.1}, X_Epochal_Run="r")
    assert viewer.next("change")[1]["points"]["r"][0]["epoch"] == [1]
    viewer.close()


def test_a_run_that_is_deleted_and_goes_on_is_removed_first_and_then_there(monitor):
    viewer = Events(monitor)
    viewer.next("reset")
    monitor.post({"epoch": 0, "loss": 1.0}, X_Epochal_Run="r")
    viewer.next("change")
    monitor.ask("DELETE", "/api/runs/r")
    monitor.post({"epoch": 1, "loss": 1.0}, X_Epochal_Run="r")
    _, change = viewer.next("change")
    assert (change["removed"], [run["id"] for run in change["runs"]]) == (["r"], ["r"])
    viewer.close()


def test_a_deletion_that_fails_takes_nothing_back_of_another_that_comes_with_it(tmp_path):
    class HalfLocked(Store):
        def delete(self, id):
            if id == "b":
                raise sqlite3.OperationalError("database is locked")
            return super().delete(id)

    async def delete_both():
        queue = CommitQueue(store, told.extend, 10)
        outcomes = await asyncio.gather(
            *(queue.write(lambda store, id=id: store.delete(id)) for id in "ab"), return_exceptions=True
        )
        await queue.close()
        return outcomes

    store, told = HalfLocked(tmp_path / "runs.db"), []
    for id in "ab":
        store.add(read_events(b'{"epoch": 0, "loss": 0.5}', {"x-epochal-run": id}, "10.0.0.1"))
    of_a, of_b = asyncio.run(delete_both())
    assert told == of_a == [Removed("a")]
    assert str(of_b) == "database is locked"
    assert [run["id"] for run in store.runs()] == ["b"]
    store.close()


def test_a_last_id_that_is_no_number_of_ours_starts_anew(monitor):
    viewer = Events(monitor)
    start = viewer.next("reset")[0].split("-")[0]
    for number in ("9" * 5_000, "-1", "²", ""):
        stranger = Events(monitor, f"{start}-{number}".encode().decode("latin-1"))
        stranger.next("reset")
        stranger.close()
    viewer.close()


def test_a_viewer_that_reads_nothing_is_closed_and_holds_nobody_up(tmp_path):
    with serving(tmp_path / "runs.db", limits=Limits(stalled=0.5)) as monitor, ExitStack() as idle:
        path = monitor.post_much("long", 12)
        slow = idle.enter_context(monitor.connect())
        slow.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert monitor.post({"epoch": 0, "loss": 1.0}) == 200
        time.sleep(1.5)
        assert 0 < len(read_all(slow)) < 12_000_000  # cut off before its end


def test_a_viewer_who_falls_behind_starts_anew_instead_of_filling_the_memory():
    from epochal.monitor.stream import QUEUED, Viewer

    async def behind():
        viewer = Viewer()
        for number in range(QUEUED + 1):
            viewer.offer(b"%d" % number)
        viewer.offer(b"after")
        return await viewer.next(), await viewer.next()

    start_anew = b""
    assert asyncio.run(behind()) == (start_anew, b"after")
