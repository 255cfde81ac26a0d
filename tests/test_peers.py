"""The comparison with other libraries: who is out, what is fitted, and pages that say what was measured."""

import copy
import json

import numpy as np
import pytest
from documents import ROOT

from benchmarks import figures, scaling
from benchmarks.peers import fits, race, tasks


def results(**scores):
    """Return the results of one workload of 100 steps an epoch."""
    moment = {"time": "2026-11-26T19:00:00+00:00", "load": 0.5}
    workload = {"title": "small", "steps": 100, "rounds": 2, "epochs": 1, "began": moment, "ended": moment}
    machine = {
        "processor": "P",
        "cores": 2,
        "memory GB": 8,
        "environment": {"OMP_NUM_THREADS": "1"},
        "versions": {"jax": "0.10", "torch": None},
    }
    return {
        "command": "make bench-peers",
        "machine": machine,
        "workloads": {"small": workload | {"contestants": scores}},
    }


def score(title, error=None, **steps):
    return {"title": title, "starts": [2.0, 3.0, 2.5], "peak": 512.3, "losses": [1.0], "steps": steps, "error": error}


MEASURED = results(
    ours=score("Ours", plain=[20.0, 21.0, 19.5], checkpoint=[30.0, 31.0, 32.0]),
    theirs=score("Theirs", plain=[1200.0, 1100.0, 1300.0], checkpoint=[1210.0]),
    absent=score("Absent", error="ModuleNotFoundError: No module named 'absent'"),
)


def test_a_table_has_medians_and_ranges_and_says_who_is_out_and_why():
    page = figures.filled("a\n<!-- peers:begin -->old<!-- peers:end -->\nb", {"peers": MEASURED})
    assert page == (
        "a\n<!-- peers:begin -->\n\n"
        "|  | small |\n| --- | --- |\n"
        "| Ours | 20 (19.5–21) |\n"
        "| Theirs | 1,200 (1,100–1,300) |\n"
        "| Absent | out (1) |\n\n"
        "(1) ModuleNotFoundError: No module named 'absent'\n\n"
        "<!-- peers:end -->\nb"
    )


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("peers-checkpoint", "| Ours | 1.1 |"),  # (31 - 20) us x 100 steps
        ("peers-start", "| Ours | 2.5 (2–3) |"),
        ("peers-memory", "| Ours | 512 |"),
        ("peers-machine", "on 2026-11-26: P, 2 cores, 8 GB, OMP_NUM_THREADS=1; load average 0.5 to 0.5. jax 0.10."),
    ],
)
def test_each_table_shows_its_own_figure(name, ours):
    assert ours in figures.filled(f"<!-- {name}:begin --><!-- {name}:end -->", {"peers": MEASURED})


def test_figures_of_a_busy_machine_say_so_and_stay_out_of_the_readme(tmp_path):
    mark = "<!-- peers-machine:begin --><!-- peers-machine:end -->"
    busy = copy.deepcopy(MEASURED)
    assert "don't rely" not in figures.filled(mark, {"peers": busy})
    busy["workloads"]["small"]["ended"]["load"] = 5.1
    assert "busy with other work: don't rely" in figures.filled(mark, {"peers": busy})
    (readme := tmp_path / "README.md").write_text(mark)
    assert figures.current(readme, {"peers": busy}) == mark
    assert "2 cores" in figures.current(readme, {"peers": MEASURED})


def test_a_table_that_nobody_can_make_is_an_error():
    with pytest.raises(ValueError, match="no table is named 'pears'; there are: peers, "):
        figures.filled("<!-- pears:begin --><!-- pears:end -->", {"peers": MEASURED})
    with pytest.raises(ValueError, match="scaling.json, which isn't there"):
        figures.filled("<!-- scaling:begin --><!-- scaling:end -->", {"peers": MEASURED})


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda page: page.name)
def test_pages_show_the_figures_that_are_kept(page):
    assert figures.current(page, figures.read()) == page.read_text("utf-8"), "python -m benchmarks.figures"


def test_the_kept_figures_are_of_workloads_and_contestants_that_there_are():
    kept = json.loads((ROOT / "docs/figures/peers.json").read_text("utf-8"))["workloads"]
    assert kept
    for name, workload in kept.items():
        assert (workload["title"], workload["steps"]) == (tasks.TASKS[name].title, tasks.TASKS[name].steps)
        titles = {name: fits.CONTESTANTS[name].title for name in workload["contestants"]}
        assert {name: score["title"] for name, score in workload["contestants"].items()} == titles


def test_the_exponent_is_that_of_the_larger_half():
    assert scaling.exponent({n: 3 * n**1.5 for n in (1, 10, 100)}) == pytest.approx(1.5)
    hidden = {1: 50, 10: 50, 100: 50, 1000: 2000, 10_000: 20_000, 100_000: 200_000}
    assert scaling.exponent(hidden) == pytest.approx(np.polyfit(range(4), np.log10([50, 2000, 2e4, 2e5]), 1)[0])


def test_who_trains_to_another_loss_is_named():
    assert race.off({"a": [2.0, 1.0], "b": [2.1, 1.02], "c": [1.95, 0.98]}) == {}
    assert race.off({}) == {}
    odd = race.off({"a": [2.0, 1.0], "b": [2.1, 1.3], "c": [1.95, 0.98], "d": [3.0, 1.0]})  # d had another start
    assert odd == {"b": "its loss of epoch 2 is 1.3, the median 1"}


def test_a_fit_that_left_out_what_its_variant_asks_is_told(tmp_path):
    contestant, task = fits.CONTESTANTS["keras_8"], tasks.TASKS["softmax"]

    def check(variant, **record):
        whole = {"ends": [1.0, 2.0], "losses": [2.0, 1.0]} | record
        fits.check(contestant, task, variant, 2, fits.Record(**whole), tmp_path)

    check("losses", kept=2 * 24)  # 192 batches in calls of 8
    check("validation", val_losses=[2.0, 1.5])
    with pytest.raises(AssertionError, match="0 losses of batches were kept instead of 48"):
        check("losses")
    with pytest.raises(AssertionError, match="0 validations instead of 2"):
        check("validation")
    with pytest.raises(AssertionError, match="0 checkpoints of 2 epochs"):
        check("checkpoint")
    with pytest.raises(AssertionError, match="losses of"):
        check("plain", losses=[1.0, float("nan")])


FORGETS_ITS_CHECKPOINTS = """
from benchmarks.peers.fits import Record

def make(task, data):
    def fit(epochs, variant, folder):
        record = Record()
        for _ in range(epochs):
            record.ended(1.0)
        record.kept = epochs * task.steps if variant == "losses" else 0
        record.val_losses = [1.0] * epochs if variant == "validation" else []
        return record
    return fit
"""


def test_who_fails_is_out_with_the_error_and_the_others_go_on(monkeypatch, tmp_path):
    (tmp_path / "forgetful.py").write_text(FORGETS_ITS_CHECKPOINTS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    contestants = {name: fits.Contestant(name.title(), name, "make", ()) for name in ("absent", "forgetful")}
    said = []
    scores = race.Race(tasks.TASKS["tiny"], contestants, 2, 3, 2, 60, said.append).run()
    assert scores["absent"].error == "ModuleNotFoundError: No module named 'absent'"
    assert f"tiny: Absent IS OUT: {scores['absent'].error}" in said
    forgetful = scores["forgetful"]
    assert forgetful.error == "AssertionError: 0 checkpoints of 3 epochs (a checkpoint after each epoch)"
    assert {variant: len(samples) for variant, samples in forgetful.steps.items()} == dict.fromkeys(
        ("plain", "losses", "validation"), 2
    )
    assert forgetful.losses == [1.0] * 4  # of the start's epoch and of the first fit's
    assert len(forgetful.starts) == 2
    assert forgetful.peak > 10
