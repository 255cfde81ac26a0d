"""The monitor's server: what it takes, what it refuses, and what it never loses."""

import pytest
from raw_requests import POST

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")


def test_form_and_json_are_shown(monitor):
    form = "data=%7B%22epoch%22%3A+0%2C+%22loss%22%3A+NaN%7D"
    assert monitor.ask("POST", POST, form, Content_Type="application/x-www-form-urlencoded")[0] == 200
    assert monitor.post({"epoch": 1, "loss": 0.5, "val_loss": 0.6}) == 200
    (run,) = monitor.get("/api/runs")["runs"]
    assert (run["id"], run["epoch"], run["last"]) == ("~127.0.0.1~1", 1, {"loss": 0.5, "val_loss": 0.6})
    loss, val_loss = monitor.get(f"/api/runs/{run['id']}")["series"]
    assert loss == {"metric": "loss", "grain": "epoch", "epoch": [0, 1], "value": [None, 0.5]}
    assert val_loss["value"] == [0.6]


def test_headers_name_a_run_and_say_how_it_ended(monitor):
    headers = {"X_Epochal_Run": "r1", "X_Epochal_Name": "gro%C3%9F", "X_Epochal_Epochs": "9", "X_Epochal_Steps": "4"}
    monitor.post({"epoch": 0, "loss": 1.0}, X_Epochal_Seq="0", **headers)
    run = monitor.get("/api/runs/r1")
    assert (run["name"], run["epochs"], run["steps"], run["state"]) == ("groß", 9, 4, "running")
    monitor.post({"epoch": 0}, X_Epochal_State="failed", **headers)
    assert monitor.get("/api/runs/r1")["state"] == "failed"


def test_points_are_thinned_for_the_width_and_zoomed_by_epochs(monitor):
    values = [0.0] * 5_000
    values[1234], values[4321] = 9.0, -9.0
    monitor.post({"epoch": 0, "batch": list(range(5_000)), "loss": values}, X_Epochal_Run="r")
    monitor.post({"epoch": 7, "batch": [0], "loss": [1.0]}, X_Epochal_Run="r")
    (series,) = monitor.get("/api/runs/r?width=100")["series"]
    assert len(series["value"]) <= 202
    assert {9.0, -9.0} <= set(series["value"])
    (series,) = monitor.get("/api/runs/r?width=100&first=1&last=7")["series"]
    assert (series["epoch"], series["batch"], series["value"]) == ([7], [0], [1.0])


def test_rows_and_csv(monitor):
    monitor.post({"epoch": 0, "loss": 0.5, "note": "=HYPERLINK(1)"}, X_Epochal_Run="r")
    monitor.post({"epoch": 1, "loss": float("nan"), 'a"b': 1}, X_Epochal_Run="r")
    assert monitor.get("/api/runs/r/rows?limit=1")["rows"] == [[1, None, None, None, 1.0]]
    code, headers, text = monitor.ask("GET", "/api/runs/r/rows.csv")
    assert code == 200
    assert headers["content-disposition"] == 'attachment; filename="r.csv"'
    assert text == 'epoch,batch,loss,note,"a""b"\n0,,0.5,\'=HYPERLINK(1),\n1,,,,1.0\n'


def test_a_run_can_be_deleted(monitor):
    monitor.post({"epoch": 0, "loss": 0.5}, X_Epochal_Run="r")
    assert monitor.ask("DELETE", "/api/runs/r")[0] == 204
    assert monitor.ask("DELETE", "/api/runs/r")[0] == 404
    assert monitor.get("/api/runs")["runs"] == []


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/api/runs/none", 404, "there is no run 'none'"),
        ("/api/runs/none/rows", 404, "there is no run"),
        ("/api/runs/none/rows.csv", 404, "there is no run"),
        ("/api/runs/none?width=0", 400, "width is a whole number from 1 to 4000; got '0'"),
        ("/api/runs/none?first=-1", 400, "first is a whole number"),
        ("/static/../app.py", 404, "Not Found"),
        ("/static/%2e%2e/app.py", 404, "Not Found"),
    ],
)
def test_wrong_questions_are_answered(monitor, path, code, words):
    found, _, text = monitor.ask("GET", path)
    assert (found, words in text) == (code, True)
