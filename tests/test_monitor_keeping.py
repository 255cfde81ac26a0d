"""Runs that are kept for long: copied, taken elsewhere, and let go."""

import json
import sqlite3
import subprocess
import sys

import pytest
from monitoring import running, wait_for
from test_monitor_standing import event, file_of_version_1

from epochal.cli import main
from epochal.monitor.store import Store


def command(*arguments):
    return main(["monitor", *map(str, arguments)])


def said(run, seq, **logs):
    return event(logs.pop("epoch", 0), {"x-epochal-run": run, "x-epochal-seq": str(seq)}, **logs)


ABOUT = {"config": {"lr": 0.1, "who": "größer"}, "tags": ["a"], "notes": "long", "allow_stop": True}


@pytest.fixture
def db(tmp_path):
    """Return a file with a run that has everything, and a small one."""
    path = tmp_path / "runs.db"
    store = Store(path)
    store.add(
        [said("a", 0, batch=[0, 1], loss=[1 / 3, None]), said("a", 1, loss=0.25, note="w\n", val_loss=float("nan"))]
    )
    store.add([event(0, {"x-epochal-run": "a", "x-epochal-about": "run"}, **ABOUT)])
    store.add([said("a", 2, epoch=1, loss=5e-324), said("b", 0, loss=2.0)])
    store.edit("a", {"name": "mine", "archived": True})
    store.close()
    return path


def content(path, runs=("a", "b")):
    store = Store(path)
    try:
        listed = {run["id"]: run for run in store.runs()}
        tables = {id: (table.columns, list(table.rows)) for id in runs if (table := store.table(id))}
        return listed, tables, store.configs(["a", "b"])
    finally:
        store.close()


def test_a_copy_that_is_made_while_a_monitor_runs_has_what_was_acknowledged(tmp_path, capsys):
    with running(tmp_path / "runs.db") as monitor:
        assert monitor.post({"epoch": 0, "loss": 0.5}, X_Epochal_Run="r") == 200
        assert command("backup", tmp_path / "copy.db", "--db", tmp_path / "runs.db") == 0
        assert monitor.post({"epoch": 1, "loss": 0.25}, X_Epochal_Run="r") == 200
    assert [row[2] for row in content(tmp_path / "copy.db", ["r"])[1]["r"][1]] == [0.5]
    assert "copy.db: " in capsys.readouterr().out
    assert not [path.name for path in tmp_path.iterdir() if "partial" in path.name]


def test_runs_are_taken_elsewhere_whole(db, tmp_path, capsys):
    assert command("--db", db, "export", tmp_path / "all.json") == 0
    assert command("--db", tmp_path / "new.db", "import", tmp_path / "all.json") == 0
    assert content(tmp_path / "new.db") == content(db)
    assert "all.json: a, b" in capsys.readouterr().out
    assert command("export", tmp_path / "one.json", "b", "--db", db) == 0
    assert command("import", tmp_path / "one.json", "--db", tmp_path / "other.db") == 0
    assert list(content(tmp_path / "other.db")[0]) == ["b"]


def test_a_run_that_was_taken_elsewhere_goes_on_there(db, tmp_path):
    command("--db", db, "export", tmp_path / "all.json")
    command("--db", tmp_path / "new.db", "import", tmp_path / "all.json")
    store = Store(tmp_path / "new.db")
    (added,) = store.add([said("a", 3, epoch=2, loss=1.0)])
    assert (added.run["name"], added.run["epoch"], added.run["best"]["loss"]["value"]) == ("mine", 2, 5e-324)
    store.close()


def flipped(lines):
    return [lines[0], lines[1].replace(b"0.333", b"0.444"), *lines[2:]]


def hostile(**changed):
    """Return a change of a run's summary that has a right checksum."""

    def change(lines):
        import hashlib

        head = json.loads(lines[0])
        head["run"] |= changed
        new = [json.dumps(head).encode() + b"\n", *lines[1:4]]
        end = {"moments": 3, "sha256": hashlib.sha256(b"".join(new)).hexdigest()}
        return [*new, json.dumps(end).encode()]

    return change


HOSTILE = [
    ("id", ""), ("best", []), ("best", {"loss": 5}), ("best", {"loss": {"value": float("nan"), "epoch": 0, "higher": False}}),
    ("last", {"loss": {"a": 1}}), ("last", {"\ud800": 1.0}), ("clock", []), ("clock", [0, "x"]), ("seen", float("inf")),
    ("seen", True), ("rate", 10**400), ("name", "\ud800"), ("edited", [{}]), ("state", "odd"), ("epoch", -5), ("steps", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda lines: [], "it is empty"),
        (lambda lines: lines[:-1], "it ends before its last run does"),
        (lambda lines: lines[:2], "it ends before its last run does"),
        (lambda lines: lines[1:], "line 1 is no JSON object"),
        (lambda lines: [b"{}\n", *lines[1:]], "line 1 begins no run that this version reads"),
        (lambda lines: [*lines[:2], *lines[3:]], "what stands before line 5 isn't what was written"),
        (lambda lines: [*lines[:2], lines[2][:9], *lines[3:]], "line 3 is no moment of a run"),
        (flipped, "isn't what was written"),
        (hostile(id="../x"), "a run whose id is '../x'"),
        *((hostile(**{name: value}), f"a run whose {name} is") for name, value in HOSTILE),
        (hostile(tags=[1]), "tags must be a list of texts"),
        (hostile(extra=1), "no run as this version knows it"),
        (hostile(), "run 'a' is there already"),
    ],
)
def test_what_is_damaged_or_there_already_adds_nothing(db, tmp_path, capsys, damage, words):
    command("--db", db, "export", tmp_path / "a.json", "a")
    before = content(db)
    lines = (tmp_path / "a.json").read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    (tmp_path / "bad.json").write_bytes(b"".join(damage(lines)))
    target = db if "already" in words else tmp_path / "new.db"
    assert command("--db", target, "import", tmp_path / "bad.json") == 1
    assert words in capsys.readouterr().err
    assert content(target) == (before if target == db else ({}, {}, {}))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["backup", "{db}"], "is the file of runs itself"),
        (["export", "{tmp}/x.json", "none"], "there is no run 'none'"),
        (["--db", "{tmp}/none.db", "backup", "{tmp}/x.db"], "there is no file"),
        (["--db", "{tmp}/old.db", "export", "{tmp}/x.json"], "its format is 1, and this is 2"),
        (["backup", "/proc/x/y"], "No such file"),
    ],
)
def test_what_can_not_be_written_or_read_is_said(db, tmp_path, capsys, arguments, words):
    file_of_version_1(tmp_path / "old.db")
    filled = [argument.format(db=db, tmp=tmp_path) for argument in arguments]
    assert command(*(filled if "--db" in filled else ["--db", str(db), *filled])) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x.json").exists()


def test_a_copy_of_a_damaged_file_says_which_is_damaged(db, tmp_path, capsys):
    whole = db.read_bytes()
    for damaged in (whole[:8192] + b"x" * (len(whole) - 8192), whole[:8192]):
        db.write_bytes(damaged)
        assert command("--db", db, "backup", tmp_path / "copy.db") == 1
        assert f"{db} can't be read: database disk image is malformed" in capsys.readouterr().err
        assert not (tmp_path / "copy.db").exists()


def test_runs_of_a_monitor_that_runs_are_not_imported(tmp_path, db, capsys):
    command("--db", db, "export", tmp_path / "a.json")
    with running(tmp_path / "new.db"):
        assert command("--db", tmp_path / "new.db", "import", tmp_path / "a.json") == 1
    assert "another monitor has new.db" in capsys.readouterr().err


def test_runs_that_nothing_was_heard_of_for_long_are_let_go_but_for_archived_ones(db):
    store = Store(db)
    store.add([said("new", 0, loss=1.0)])
    store.close()
    with sqlite3.connect(db) as file:
        file.execute("UPDATE runs SET seen = seen - 3 * 86400 WHERE id <> 'new'")
    file.close()
    with running(db, "--keep", "2.5") as monitor:
        wait_for(lambda: monitor.get("/api/runs")["total"] == 2)
        assert {run["id"] for run in monitor.get("/api/runs")["runs"]} == {"new", "a"}
    with sqlite3.connect(db) as file:
        assert file.execute("SELECT count(DISTINCT run) FROM points").fetchone() == (2,)
    file.close()


@pytest.mark.parametrize("days", ["0", "-1", "nan", "a week"])
def test_days_that_are_none_are_refused(days, capsys):
    with pytest.raises(SystemExit, match="2"):
        command(f"--keep={days}")
    assert f"DAYS is a number above 0; got '{days}'" in capsys.readouterr().err


def test_what_people_say_of_a_run_and_what_it_is_made_with_outlive_kill_9(tmp_path):
    with running(tmp_path / "runs.db") as monitor:
        monitor.post({"epoch": 0, "loss": 0.5}, X_Epochal_Run="r")
        assert monitor.post({"epoch": 0, **ABOUT}, X_Epochal_Run="r", X_Epochal_About="run") == 200
        assert monitor.ask("PATCH", "/api/runs/r", '{"name": "mine"}')[0] == 200
        monitor.process.kill()
        monitor.process.wait()
    with running(tmp_path / "runs.db") as monitor:
        assert (monitor.get("/api/runs/r")["name"], monitor.get("/api/runs/r")["tags"]) == ("mine", ["a"])
        assert monitor.get("/api/configs?runs=r")["configs"]["r"] == ABOUT["config"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of files' sizes")
@pytest.mark.parametrize("action", ["backup", "export"])
def test_a_full_disk_leaves_the_copy_of_before(tmp_path, db, action):
    (tmp_path / "copy").write_text("of before")
    store = Store(db)
    store.add([said("large", 0, batch=list(range(5_000)), loss=[n / 3 for n in range(5_000)])])
    store.close()
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (48 << 10, 48 << 10))\n"
        "from epochal.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    full = [sys.executable, "-c", code, "monitor", "--db", str(db), action, str(tmp_path / "copy")]
    done = subprocess.run(full, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        f"could not write {tmp_path / 'copy'}: {'Input/output error' if action == 'backup' else 'File too large'}"
        in done.stderr
    )
    assert (tmp_path / "copy").read_text() == "of before"
    assert not [path.name for path in tmp_path.iterdir() if "partial" in path.name]
