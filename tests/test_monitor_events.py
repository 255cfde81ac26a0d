"""What a post may say, and how its points are kept and thinned."""

import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epochal.monitor.event import EPOCH_END, BadEventError, read_events
from epochal.monitor.store import Store
from epochal.monitor.thinning import thin


def read_event(body, headers, client):
    (event,) = read_events(body, headers, client)
    return event


def read(body, **headers):
    return read_event(body if isinstance(body, bytes) else json.dumps(body).encode(), headers, "10.0.0.1")


@pytest.mark.parametrize(
    "body",
    [
        b'{"epoch": 3, "loss": 0.5}',
        b"data=%7B%22epoch%22%3A+3%2C+%22loss%22%3A+0.5%7D",
        b"val_loss=%7B%22epoch%22%3A+3%2C+%22loss%22%3A+0.5%7D",
        b"who=me&data=%7B%22epoch%22%3A3%2C%22loss%22%3A0.5%7D",
    ],
)
def test_json_and_forms_with_any_field_are_read(body):
    event = read(body)
    assert (event.epoch, event.points) == (3, (("loss", EPOCH_END, 0.5),))


def test_keras_posts_nan_and_infinity_as_they_are():
    points = read(b'{"epoch": 0, "loss": NaN, "a": Infinity, "b": -Infinity, "c": 1e999}').points
    assert [value for _, _, value in points] == [None, None, None, None]


def test_a_group_of_batches_becomes_points_of_batches():
    event = read({"epoch": 1, "batch": [7, 8], "size": [32, 16], "loss": [0.5, None]})
    assert event.points == (("loss", 7, 0.5), ("loss", 8, None))


def test_what_is_no_number_is_kept_as_text():
    points = read({"epoch": 0, "note": "warm", "classes": [0.1, 0.2], "ok": True, "half": "\ud800"}).points
    assert [value for _, _, value in points] == ["warm", "[0.1, 0.2]", 1.0, "?"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "neither JSON nor a form"),
        (b"\xff\xfe", "neither JSON nor a form"),
        (b"[1]", "neither JSON nor a form"),
        (b"data=[1]", "an event is a JSON object; got list"),
        (b'{"loss": 1}', 'the event has no "epoch"'),
        (b'{"epoch": -1}', "whole number from 0; got '-1'"),
        (b'{"epoch": 1.5}', "whole number from 0"),
        (b'{"epoch": true}', "whole number from 0"),
        (b'{"epoch": NaN}', 'the event has no "epoch"'),
        (b'{"epoch": 1' + b"0" * 5000 + b"}", "neither JSON nor a form"),
        (b'{"epoch": 0, "a": 1' + b"0" * 400 + b"}", "a number is too large"),
        (b'{"epoch": 0, "a": ' + b"[" * 6 + b"]" * 6 + b"}", "nested at most 4 deep"),
        (b'{"epoch": 0, "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "neither JSON nor a form"),
        (json.dumps({"epoch": 0, "n" * 201: 1}).encode(), "a name has at most 200"),
        (json.dumps({"epoch": 0} | {f"m{i}": 1 for i in range(501)}).encode(), "at most 500 values"),
        (b'{"epoch": 0, "batch": [0, 1], "loss": [1]}', "'loss' must be a list as long as"),
        (b'{"epoch": 0, "batch": [null], "loss": [1]}', 'a "batch" is null'),
        (b'{"epoch": 0, "batch": [null, 1]}', 'a "batch" is null'),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(body, words):
    with pytest.raises(BadEventError, match=words.replace("[", r"\[")):
        read(body)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-epochal-run", "a/b"),
        ("x-epochal-run", ".."),
        ("x-epochal-run", "x" * 65),
        ("x-epochal-seq", "-1"),
        ("x-epochal-state", "great"),
    ],
)
def test_odd_headers_are_refused(name, value):
    with pytest.raises(BadEventError, match="must match"):
        read({"epoch": 0}, **{name: value})


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))), st.integers(1, 40))
def test_thinning_keeps_the_ends_and_the_extremes_in_order(values, width):
    points = list(enumerate(values))
    kept = thin(points, width)
    assert len(kept) <= 2 * width + 2
    assert kept == sorted(set(kept) & set(points), key=points.index)
    finite = [v for v in values if v is not None]
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
    if finite:
        shown = [v for _, v in kept if v is not None]
        assert (min(shown), max(shown)) == (min(finite), max(finite))


def test_a_chart_needs_a_width():
    with pytest.raises(ValueError, match="at least one pixel wide; got 0"):
        thin([(0, 1.0)], 0)


def event(epoch, run="", seq=None, client="10.0.0.1", **logs):
    headers = ({"x-epochal-run": run} if run else {}) | ({} if seq is None else {"x-epochal-seq": str(seq)})
    return read_event(json.dumps({"epoch": epoch, **logs}).encode(), headers, client)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs.db")
    yield store
    store.close()


def test_an_event_that_comes_twice_counts_once(store):
    first, second = store.add([event(0, "a", 0, loss=1.0), event(0, "a", 0, loss=1.0)])
    assert first is not None
    assert second is None
    assert store.add([event(0, "a", 0, loss=1.0)]) == [None]


def test_a_resumed_run_may_say_something_else_under_an_old_number(store):
    store.add([event(0, "a", 0, loss=1.0), event(1, "a", 1, loss=0.9)])
    assert store.add([event(1, "a", 1, loss=0.8)]) != [None]
    names, rows = store.table("a")
    assert (names, list(rows)) == (["epoch", "batch", "loss"], [(0, None, 1.0), (1, None, 0.8)])


def test_posts_without_an_id_are_grouped_by_client_and_a_new_start_is_a_new_run(store):
    store.add([event(e, client=client, loss=1.0) for e in (0, 1) for client in ("10.0.0.1", "10.0.0.2")])
    store.add([event(0, client="10.0.0.1", loss=2.0)])
    assert {run["id"] for run in store.runs()} == {"~10.0.0.1~1", "~10.0.0.2~1", "~10.0.0.1~2"}


def test_batches_without_an_id_belong_to_one_run_until_they_come_again(store):
    for batch in (0, 1, 2):
        store.add([event(0, batch=batch, loss=1.0)])
    assert len(store.runs()) == 1
    store.add([event(0, batch=0, loss=2.0)])
    assert len(store.runs()) == 2


def last_word(run, state):
    return read_event(b'{"epoch": 0}', {"x-epochal-run": run, "x-epochal-state": state}, "10.0.0.1")


def test_the_last_word_of_a_deleted_run_brings_nothing_back(store):
    store.add([event(0, "a", 0, loss=1.0)])
    store.delete("a")
    assert store.add([last_word("a", "finished")]) == [None]
    assert store.runs() == []


def test_a_run_that_failed_and_does_its_last_epoch_again_is_running(store):
    store.add([event(0, "a", 0, loss=1.0)])
    store.add([last_word("a", "failed")])
    store.add([event(0, "a", 0, loss=1.0)])
    assert [run["state"] for run in store.runs()] == ["running"]


def introduction(run):
    said = {"epoch": 0, "config": {}, "tags": [], "notes": "", "allow_stop": True}
    return read_event(json.dumps(said).encode(), {"x-epochal-run": run, "x-epochal-about": "run"}, "10.0.0.1")


@pytest.mark.parametrize(
    "first",
    [event(1, "a", 1, loss=0.9), event(1, "a", 1, loss=0.8), introduction("a")],
    ids=["it does again what it had posted", "it does that in another way", "it says what it is made with"],
)
def test_a_run_that_was_killed_and_goes_on_is_no_longer_asked_to_stop(store, first):
    store.add([event(0, "a", 0, loss=1.0), introduction("a"), event(1, "a", 1, loss=0.9)])
    store.ask_to_stop("a")
    (added,) = store.add([event(2, "a", 2, loss=0.7)])
    assert added.run["stopping"] is True
    (added,) = store.add([first])
    assert (added.run["state"], added.run["stopping"]) == ("running", False)
    assert store.runs()[0]["stopping"] is False


def test_rows_may_be_those_of_some_epochs(store):
    store.add([event(e, "a", e, loss=float(e)) for e in range(9)])
    _, rows = store.table("a", limit=2, first=3, last=5)
    assert list(rows) == [(5, None, 5.0), (4, None, 4.0)]


def test_a_file_has_one_monitor_at_a_time(store):
    with pytest.raises(ValueError, match=r"another monitor has runs\.db: name another with --db"):
        Store(store.path)
    store.close()
    Store(store.path).close()


def test_nothing_is_acknowledged_when_the_file_has_been_taken_away(store):
    store.add([event(0, "a", 0, loss=1.0)])
    store.path.rename(store.path.with_name("elsewhere.db"))
    with pytest.raises(sqlite3.OperationalError, match="has been taken away; start the monitor again"):
        store.add([event(1, "a", 1, loss=1.0)])
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        store.runs()
    assert not store.path.exists()


def test_one_bad_event_does_not_spoil_the_commit_of_others(store):
    names = [f"m{i}" for i in range(400)]
    store.add([event(0, "a", n, **{f"{n}{name}": 1.0 for name in names}) for n in range(2)])
    good, bad = store.add([event(0, "b", 0, loss=1.0), event(0, "a", 2, **{f"2{name}": 1.0 for name in names})])
    assert good is not None
    assert "at most 1000 metrics" in str(bad)
    assert store.run("b", 100)["last"] == {"loss": 1.0}


def test_an_event_that_fails_for_any_reason_does_not_fail_its_neighbours(store):
    store.add([event(0, "a", 0, loss=1.0)])
    store.close()
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE runs SET summary = json_set(summary, '$.best', json('{\"loss\": 5}'))")
    db.close()
    store = Store(store.path)
    bad, good = store.add([event(1, "a", 1, loss=0.5), event(0, "b", 0, loss=1.0)])
    assert isinstance(bad, TypeError)
    assert good.run["last"] == {"loss": 1.0}
    assert store.run("a", 100)["epoch"] == 0
    store.close()


def test_rows_come_in_order_with_an_epoch_after_its_batches(store):
    store.add([event(0, "a", 0, batch=[0, 1], loss=[3.0, 2.0]), event(0, "a", 1, loss=2.5, val_loss=2.6)])
    names, rows = store.table("a")
    assert names == ["epoch", "batch", "loss", "val_loss"]
    assert list(rows) == [(0, 0, 3.0, None), (0, 1, 2.0, None), (0, None, 2.5, 2.6)]
    assert list(store.table("a", 1)[1]) == [(0, None, 2.5, 2.6)]


def test_a_table_has_what_was_there_when_it_was_asked_for_however_late_its_rows_are_taken(store):
    store.add([event(0, "a", 0, loss=1.0)])
    names, rows = store.table("a")
    store.add([event(0, "a", 1, batch=0, late=2.0), event(1, "a", 2, loss=3.0, late=4.0)])
    assert (names, list(rows)) == (["epoch", "batch", "loss"], [(0, None, 1.0)])


def test_a_run_without_values_has_an_empty_table(store):
    store.add([event(0, "a", 0)])
    names, rows = store.table("a")
    assert (names, list(rows)) == (["epoch", "batch"], [])


def test_floats_come_back_bit_for_bit(store):
    values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0]
    store.add([event(i, "a", i, loss=value) for i, value in enumerate(values)])
    assert [row[2].hex() for row in store.table("a")[1]] == [value.hex() for value in values]


def test_a_file_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, whatever its name says" * 50)
    with pytest.raises(ValueError, match=r"notes.txt is no file of this monitor.*Name another with --db"):
        Store(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text().startswith("not a database")


def test_a_database_of_another_program_is_left_alone(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE runs (x)")
    other.close()
    with pytest.raises(ValueError, match="another program's tables are in it"):
        Store(tmp_path / "other.db")
