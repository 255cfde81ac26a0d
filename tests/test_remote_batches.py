"""Nothing of a short, fast fit is lost: many events in one post where the server takes them, and a farewell that lasts."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs

import pytest
from monitoring import running, serving, wait_for
from posting import OK, Server, answer, losses, losses_in, train

from epochal.callbacks.remote_monitor import RemoteMonitor
from epochal.core.cadence import Every
from epochal.remote import outbox


class Patient(Server):
    """A server that takes 5 ms a post."""

    def __init__(self):
        super().__init__()

    @property
    def reply(self):
        time.sleep(0.005)
        return OK

    @reply.setter
    def reply(self, _):
        pass


MANY = answer("200 OK", X_Epochal_Monitor="1", X_Epochal_Events="50")


def posts(server):
    """Return the events of each post."""
    return [[json.loads(line) for line in parse_qs(body)["data"][0].split("\n")] for _, _, _, body in server.requests]


def flat(posted):
    return [event for post in posted for event in post]


def rows(monitor):
    """Return the only run, and its epochs, batches and losses."""
    (run,) = monitor.get("/api/runs")["runs"]
    return run, losses_in(monitor.get(f"/api/runs/{run['id']}/rows?limit=10000"))


def test_every_event_of_a_short_fit_reaches_a_server_that_takes_one_a_post():
    with Patient() as server:
        callback = RemoteMonitor(server.root)
        callback.farewell = 0.2  # which all of them together exceed by far
        train(callback, 120)
    assert server.events == losses(range(120))
    assert all("x-epochal-events" not in headers for _, _, headers, _ in server.requests)


def test_a_server_that_says_so_gets_many_in_one_post():
    with Server(MANY) as server:
        callback = RemoteMonitor(server.root)
        train(callback, 1, end=False)
        wait_for(lambda: server.requests)
        train(callback, 120, first=1)
    *events, last = posts(server)
    assert [len(post) for post in events] == [1, 50, 50, 19]
    assert flat(events) == losses(range(120))
    assert [headers.get("x-epochal-events") for _, _, headers, _ in server.requests] == [None, "50", "50", "19", None]
    assert [headers.get("x-epochal-seq") for _, _, headers, _ in server.requests] == ["0", "1", "51", "101", None]
    assert server.requests[-1][2]["x-epochal-state"] == "finished"
    assert last == [{"epoch": 119}]


def test_one_that_stops_saying_so_gets_one_a_post_again():
    with Server([MANY, OK, OK, OK]) as server:
        callback = RemoteMonitor(server.root)
        train(callback, 1, end=False)
        wait_for(lambda: server.requests)
        train(callback, 53, first=1)
    assert [len(post) for post in posts(server)] == [1, 50, 1, 1]


@pytest.mark.parametrize("told", ["0", "-3", "many", "1e3", "1" * 30])
def test_nonsense_about_how_many_is_one(told):
    with Server(answer("200 OK", X_Epochal_Events=told)) as server:
        train(RemoteMonitor(server.root), 20)
    assert server.events == losses(range(20))


def test_of_a_refused_post_only_the_event_that_is_refused_is_lost():
    def of(server, request):
        return parse_qs(request[3])["data"][0]

    class Picky(Server):
        @property
        def reply(self):
            bad = '"epoch": 7,' in of(self, self.requests[-1])
            ours = {"X_Epochal_Monitor": "1", "X_Epochal_Events": "50"}
            return answer("400 No", "seven", **ours) if bad else answer("200 OK", **ours)

        @reply.setter
        def reply(self, _):
            pass

    with Picky() as server:
        callback = RemoteMonitor(server.root)
        train(callback, 1, end=False)
        wait_for(lambda: server.requests)
        with pytest.warns(UserWarning, match=r"refuses the events: 400 seven|1 of 40 events .*: 1 refused"):
            train(callback, 40, first=1)
        taken = [
            post for post, (_, _, _, body) in zip(posts(server), server.requests, strict=True) if "+7%2C" not in body
        ]
    assert flat(taken)[:-1] == losses([*range(7), *range(8, 40)])
    assert server.requests[-1][2]["x-epochal-state"] == "finished"


def test_a_post_of_many_that_is_lost_is_sent_again_whole():
    def hangs_up(sock):
        sock.close()

    with Server([MANY, hangs_up, MANY, MANY]) as server:
        callback = RemoteMonitor(server.root)
        train(callback, 1, end=False)
        wait_for(lambda: server.requests)
        train(callback, 30, first=1)
        assert [post for post in posts(server) if len(post) > 1][-1] == losses(range(1, 30))


def test_large_events_share_a_post_only_as_far_as_there_is_room():
    with Server(MANY) as server:
        callback = RemoteMonitor(server.root)
        train(callback, 1, end=False)
        wait_for(lambda: server.requests)
        for epoch in range(1, 9):
            callback.on_epoch_end(epoch, {"text": "x" * 50_000})
        callback.close()
    assert [len(post) for post in posts(server)] == [1, 2, 2, 2, 2]


# Our own monitor


def test_a_monitor_stores_each_event_of_a_post(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        callback = RemoteMonitor(monitor.root, name="short")
        for epoch in range(3_000):
            callback.on_epoch_end(epoch, {"loss": 1 / (epoch + 1)})
        callback.on_train_end({})
        callback.close()
        run, found = rows(monitor)
        assert (run["state"], run["epoch"], run["name"]) == ("finished", 2_999, "short")
    assert found == [[epoch, None, 1 / (epoch + 1)] for epoch in range(3_000)]


def test_batches_and_json_bodies_share_posts_too(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        callback = RemoteMonitor(monitor.root, send_as_json=True, every=Every(2, "batch"))
        for epoch in range(100):
            callback.on_epoch_begin(epoch, {})
            for batch in range(4):
                callback.on_train_batch_end(batch, {"loss": batch / 4})
            callback.on_epoch_end(epoch, {"loss": float(epoch)})
        callback.close()
        _, found = rows(monitor)
    assert [row[:2] for row in found] == [[e, b] for e in range(100) for b in (0, 1, 2, 3, None)]


def test_what_came_alone_and_comes_again_among_others_counts_once(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        one, two = '{"epoch": 0, "loss": 1.0}', '{"epoch": 1, "loss": 0.5}'
        headers = {"X_Epochal_Run": "a", "X_Epochal_Seq": "0"}
        path = "/publish/epoch/end/"
        assert monitor.ask("POST", path, one, **headers)[0] == 200
        assert monitor.ask("POST", path, '{"epoch": 0}', X_Epochal_Run="a", X_Epochal_State="finished")[0] == 200
        assert monitor.ask("POST", path, f"{one}\n{two}", **headers, X_Epochal_Events="2")[0] == 200
        run, found = rows(monitor)
    assert (found, run["state"]) == ([[0, None, 1.0], [1, None, 0.5]], "running")


@pytest.mark.parametrize(
    ("body", "count", "words"),
    [
        ('{"epoch": 0}\n{"epoch": 1}', "3", "at most 500 events, one a line; got 2, announced as 3"),
        ('{"epoch": 0}\n', "2", "neither JSON"),
        ('{"epoch": 0}\n{"loss": 1}', "2", 'has no "epoch"'),
        ("\n".join(['{"epoch": 0}'] * 501), "501", "at most 500 events"),
        ('{"epoch": 0}', "x", "X-Epochal-Events must match"),
        ('{"epoch": 0}\n{"epoch": 1}', None, "neither JSON"),
    ],
)
def test_what_are_no_events_one_a_line_is_refused_whole(tmp_path, body, count, words):
    with serving(tmp_path / "runs.db") as monitor:
        announced = {} if count is None else {"X_Epochal_Events": count}
        status, headers, said = monitor.ask("POST", "/publish/epoch/end/", body, **announced)
        assert (status, headers["x-epochal-events"]) == (400, "500")
        assert words in json.loads(said)["error"]
        assert monitor.get("/api/runs")["runs"] == []


def test_an_event_that_prettily_takes_many_lines_is_one(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        body = json.dumps({"epoch": 0, "loss": 1.0}, indent=2)
        assert monitor.ask("POST", "/publish/epoch/end/", body)[0] == 200


def test_acknowledged_posts_of_many_survive_a_kill(tmp_path):
    with running(tmp_path / "runs.db") as monitor:
        callback = RemoteMonitor(monitor.root)
        for epoch in range(800):
            callback.on_epoch_end(epoch, {"loss": 1.0})
        callback.on_train_end({})
        callback.close()
        monitor.process.kill()
        monitor.process.wait()
    with running(tmp_path / "runs.db") as monitor:
        run, found = rows(monitor)
    assert (len(found), run["state"]) == (800, "finished")


# The farewell


def hangs(sock):
    time.sleep(20)


def trickles(sock):
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n":
        sock.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize("reply", [hangs, trickles, answer("503 Busy"), answer("400 No", "never")])
def test_the_farewell_ends_after_a_time_without_progress(reply):
    replies = [OK] * 5 + [reply] * 5_000
    with Server(replies) as server:
        callback = RemoteMonitor(server.root)
        callback.farewell = 0.3
        began = time.monotonic()
        with pytest.warns(UserWarning) as told:
            train(callback, 2_000)
    assert "of 2000 events were not delivered" in str(told[-1].message)
    assert time.monotonic() - began < 10  # not the 5 s a post may take, each time


def test_a_long_farewell_says_what_it_waits_for(monkeypatch, capsys):
    monkeypatch.setattr(outbox, "LONG_FAREWELL", 0.1)
    with Patient() as server:
        train(RemoteMonitor(server.root), 100)
    assert "events are still being sent to http://127.0.0.1" in capsys.readouterr().err
    assert server.events == losses(range(100))


def test_ctrl_c_leaves_the_farewell_and_what_is_left_is_counted(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from posting import train
from epochal.callbacks.remote_monitor import RemoteMonitor
callback = RemoteMonitor(sys.argv[1])
train(callback, 5_000, end=False)
print("trained", flush=True)
callback.close()
"""
    with Patient() as server:
        process = subprocess.Popen(
            [sys.executable, "-c", code, server.root], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "trained\n"
        wait_for(lambda: len(server.requests) > 20)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=5)
    assert "of 5000 events were not delivered" in errors
    assert "KeyboardInterrupt" in errors


def test_two_fits_one_after_the_other_are_two_runs(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        callback = RemoteMonitor(monitor.root)
        train(callback, 50)
        train(callback, 30)
        runs = monitor.get("/api/runs")["runs"]
        assert sorted((run["epoch"], run["state"]) for run in runs) == [(29, "finished"), (49, "finished")]


def test_two_runs_through_one_outbox_share_no_post():
    with Server(MANY) as server:
        callback = RemoteMonitor(server.root)
        train(callback, 1, end=False)
        wait_for(lambda: server.requests)
        train(callback, 10, first=1, end=False)
        train(callback, 10, end=False)
        callback.close()
        ids = [headers["x-epochal-run"] for _, _, headers, _ in server.requests]
    assert len(set(ids)) == 2
    assert flat(posts(server)) == losses([*range(10), *range(10)])


@pytest.mark.parametrize(("error", "state"), [(SystemExit(), "stopped"), (RuntimeError("x"), "failed")])
def test_whatever_ends_a_run_from_outside_stopped_it(tmp_path, error, state):
    with serving(tmp_path / "runs.db") as monitor:
        callback = RemoteMonitor(monitor.root)
        train(callback, 100, end=False)
        callback.on_exception(error)
        callback.close()
        run, found = rows(monitor)
    assert (run["state"], len(found)) == (state, 100)


def test_a_full_outbox_still_sends_the_newest_and_the_end(tmp_path):
    arrived, go = threading.Event(), threading.Event()

    def waits(sock):
        arrived.set()
        go.wait(5)
        sock.sendall(MANY)

    with Server([waits, MANY, MANY, MANY]) as server:
        callback = RemoteMonitor(server.root)
        callback.kept = 20
        train(callback, 1, end=False)
        assert arrived.wait(5)
        train(callback, 100, first=1, end=False)
        callback.on_train_end({})
        go.set()
        with pytest.warns(UserWarning, match="80 of 100 events were not delivered .*: 80 dropped"):
            callback.close()
    assert flat(posts(server))[:-1] == losses([0, *range(81, 100)])
    assert server.requests[-1][2]["x-epochal-state"] == "finished"


def test_what_had_not_got_there_when_the_process_was_killed_is_sent_by_the_resumed_run(tmp_path):
    with Server([hangs] * 9) as nowhere:
        killed = RemoteMonitor(nowhere.root)
        train(killed, 40, end=False)
        saved = json.loads(json.dumps(killed.state_dict()))
        killed._outbox._connection.close()  # nobody says good-bye
    with serving(tmp_path / "runs.db") as monitor:
        again = RemoteMonitor(monitor.root)
        again.on_train_begin({})
        again.load_state_dict(saved)
        saved_again = json.loads(json.dumps(again.state_dict()))
        assert saved_again | {"seconds": 0} == saved | {"seconds": 0}  # saved again before it has sent anything
        train(again, 50, first=40)
        run, found = rows(monitor)
    assert (run["state"], [row[0] for row in found]) == ("finished", list(range(50)))


def test_a_saved_run_remembers_no_more_than_the_newest_of_its_own_events():
    with Server([hangs] * 9) as server:
        callback = RemoteMonitor(server.root)
        train(callback, 5, end=False)
        train(callback, 1_500, end=False)
        callback.on_train_end({})
        unsent = callback.state_dict()["unsent"]
        callback.farewell = 0.0
        with pytest.warns(UserWarning, match="not delivered"):
            callback.close()
    assert [number for number, *_ in unsent] == list(range(501, 1_500))
    assert callback.state_dict()["unsent"] == []
