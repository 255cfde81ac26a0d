"""What a monitor is told of a run beside its logs: what it is made with, how fast it is, how it ends; and no other server."""

import json
import re
import sys
from contextlib import suppress
from time import sleep
from urllib.parse import unquote

import numpy as np
import pytest
from monitoring import serving, wait_for
from numpy_engine import Model, fit
from posting import Server, answer, losses, train
from raw_requests import TOKEN

from epochal.callbacks import BackupAndRestore, Callback, CallbackList, EarlyStopping, RemoteMonitor, TerminateOnNaN

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")


@pytest.fixture
def monitor(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        yield monitor


def only_run(monitor):
    (run,) = monitor.get("/api/runs")["runs"]
    return run


def series_of(monitor, run):
    return {s["metric"]: s["value"] for s in monitor.get(f"/api/runs/{run['id']}")["series"]}


def test_a_fit_tells_what_it_is_made_with_and_how_fast_each_epoch_was(monitor):
    from epochal.layers import Dense
    from epochal.models import Sequential

    model = Sequential([Dense(1, input_dim=3)])
    model.compile(loss="mse", optimizer="sgd")
    callback = RemoteMonitor(monitor.root, config={"data": {"noise": 0.1}, "loss": "mine"}, tags=["a"], notes="first")
    model.fit(
        np.ones((8, 3)), np.ones((8, 1)), batch_size=4, epochs=3, verbose=0, validation_split=0.5, callbacks=[callback]
    )
    run = only_run(monitor)
    assert (run["state"], run["reason"], run["tags"], run["notes"]) == ("finished", "", ["a"], "first")
    config = monitor.get(f"/api/configs?runs={run['id']}")["configs"][run["id"]]
    assert {"optimizer": "SGD", "learning_rate": 0.01, "batch_size": 4, "epochs": 3}.items() <= config.items()
    assert (config["data.noise"], config["loss"], config["host"] != "") == (0.1, "mine", True)
    series = series_of(monitor, run)
    assert series["learning_rate"] == [0.01] * 3
    assert all(0 < step < seconds for step, seconds in zip(series["step_time"], series["seconds"], strict=True))
    assert series["seconds"] == sorted(series["seconds"])
    assert run["duration"] == series["seconds"][-1]
    assert run["best"].keys() == {"loss", "val_loss"}


def test_a_rate_that_hooks_or_schedules_change_is_that_of_its_epoch(monitor):
    class Halve(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.lr /= 2

    fit([RemoteMonitor(monitor.root), Halve()], epochs=3, model=Model(lr=0.5))
    assert series_of(monitor, only_run(monitor))["learning_rate"] == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("said", [{}, {"X_Epochal_Monitor": "1", "X_Epochal_Events": "9"}])
def test_no_other_server_and_no_earlier_monitor_gets_more_than_the_logs(said):
    with Server(answer("200 OK", **said)) as server:
        fit([RemoteMonitor(server.root, config={"a": 1}), Stops("nan")], epochs=5)
        told = [unquote(body.replace("+", " ")).removeprefix("data=").split("\n") for _, _, _, body in server.requests]
    events = [json.loads(line) for lines in told for line in lines]
    values = [event for event in events if len(event) > 1]
    assert [sorted(event) for event in values] == [["epoch", "error", "loss"]] * 2
    assert [h.get("x-epochal-state") for _, _, h, _ in server.requests][-1] == ("finished" if said else None)
    assert not any("x-epochal-about" in h or "x-epochal-reason" in h for _, _, h, _ in server.requests)


class Stops(Callback):
    """Ends a fit after its second epoch, with or without words."""

    def __init__(self, kind=None):
        self.kind = kind

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1 and self.kind is None:
            self.model.stop_training = True
        elif epoch == 1:
            self.ask_to_stop("enough", self.kind)

    def state_dict(self):
        return {}


class Diverges(Callback):
    """Makes the second epoch's loss NaN from its second batch on."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.model.optimizer.lr = float("nan")


class Raises(Callback):
    def __init__(self, error):
        self.error = error

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise self.error


@pytest.mark.parametrize(
    ("callbacks", "state", "reason"),
    [
        (list, "finished", ""),
        (lambda: [EarlyStopping("loss", patience=2, min_delta=9.0)], "early",
         "loss was best in epoch 1: .*; epochs without improvement: 2."),
        (lambda: [Stops("early")], "early", "enough"),
        (lambda: [Stops()], "early", "Stops has set model.stop_training"),
        (lambda: [Diverges(), TerminateOnNaN()], "nan", "NaN loss at batch 2 of epoch 2"),
        (lambda: [Raises(ValueError("shapes\n  (3,)"))], "failed", r"ValueError: shapes \(3,\) \(test_remote_about.py:\d+\)"),
        (lambda: [Raises(KeyboardInterrupt())], "stopped", r"KeyboardInterrupt \(test_remote_about.py:\d+\)"),
    ],
)  # fmt: skip
def test_how_a_run_ends_and_why(monitor, callbacks, state, reason):
    with suppress(ValueError, KeyboardInterrupt):
        fit([RemoteMonitor(monitor.root), *callbacks()], epochs=5)
    run = only_run(monitor)
    assert run["state"] == state
    assert re.fullmatch(reason, run["reason"]), run["reason"]


def test_one_that_is_stopped_after_its_last_epoch_is_finished(monitor):
    fit([RemoteMonitor(monitor.root), Stops("early")], epochs=2)
    assert (only_run(monitor)["state"], only_run(monitor)["reason"]) == ("finished", "")


def test_why_a_fit_ended_survives_a_kill_before_its_end_was_told(monitor, tmp_path):
    class Killed(Exception):
        pass

    class Dies(Callback):
        def on_train_end(self, logs=None):
            raise Killed

        def state_dict(self):
            return {}

    def callbacks():
        return [RemoteMonitor(monitor.root), Stops("early"), BackupAndRestore(tmp_path / "run")]

    with pytest.raises(Killed):
        fit([*callbacks(), Dies()], epochs=5)
    assert only_run(monitor)["state"] == "failed"
    fit(callbacks(), epochs=5)
    assert (only_run(monitor)["state"], only_run(monitor)["reason"]) == ("early", "enough")
    fit(callbacks(), epochs=4)
    assert (only_run(monitor)["epoch"], only_run(monitor)["state"]) == (1, "early")


def test_seconds_go_on_in_a_resumed_run():
    first = RemoteMonitor()
    first.on_train_begin()
    state = first.state_dict() | {"seconds": 100.0}
    again = RemoteMonitor()
    again.on_train_begin()
    again.load_state_dict(state)
    assert 100.0 < again.state_dict()["seconds"] < 101.0


class AsksOnce(Callback):
    """Asks for a stop at the end of the second epoch, as somebody at the page would, and waits for the answer."""

    def __init__(self, monitor, callback):
        self.monitor, self.callback = monitor, callback

    def on_epoch_end(self, epoch, logs=None):
        run = self.callback._run
        if epoch == 0:  # which is sent after this hook
            return
        wait_for(lambda: self.summary(run)["epoch"] == epoch - 1)
        if epoch == 1:
            wait_for(lambda: self.summary(run)["allow_stop"] == self.callback.allow_stop)
            self.code = self.monitor.ask("POST", f"/api/runs/{run}/stop", **self.monitor.token)[0]
        elif self.code == 202:
            wait_for(lambda: self.callback._outbox.stop)

    def summary(self, run):
        code, _, text = self.monitor.ask("GET", f"/api/runs/{run}", **self.monitor.token)
        return json.loads(text) if code == 200 else {"epoch": None}


@pytest.mark.parametrize(("allow", "code", "last", "state"), [(True, 202, 2, "stopped"), (False, 409, 4, "finished")])
def test_the_page_stops_a_fit_that_allows_it_after_an_epoch(tmp_path, allow, code, last, state):
    with serving(tmp_path / "runs.db", token=TOKEN) as monitor:
        monitor.token = {"Authorization": f"Bearer {TOKEN}"}
        callback = RemoteMonitor(monitor.root, headers=monitor.token, allow_stop=allow)
        asks = AsksOnce(monitor, callback)
        fit([asks, callback], epochs=5)
        run = json.loads(monitor.ask("GET", "/api/runs", **monitor.token)[2])["runs"][0]
    assert (asks.code, run["epoch"], run["state"], run["stopping"]) == (code, last, state, False)
    assert run["reason"] == ("asked for on the monitor's page" if allow else "")


def test_a_word_to_stop_another_run_stops_nothing():
    with Server(answer("200 OK", X_Epochal_Monitor="2", X_Epochal_Stop="another")) as server:
        callback = RemoteMonitor(server.root, allow_stop=True)
        fit([callback], epochs=3)
        assert callback.model.stop_training is False


def test_the_system_is_told_with_the_epochs(monitor):
    psutil = pytest.importorskip("psutil")
    callback = RemoteMonitor(monitor.root, system=True)
    train(callback, 1, end=False)
    wait_for(lambda: callback._sampler.latest)
    train(callback, 2, first=1)
    series = series_of(monitor, only_run(monitor))
    assert 0 <= series["system/cpu"][-1] <= 100
    assert 0 < series["system/memory"][-1] < psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"config": {"a": object()}}, r"config\['a'\] is a object; a config has numbers, text"),
        ({"config": {"a": float("nan")}}, r"config\['a'\] must be a finite number"),
        ({"config": {f"a{n}": n for n in range(401)}}, "config has at most 400 names; got 401"),
        ({"config": [1]}, "config is a dict of names and values"),
        ({"tags": "fast"}, "tags must be a list of texts; got 'fast'"),
        ({"notes": 3}, "notes must be a text"),
    ],
)
def test_what_no_monitor_takes_is_an_error_at_once(arguments, words):
    with pytest.raises(ValueError, match=words):
        RemoteMonitor(**arguments)


def test_without_psutil_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(ImportError, match=r'system=True\) needs psutil: pip install "epochal\[system\]"'):
        RemoteMonitor(system=True)


def test_what_was_left_out_before_the_server_was_known_is_sent_after_it():
    ours = answer("200 OK", X_Epochal_Monitor="2", X_Epochal_Events="500")
    with Server([ours] * 9) as server:
        train(RemoteMonitor(server.root), 4)
        events = [
            json.loads(line)
            for _, _, _, body in server.requests
            for line in unquote(body.replace("+", " "))[5:].split("\n")
        ]
        kinds = [
            (h.get("x-epochal-seq"), h.get("x-epochal-about"), h.get("x-epochal-state"))
            for _, _, h, _ in server.requests
        ]
    assert events[0] == losses([0])[0]
    assert kinds[:3] == [("0", None, None), (None, "run", None), (None, "epoch", None)]
    assert events[2].keys() == {"epoch", "seconds"}
    assert all(event.keys() == {"epoch", "loss", "seconds"} for event in events[3:6])
    assert kinds[-1] == (None, None, "finished")


def test_what_a_resumed_run_had_not_delivered_keeps_its_own_seconds(monitor):
    callback = RemoteMonitor(monitor.root)
    unsent = [[0, '{"epoch": 0, "loss": 0.9}', [1_000.0, 2.0, 0.25, 4, None]]]
    state = {"run": "resumed", "seq": 1, "epoch": 0, "seconds": 1_000.0, "group": [], "unsent": unsent}
    with CallbackList([callback], epochs=2) as callbacks:
        callbacks.on_train_begin()
        callback.load_state_dict(state)
        callbacks.on_epoch_begin(1)
        callbacks.on_epoch_end(1, {"loss": 0.8})
    series = series_of(monitor, only_run(monitor))
    assert series["loss"] == [0.9, 0.8]
    assert series["seconds"][0] == 1_000.0 < series["seconds"][1]
    assert (series["step_time"], series["learning_rate"]) == ([0.5], [0.25])


def test_a_step_of_an_epoch_that_was_cut_short_takes_as_long_as_any(monitor):
    class Stops(Callback):
        def on_train_batch_end(self, batch, logs=None):
            sleep(0.05)
            self.model.stop_training = batch == 0

    fit([RemoteMonitor(monitor.root), Stops()], epochs=1)
    assert series_of(monitor, only_run(monitor))["step_time"][0] >= 0.05  # of one batch, not of three
