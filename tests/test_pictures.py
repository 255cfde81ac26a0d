"""The documentation's pictures show what happens in the runs that they are drawn from."""

import html
import os
import re

import numpy as np
import pytest
from folders import SCRIPTS, TESTS

from pictures import followers, killed_and_resumed, lazy_logs, recording, run_as_a_value, spans, terminal
from pictures.shell import Shell


def texts(path):
    """Return the texts of a drawing, in order."""
    return [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text("utf-8"))]


def test_the_terminal_shows_a_run_that_is_killed_and_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]))
    script = SCRIPTS / "trains_in_numpy.py"
    killed_and_resumed.draw(tmp_path, script, amid=r"Epoch 2/3 +(7|8|9|1\d)/20 ")
    lines = texts(tmp_path / "killed_and_resumed.svg")
    killed = lines.index("Killed")
    assert re.match(r"Epoch 2/3 +\d+/20 \[=*>\.+\]", lines[killed - 1])
    assert lines[killed + 1 : killed + 3] == ["$", "python train.py a"]
    assert [line[:9] for line in lines if line.startswith("Epoch")] == [f"Epoch {n}/3" for n in (1, 2, 2, 3)]
    assert lines[-2:] == ["1 arrays of weights, 2 numbers:", "equal bit for bit"]
    assert (tmp_path / "killed_and_resumed.svg").stat().st_size < 40_000


def test_weights_that_differ_are_no_success(tmp_path):
    for folder, bias in (("a", 0.0), ("b", 1e-9)):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "weights.npz", np.ones(3), np.array([bias]))
    with Shell(tmp_path, 80, 10) as shell:
        shell.run(f"python {killed_and_resumed.SCRIPTS / 'compare.py'} a b || echo failed")
        assert "1 of 2 arrays of weights differ\nfailed" in shell.text
        with pytest.raises(TimeoutError, match=r"no 'never' within 0\.1 s on this screen:"):
            shell.wait_for("never", seconds=0.1)


def test_the_colours_and_places_of_a_terminal_are_kept(tmp_path):
    screen = terminal.pyte.Screen(20, 3)
    terminal.pyte.Stream(screen).feed("a \x1b[1;31mred <b>\x1b[0m c")
    terminal.save(screen, tmp_path / "t.svg", "title", greens=("c",))
    found = re.findall(r'<text x="([\d.]+)"[^>]*?(class="[^"]*")?>([^<]*)</text>', (tmp_path / "t.svg").read_text())[1:]
    places = [terminal.MARGIN + terminal.CELL * column for column in (0, 2, 10)]
    assert [(float(x), kind, text) for x, kind, text in found] == [
        (pytest.approx(places[0], abs=0.1), "", "a"),
        (pytest.approx(places[1], abs=0.1), 'class="red b"', "red &lt;b&gt;"),
        (pytest.approx(places[2], abs=0.1), 'class="green b"', "c"),
    ]


@pytest.fixture
def short_epochs(monkeypatch):
    for module in (recording, spans, lazy_logs):
        monkeypatch.setattr(module, "BATCHES", 100)
    monkeypatch.setattr(spans, "BAD", 59)
    monkeypatch.setattr(followers, "LOOK", 70)


def test_the_spans_are_those_of_the_wakes(tmp_path, spans_of, short_epochs, capsys):
    spans_of(1000)
    spans.draw(tmp_path)
    numbers = [text for text in texts(tmp_path / "spans.svg") if re.fullmatch(r"\d+ spans?", text)]
    assert numbers == ["1 span", "1 span", "1 span", "2 spans", "100 spans", "1 span"]
    assert "batch 60: the loss is nan" in capsys.readouterr().out
    assert texts(tmp_path / "spans.svg").count("60") == 1


def test_a_look_goes_back_once_and_is_foretold_afterwards(tmp_path, spans_of, short_epochs):
    spans_of(1000)
    followers.draw(tmp_path)
    drawn = [text for text in texts(tmp_path / "followers.svg") if "…" in text]
    assert drawn == [
        *["1 … 100"] * 2,
        *["1 … 100", "1 … 71", "again 1 … 71", "72 … 100", "72 … 100"],
        *["1 … 71", "1 … 71", "72 … 100", "72 … 100"],
    ]


def test_transfers_are_counted(tmp_path, spans_of, short_epochs):
    spans_of(1000)
    counts = dict(lazy_logs.counts(tmp_path))
    assert list(counts.values()) == [500, 500, 5, 5, 5]


def test_a_saved_run_is_measured(tmp_path):
    run_as_a_value.draw(tmp_path)
    shown = texts(tmp_path / "run_as_a_value.svg")
    weights = 4 * (64 * 64 + 64 + 64 * 10 + 10)
    assert shown[shown.index("weights") + 1] == f"{weights:,}"
    assert shown[shown.index("optimizer") + 1] == f"{2 * weights + 3 * 4:,}"  # Adam's moments, two counts and the rate
    assert "epoch 6, batch 10, sums of the means" in shown
    assert sum(text.startswith("generation-") and text.endswith(".run") for text in shown) == 3


@pytest.mark.browser
def test_the_monitors_pictures_are_taken_amid_a_run_and_small(tmp_path, chrome, monkeypatch):
    pytest.importorskip("uvicorn")
    from PIL import Image

    from pictures import monitor

    monkeypatch.setattr(monitor, "SETTINGS", monitor.SETTINGS[-2:])
    monitor.draw(tmp_path, epochs=2, under_way=1)
    for name, size in monitor.SIZES.items():
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.size == size
            assert len(image.getcolors() or ()) > 20  # something is drawn
        assert (tmp_path / f"{name}.png").stat().st_size < 200_000
