"""RemoteMonitor against servers that answer, fail, hang, trickle, redirect, and come back."""

import base64
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
import warnings
from urllib.parse import parse_qs

import jax.numpy as jnp
import numpy as np
import pytest
from monitoring import running, serving, wait_for
from posting import OK, Server, answer, free_port, losses, tell, train

from epochal.callbacks.remote_monitor import RemoteMonitor
from epochal.core.cadence import Every


def test_an_event_is_the_form_field_that_keras_posts():
    with Server() as server:
        train(RemoteMonitor(server.root), 1)
    ((method, path, headers, body),) = server.requests
    assert (method, path) == ("POST", "/publish/epoch/end/")
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body) == {"data": ['{"epoch": 0, "loss": 1.0}']}


def test_field_path_json_and_headers_are_as_asked():
    with Server() as server:
        train(RemoteMonitor(server.root, "/here", "val_loss", {"Authorization": "Bearer x"}), 1)
        train(RemoteMonitor(server.root, send_as_json=True), 1)
    form, sent_as_json = server.requests
    assert (form[1], list(parse_qs(form[3])), form[2]["authorization"]) == ("/here", ["val_loss"], "Bearer x")
    assert (sent_as_json[2]["content-type"], json.loads(sent_as_json[3])) == ("application/json", losses([0])[0])


def test_each_event_carries_its_run_and_number_over_one_connection():
    with Server() as server:
        callback = RemoteMonitor(server.root, name="größer")
        callback.set_params({"epochs": 3, "steps": None})
        train(callback, 3)
        train(callback, 2)
        assert len(server.sockets) == 2  # one a fit
    headers = [h for _, _, h, _ in server.requests]
    assert [h["x-epochal-seq"] for h in headers] == ["0", "1", "2", "0", "1"]
    assert len({h["x-epochal-run"] for h in headers}) == 2
    assert (headers[0]["x-epochal-name"], headers[0]["x-epochal-epochs"]) == ("gr%C3%B6%C3%9Fer", "3")
    assert "x-epochal-steps" not in headers[0]


def test_json_is_strict():
    logs = {
        "nan": float("nan"), "inf": -np.inf, "np": np.float32(0.5), "int": np.int64(3), "jax": jnp.float32(0.25),
        "bfloat": jnp.bfloat16(2.0), "array": np.array([1.0, np.nan]), "flag": np.True_, "text": "x", "nested": {"a": (1,)},
        "none": None, "set": {1},
    }  # fmt: skip
    with Server() as server:
        callback = RemoteMonitor(server.root)
        callback.on_epoch_end(0, logs)
        callback.close()
    assert server.events == [
        {"epoch": 0, "nan": None, "inf": None, "np": 0.5, "int": 3, "jax": 0.25, "bfloat": 2.0,
         "array": [1.0, None], "flag": True, "text": "x", "nested": {"a": [1]}, "none": None, "set": "{1}"}
    ]  # fmt: skip


def test_odd_values_are_sent_as_well_as_json_can():
    nested = [1.0]
    nested.append(nested)
    with Server() as server:
        callback = RemoteMonitor(server.root, send_as_json=True, name="half of a pair: \ud800")
        callback.on_epoch_end(0, {"large": 10**5000, "itself": nested, "deep": [[[[0.5]]]]})
        callback.on_epoch_end(1, {"loss": 1.0})
        callback.close()
    first, second = server.events
    assert (first["large"], first["deep"], first["itself"][0]) == (None, [[[[0.5]]]], 1.0)
    assert second == {"epoch": 1, "loss": 1.0}


def test_long_texts_count_for_the_memory_that_waits(monkeypatch):
    monkeypatch.setattr("epochal.remote.outbox.KEPT_BYTES", 3_000_000)
    callback = RemoteMonitor(f"http://127.0.0.1:{free_port()}")
    callback.farewell = 0.0
    with pytest.warns(UserWarning, match="7 dropped while it was away"):
        for epoch in range(10):
            callback.on_epoch_end(epoch, {"note": "x" * 900_000})
        callback.close()


def test_a_server_that_is_down_gets_what_it_missed_in_order_when_it_is_back(capsys):
    port = free_port()
    callback = RemoteMonitor(f"http://127.0.0.1:{port}")
    with pytest.warns(UserWarning, match=r"doesn't take events \(Connection refused\); training goes on") as caught:
        train(callback, 3, end=False)
        tell(callback)
        callback.on_epoch_end(3, {"loss": 0.25})
    assert len(caught) == 1
    with Server(port=port) as server:
        wait_for(lambda: len(server.events) == 4)
        train(callback, 5, first=4)
    assert server.events == losses(range(5))
    assert "is back after" in capsys.readouterr().err


@pytest.fixture
def socket_threads(monkeypatch):
    """Return the names of the threads that sent or received by HTTP."""
    names = set()
    for method in ("connect", "send", "getresponse"):
        original = getattr(http.client.HTTPConnection, method)

        def noted(self, *args, original=original, **kwargs):
            names.add(threading.current_thread().name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(http.client.HTTPConnection, method, noted)
    return names


def hang(sock):
    time.sleep(30)


def trickle(sock):
    for byte in OK * 10:
        sock.sendall(bytes([byte]))
        time.sleep(1)


def trickle_headers(sock):
    sock.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    trickle(sock)


@pytest.mark.parametrize("reply", [hang, trickle, trickle_headers])
def test_a_server_that_hangs_or_trickles_holds_no_hook_up(reply, socket_threads):
    with Server([reply] * 99) as server:
        callback = RemoteMonitor(server.root)
        callback.deadline, callback.farewell = 0.3, 0.1
        train(callback, 1_000, end=False)
        assert len(server.requests) <= 1  # a thousand epochs have ended before one answer came
        with pytest.warns(UserWarning) as caught:
            tell(callback)
            callback.on_epoch_end(1_000, {"loss": 0.0})
            callback.close()
    assert [str(w.message).split(": ", 1)[1][len(server.root) :] for w in caught][:1] == [
        " doesn't take events (no answer within 0.3 s); training goes on, they are kept and sent again."
    ]
    assert "1001 of 1001 events were not delivered" in str(caught[-1].message)
    assert "1001 not sent in time" in str(caught[-1].message)
    assert socket_threads == {"epochal-remote-monitor"}


def test_a_server_that_accepts_nothing_holds_nothing_up():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        callback = RemoteMonitor(f"http://127.0.0.1:{listener.getsockname()[1]}")
        callback.farewell = 0.1
        with pytest.warns(UserWarning, match="3 of 3 events were not delivered"):
            train(callback, 3)


def test_errors_of_the_server_are_tried_again():
    with Server([answer("500 Oops", "on fire"), answer("503 Later")]) as server:
        callback = RemoteMonitor(server.root)
        with pytest.warns(UserWarning, match=r"doesn't take events \(500 on fire\)"):
            train(callback, 1, end=False)
            wait_for(lambda: len(server.requests) >= 3)
            callback.close()
    assert [h["x-epochal-seq"] for _, _, h, _ in server.requests] == ["0", "0", "0"]


def test_retry_after_is_honoured():
    times = []

    def note(reply):
        return lambda sock: (times.append(time.monotonic()), sock.sendall(reply))

    with Server([note(answer("429 Slow down", Retry_After="2")), note(OK)]) as server:
        with pytest.warns(UserWarning, match="429"):
            callback = RemoteMonitor(server.root)
            callback.on_epoch_end(0, {"loss": 1.0})
            wait_for(lambda: len(times) == 2)
            callback.close()
    assert times[1] - times[0] >= 2


def test_what_is_refused_is_reported_once_in_the_servers_words_and_not_repeated():
    with Server(answer("401 Unauthorized", "this monitor needs its token")) as server:
        callback = RemoteMonitor(server.root)
        with pytest.warns(UserWarning) as caught:
            train(callback, 3)
    first, last = (str(w.message) for w in caught)
    assert "refuses the events: 401 this monitor needs its token" in first
    assert "3 of 3 events were not delivered" in last
    assert "3 refused" in last
    assert len(server.requests) == 3


def test_a_redirect_to_another_origin_is_not_followed():
    with Server() as elsewhere, Server(answer("307 Moved", Location=elsewhere.root + "/x")) as server:
        with pytest.warns(UserWarning) as caught:
            train(RemoteMonitor(server.root, headers={"Authorization": "Bearer secret"}), 1)
        assert f"redirects to {elsewhere.root}/x, which isn't followed; set root" in str(caught[0].message)
        assert elsewhere.requests == []


def test_a_redirect_on_the_same_server_is_followed():
    with Server([answer("301 Moved", Location="/there/"), OK]) as server:
        train(RemoteMonitor(server.root), 1)
    assert [(m, p) for m, p, _, _ in server.requests] == [("POST", "/publish/epoch/end/"), ("POST", "/there/")]
    assert server.events == losses([0, 0])


@pytest.mark.parametrize("where", ["HTTP://LOCALHOST:{port}/there/", "http://localhost:{port}/there/"])
def test_an_address_of_the_same_server_may_be_written_otherwise(where):
    with Server() as server:
        server.reply = [answer("301 Moved", Location=where.format(port=server.port)), OK]
        train(RemoteMonitor(f"http://localhost:{server.port}"), 1)
        assert [path for _, path, _, _ in server.requests] == ["/publish/epoch/end/", "/there/"]


@pytest.mark.parametrize(
    "odd",
    [
        answer("307 Moved", Location="http://[bad"),
        answer("429 Later", Retry_After="9" * 400),
        answer("503 Later", Retry_After="10000000000"),
    ],
)
def test_an_odd_answer_does_not_end_the_sending(odd, monkeypatch):
    monkeypatch.setattr("epochal.remote.connection.LONGEST_WAIT", 0.1)
    with Server([odd]) as server:
        callback = RemoteMonitor(server.root)
        with pytest.warns(UserWarning) as caught:
            train(callback, 2, end=False)
            wait_for(lambda: server.events[-1:] == losses([1]))
            callback.close()
    said = str(caught[0].message)
    assert "an event can't be sent" in said or "doesn't take events" in said


def test_a_password_in_the_address_is_used_and_never_shown():
    with Server(answer("500 No")) as server:
        callback = RemoteMonitor(f"http://bob:hunter%322@127.0.0.1:{server.port}")
        callback.farewell = 0.3
        with pytest.warns(UserWarning) as caught:
            train(callback, 1)
        assert server.requests[0][2]["authorization"] == "Basic " + base64.b64encode(b"bob:hunter22").decode()
    assert all("hunter" not in str(w.message) for w in caught)
    assert f"http://127.0.0.1:{server.port} doesn't take events" in str(caught[0].message)


def test_the_users_netrc_does_not_replace_a_header(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login bob password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Server() as server:
        train(RemoteMonitor(server.root, headers={"Authorization": "Bearer x"}), 1)
    assert server.requests[0][2]["authorization"] == "Bearer x"


def test_a_monitor_is_told_the_end_also_if_it_refused_the_last_event():
    ours = {"X_Epochal_Monitor": "1"}
    with Server([answer("200 OK", **ours), answer("400 No", "nonsense", **ours), answer("200 OK", **ours)]) as server:
        with pytest.warns(UserWarning, match=r"refuses|1 of 2"):
            train(RemoteMonitor(server.root), 2)
        assert server.requests[-1][2]["x-epochal-state"] == "finished"


def test_a_connection_the_server_has_closed_is_opened_again_without_a_word():
    with Server() as server:
        callback = RemoteMonitor(server.root)
        train(callback, 1, end=False)
        wait_for(lambda: server.requests)
        server.sockets[0].shutdown(socket.SHUT_RDWR)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train(callback, 2, first=1)
    assert server.events == losses([0, 1])


def test_a_full_queue_drops_the_oldest_and_counts_them(capsys):
    port = free_port()
    callback = RemoteMonitor(f"http://127.0.0.1:{port}")
    callback.kept = 10
    with pytest.warns(UserWarning) as caught:
        train(callback, 25, end=False)
        tell(callback)
        with Server(port=port) as server:
            wait_for(lambda: len(server.requests) == 10)
            callback.close()
    assert server.events == losses(range(15, 25))
    assert "15 of 25 events were not delivered" in str(caught[-1].message)
    assert "15 dropped while it was away" in str(caught[-1].message)
    assert "10 events waited, 15 were dropped" in capsys.readouterr().err


def test_an_event_dropped_on_its_way_that_gets_there_is_not_counted_as_lost():
    arrived, go = threading.Event(), threading.Event()

    def slow(sock):
        arrived.set()
        go.wait(5)
        sock.sendall(OK)

    with Server([slow, OK]) as server:
        callback = RemoteMonitor(server.root)
        callback.kept = 2
        callback.on_epoch_end(0, {"loss": 1.0})
        assert arrived.wait(5)
        train(callback, 4, first=1, end=False)  # epochs 0 and 1 are dropped, but 0 is under way
        go.set()
        wait_for(lambda: len(server.requests) == 3)
        with pytest.warns(UserWarning, match=r"1 of 4 events were not delivered to .*: 1 dropped while it was away"):
            callback.close()
    assert [event["epoch"] for event in server.events] == [0, 2, 3]


def test_the_end_does_not_wait_for_a_delay_that_the_server_asked_for():
    with Server(answer("429 Slow down", Retry_After="3600")) as server:
        callback = RemoteMonitor(server.root)
        callback.farewell = 0.1
        with pytest.warns(UserWarning) as caught:
            train(callback, 1, end=False)
            tell(callback)
            callback.close()
        assert "1 of 1 events were not delivered" in str(caught[-1].message)
        wait_for(lambda: "epochal-remote-monitor" not in {thread.name for thread in threading.enumerate()})


def test_closing_twice_and_without_a_fit_is_fine():
    callback = RemoteMonitor("http://127.0.0.1:9")
    callback.close()
    callback.close()
    callback.on_train_end({})
    callback.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"root": "localhost:9000"}, r"root must be an address such as 'http://localhost:9000'; got 'localhost:9000'"),
        ({"root": "ftp://x"}, "root must be an address"),
        ({"path": "@evil.example/"}, "path must stay on http://localhost:9000"),
        ({"path": ".evil.example/"}, "path must stay on"),
        ({"headers": {"X": "a\nb"}}, "headers must be HTTP headers"),
        ({"headers": {"X": 1}}, "headers must be HTTP headers"),
    ],
)
def test_wrong_arguments_are_named_at_once(arguments, words):
    with pytest.raises(ValueError, match=words):
        RemoteMonitor(**arguments)


def test_without_requests_one_line_says_what_to_install():
    code = (
        "import sys; sys.modules['requests'] = None\n"
        "from epochal.callbacks.remote_monitor import RemoteMonitor\n"
        "RemoteMonitor()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == 'ImportError: RemoteMonitor needs requests: pip install "epochal[remote]"'


# Batches


def drive_batches(callback, epochs, steps):
    callback.on_train_begin({})
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch, {})
        for batch in range(steps):
            callback.on_train_batch_end(batch, {"batch": batch, "size": 2, "loss": epoch + batch / 10})
        callback.on_epoch_end(epoch, {"loss": float(epoch)})
    callback.close()


def test_batches_are_sent_in_groups_besides_the_epochs():
    with Server() as server:
        drive_batches(RemoteMonitor(server.root, every=Every(3, "batch")), 2, 4)
    assert server.events == [
        {"epoch": 0, "batch": [0, 1, 2], "size": [2, 2, 2], "loss": [0.0, 0.1, 0.2]},
        {"epoch": 0, "batch": [3], "size": [2], "loss": [0.3]},
        {"epoch": 0, "loss": 0.0},
        {"epoch": 1, "batch": [0, 1, 2], "size": [2, 2, 2], "loss": [1.0, 1.1, 1.2]},
        {"epoch": 1, "batch": [3], "size": [2], "loss": [1.3]},
        {"epoch": 1, "loss": 1.0},
    ]


def test_groups_by_time_hold_every_batch_once():
    with Server() as server:
        drive_batches(RemoteMonitor(server.root, every=Every(0.0001, "second")), 1, 50)
    assert [batch for event in server.events[:-1] for batch in event["batch"]] == list(range(50))


def test_large_groups_are_posted_in_parts_that_a_monitor_takes(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        callback = RemoteMonitor(monitor.root, every=Every(10_000, "batch"))
        callback.on_train_begin({})
        callback.on_epoch_begin(0, {})
        for batch in range(10_000):
            callback.on_train_batch_end(batch, {f"m{n}": batch / 3 for n in range(6)})
        callback.on_epoch_end(0, {"loss": 1.0})
        callback.farewell = 30
        callback.close()
        (run,) = monitor.get("/api/runs")["runs"]
        _, _, rows = monitor.ask("GET", f"/api/runs/{run['id']}/rows.csv")
        assert len(rows.splitlines()) == 1 + 10_000 + 1


def test_every_nth_epoch():
    with Server() as server:
        train(RemoteMonitor(server.root, every=Every(3)), 8)
    assert server.events == losses([2, 5])


def test_in_a_fit_batches_come_by_replay_and_cost_no_span(tmp_path):
    from epochal.layers import Dense
    from epochal.models import Sequential

    x, y = np.random.default_rng(0).normal(size=(64, 3)), np.zeros((64, 1))
    model = Sequential([Dense(1, input_dim=3)])
    model.compile(loss="mse", optimizer="sgd")
    with serving(tmp_path / "runs.db") as monitor:
        callback = RemoteMonitor(monitor.root, every=Every(4, "batch"), name="replayed")
        history = model.fit(x, y, batch_size=8, epochs=2, validation_split=0.25, verbose=0, callbacks=[callback])
        run = monitor.get("/api/runs")["runs"][0]
        assert (run["name"], run["state"], run["epochs"], run["steps"]) == ("replayed", "finished", 2, 6)
        rows = monitor.get(f"/api/runs/{run['id']}/rows")
    assert [row[:2] for row in rows["rows"][::-1]] == [[e, b] for e in (0, 1) for b in [0, 1, 2, 3, 4, 5, None]]
    column = rows["columns"].index("val_loss")
    assert [row[column] for row in rows["rows"][::-1] if row[1] is None] == history.history["val_loss"]


# The run on the monitor


def test_a_resumed_run_goes_on_where_it_was_saved(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        callback = RemoteMonitor(monitor.root, every=Every(4, "batch"))
        callback.on_train_begin({})
        callback.on_epoch_begin(0, {})
        for batch in range(6):
            callback.on_train_batch_end(batch, {"loss": float(batch)})
        saved = json.loads(json.dumps(callback.state_dict()))
        callback.on_train_batch_end(6, {"loss": 6.0})
        callback.on_exception(RuntimeError("killed"))
        callback.close()
        again = RemoteMonitor(monitor.root, every=Every(4, "batch"))
        again.on_train_begin({})
        again.load_state_dict(saved)
        for batch in range(6, 9):
            again.on_train_batch_end(batch, {"loss": float(batch)})
        again.on_epoch_end(0, {"loss": 4.0})
        again.on_train_end({})
        again.close()
        (run,) = monitor.get("/api/runs")["runs"]
        assert run["state"] == "finished"
        rows = monitor.get(f"/api/runs/{run['id']}/rows")["rows"][::-1]
    assert [row[1:] for row in rows] == [[b, float(b)] for b in range(9)] + [[None, 4.0]]


@pytest.mark.parametrize(("error", "state"), [(KeyboardInterrupt(), "stopped"), (ValueError("x"), "failed")])
def test_the_page_is_told_how_a_run_ended(tmp_path, error, state):
    with serving(tmp_path / "runs.db") as monitor:
        callback = RemoteMonitor(monitor.root)
        train(callback, 2, end=False)
        callback.on_exception(error)
        callback.close()
        assert [run["state"] for run in monitor.get("/api/runs")["runs"]] == [state]


def test_a_monitor_that_is_killed_and_started_again_misses_nothing(tmp_path, capsys):
    with running(tmp_path / "runs.db") as monitor:
        callback = RemoteMonitor(monitor.root)
        train(callback, 5, end=False)
        wait_for(lambda: monitor.get("/api/runs")["runs"] and monitor.get("/api/runs")["runs"][0]["epoch"] == 4)
        monitor.process.kill()
        monitor.process.wait()
    with pytest.warns(UserWarning, match="doesn't take events"):
        train(callback, 8, first=5, end=False)
        tell(callback)
    with running(tmp_path / "runs.db", port=monitor.port) as monitor:
        wait_for(lambda: monitor.get("/api/runs")["runs"][0]["epoch"] == 7)
        train(callback, 10, first=8)
        (run,) = monitor.get("/api/runs")["runs"]
        rows = monitor.get(f"/api/runs/{run['id']}/rows")["rows"]
    assert [row[0] for row in rows] == list(range(9, -1, -1))
    assert "is back after" in capsys.readouterr().err


def test_a_token_is_passed_as_a_header(tmp_path):
    token = "a-token-of-some-length"
    with serving(tmp_path / "runs.db", token=token) as monitor:
        train(RemoteMonitor(monitor.root, headers={"Authorization": f"Bearer {token}"}), 1)
        with pytest.warns(UserWarning) as caught:
            train(RemoteMonitor(monitor.root), 1)
    assert "refuses the events: 401 this monitor needs its token" in str(caught[0].message)
