"""A run on a live monitor: resumed, ended, and with a monitor that is killed in between."""

import json

import pytest
from monitoring import running, serving, wait_for
from posting import losses_in, tell, train

from epochal.callbacks.remote_monitor import RemoteMonitor
from epochal.core.cadence import Every


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
        rows = losses_in(monitor.get(f"/api/runs/{run['id']}/rows"))
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
