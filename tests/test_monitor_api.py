"""What the page asks of a monitor about its runs, and what it says of them."""

import json

import pytest
from monitoring import serving
from raw_requests import TOKEN, Events

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")

AUTH = {"Authorization": f"Bearer {TOKEN}"}
ABOUT = {"epoch": 0, "config": {"optimizer": "Adam", "lr": 0.01}, "tags": ["a"], "notes": "n", "allow_stop": True}


def about(monitor, run="r", **changed):
    return monitor.post(ABOUT | changed, X_Epochal_Run=run, X_Epochal_About="run", **AUTH)


def post(monitor, epoch, run="r", seq=True, **values):
    numbered = {"X_Epochal_Seq": str(epoch)} if seq else {}
    event = json.dumps({"epoch": epoch, **values})
    return monitor.ask("POST", "/publish/epoch/end/", event, X_Epochal_Run=run, **numbered, **AUTH)


def run_of(monitor, run="r"):
    return monitor.get(f"/api/runs/{run}")


def edit(monitor, run="r", **edits):
    code, _, text = monitor.ask("PATCH", f"/api/runs/{run}", json.dumps(edits))
    return code, json.loads(text) if code == 200 else text


def test_a_run_has_the_configuration_tags_and_notes_that_its_client_sends(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        post(monitor, 0, loss=1.0)
        post(monitor, 0, "other", loss=1.0)
        assert about(monitor) == 200
        run = run_of(monitor)
        assert (run["tags"], run["notes"], run["allow_stop"], run["archived"]) == (["a"], "n", True, False)
        found = monitor.get("/api/configs?runs=r,other,none")
        assert found == {"configs": {"r": {"optimizer": "Adam", "lr": 0.01}}}
        about(monitor, config={"lr": None, "shuffle": True})
        assert monitor.get("/api/configs?runs=r") == {"configs": {"r": {"lr": None, "shuffle": True}}}


def test_word_of_a_run_that_is_not_there_makes_none(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        assert about(monitor) == 200
        assert monitor.get("/api/runs")["total"] == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"config": [1]}, 'has a "config", a JSON object'),
        ({"config": {"a": {"b": 1}}}, "config['a'] must be a finite number, a text of at most 2,000 characters"),
        ({"config": {"a": "x" * 2_001}}, "config['a'] must be"),
        ({"config": {f"a{n}": 1 for n in range(501)}}, "at most 500 names; got 501"),
        ({"config": {"x" * 201: 1}}, "a name has at most 200 characters; got 201"),
        ({"tags": "a"}, "tags must be a list of texts"),
        ({"tags": ["x" * 101]}, "a tag has at most 100 characters"),
        ({"tags": [str(n) for n in range(51)]}, "at most 50 tags; got 51"),
        ({"notes": "x" * 20_001}, "at most 20,000 characters"),
    ],
)
def test_what_is_too_much_or_nothing_to_keep_is_refused_in_words(monitor, changed, words):
    event = json.dumps(ABOUT | changed)
    code, _, said = monitor.ask("POST", "/publish/epoch/end/", event, X_Epochal_Run="r", X_Epochal_About="run")
    assert code == 400
    assert words in json.loads(said)["error"]


@pytest.fixture(scope="module")
def monitor(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("api") / "runs.db") as monitor:
        post(monitor, 0, loss=1.0)
        yield monitor


def test_what_somebody_says_goes_before_what_the_client_says(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        named = {"X_Epochal_Run": "r", "X_Epochal_Name": "client"}
        monitor.post({"epoch": 0, "loss": 1.0}, **named)
        about(monitor)
        assert edit(monitor, name=" mine ", tags=["b", "b", " "])[1]["name"] == "mine"
        monitor.post({"epoch": 1, "loss": 1.0}, **named)
        about(monitor, notes="later")
        run = run_of(monitor)
        assert (run["name"], run["called"], run["tags"], run["notes"]) == ("mine", "client", ["b"], "later")
        assert edit(monitor, name=None)[1]["name"] == "client"
        assert edit(monitor, archived=True, notes="")[1]["archived"] is True


def test_viewers_are_told_of_edits(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        post(monitor, 0, loss=1.0)
        viewer = Events(monitor)
        viewer.next("reset")
        edit(monitor, notes="look here")
        while (change := viewer.next("change")[1])["runs"][0]["notes"] != "look here":
            pass
        viewer.close()
        assert change["runs"][0]["edited"] == ["notes"]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("{", 400, "an edit is a JSON object"),
        ("[]", 400, "got list"),
        ("{}", 400, "any of name, tags, notes, archived; got nothing"),
        ('{"state": "x"}', 400, "any of name, tags, notes, archived; got state"),
        ('{"\\ud800": 1}', 400, "any of name, tags, notes, archived; got ?"),
        ('{"name": ""}', 400, "1 to 200 characters, or null"),
        ('{"name": 1}', 400, "1 to 200 characters, or null"),
        ('{"archived": 1}', 400, "archived must be true or false; got '1'"),
        ('{"tags": [1]}', 400, "tags must be a list of texts"),
        ('{"notes": null}', 400, "notes must be a text"),
        ('{"notes": "' + "x" * 140_000 + '"}', 413, "at most 131072 bytes"),
    ],
)
def test_an_edit_that_is_none_is_refused_in_words(monitor, body, code, words):
    status, _, said = monitor.ask("PATCH", "/api/runs/r", body)
    assert (status, words in said) == (code, True), said


def test_nobody_edits_or_stops_a_run_that_is_not_there(tmp_path):
    with serving(tmp_path / "runs.db", token=TOKEN) as monitor:
        assert monitor.ask("PATCH", "/api/runs/x", '{"name": "a"}', **AUTH)[0] == 404
        assert monitor.ask("POST", "/api/runs/x/stop", **AUTH)[0] == 404


def test_a_run_is_asked_to_stop_in_the_answers_to_its_posts_until_it_has_ended(tmp_path):
    with serving(tmp_path / "runs.db", token=TOKEN) as monitor:
        post(monitor, 0, loss=1.0)
        about(monitor)
        assert "x-epochal-stop" not in post(monitor, 1, loss=1.0)[1]
        code, _, said = monitor.ask("POST", "/api/runs/r/stop", **AUTH)
        assert (code, json.loads(said)) == (202, {"stopping": True})
        assert post(monitor, 2, loss=1.0)[1]["x-epochal-stop"] == "r"
        assert "x-epochal-stop" not in post(monitor, 0, "other", loss=1.0)[1]
        assert post(monitor, 3, loss=1.0)[1]["x-epochal-stop"] == "r"
        end = {"X_Epochal_State": "stopped", "X_Epochal_Reason": "from%20the%20page"}
        monitor.post({"epoch": 3}, X_Epochal_Run="r", **end, **AUTH)
        run = json.loads(monitor.ask("GET", "/api/runs/r", **AUTH)[2])
        assert (run["state"], run["reason"], run["stopping"], run["eta"]) == ("stopped", "from the page", False, None)
        code, _, said = monitor.ask("POST", "/api/runs/r/stop", **AUTH)
        assert (code, said) == (409, "the run is over: it is stopped")


def test_a_fit_that_does_not_allow_it_and_a_monitor_without_a_token_stop_nothing(tmp_path):
    with serving(tmp_path / "runs.db", token=TOKEN) as monitor:
        post(monitor, 0, loss=1.0)
        code, _, said = monitor.ask("POST", "/api/runs/r/stop", **AUTH)
        assert (code, "doesn't allow it" in said) == (409, True)
    with serving(tmp_path / "runs.db") as monitor:
        about(monitor)
        code, _, said = monitor.ask("POST", "/api/runs/r/stop")
        assert (code, "only a monitor with a token can stop runs" in said) == (403, True)


def test_the_list_has_as_many_runs_as_are_asked_for_and_says_how_many_there_are(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        for run in "abc":
            post(monitor, 0, run, loss=1.0)
        listed = monitor.get("/api/runs?limit=2")
        assert ([run["id"] for run in listed["runs"]], listed["total"], listed["token"]) == (["c", "b"], 3, False)
        assert monitor.ask("GET", "/api/runs?limit=20001")[0] == 400


def test_health_is_json_or_a_page(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        post(monitor, 0, loss=1.0)
        report = json.loads(monitor.ask("GET", "/health", Accept="application/json")[2])
        assert (report["runs"], report["last_error"], report["last_error_at"]) == (1, "", None)
        assert report["posts_per_second"] > 0
        assert min(report["bytes"], report["disk_free"]) > 0
        (tmp_path / "runs.db").rename(tmp_path / "elsewhere.db")
        assert post(monitor, 1, loss=1.0)[0] == 503
        (tmp_path / "elsewhere.db").rename(tmp_path / "runs.db")
        code, headers, page = monitor.ask("GET", "/health")
        assert (code, headers["content-type"].split(";")[0]) == (200, "text/html")
        assert "couldn&#x27;t be stored" in page
        assert "has been taken away" in page
