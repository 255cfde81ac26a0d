"""RemoteMonitor against servers that answer, fail, hang, trickle, redirect, and come back."""

import base64
import json
import subprocess
import sys
from urllib.parse import parse_qs

import jax.numpy as jnp
import numpy as np
import pytest
from monitoring import serving, wait_for
from posting import Server, answer, free_port, losses, tell, train

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
        ({"headers": {"X": "日本"}}, "headers must be HTTP headers"),
        ({"name": 5}, "name is a text of at most 200 characters; got '5'"),
        ({"name": "x" * 201}, "name is a text of at most 200 characters"),
        ({"config": {str(n): "x" * 1_900 for n in range(120)}}, "config, tags and notes take 229,.* bytes as JSON"),
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
