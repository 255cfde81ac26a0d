"""Smoothed curves are computed of all points of a series, before any are left out."""

import time

import numpy as np
import pytest
from monitoring import serving, wait_for

from epochal.monitor.smoothing import Smoother

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")


def expected(values, weight):
    """Return Σ weight^(n-i)·v_i / Σ weight^(n-i) after each value, by a convolution; NaN stands for a gap."""
    values = np.asarray(values, float)
    there = ~np.isnan(values)
    kernel = weight ** np.arange(min(there.sum(), 3_000))
    means = np.convolve(values[there], kernel)[: there.sum()] / np.convolve(np.ones(there.sum()), kernel)[: there.sum()]
    found = np.full(len(values), np.nan)
    found[there] = means
    return found


def noisy(count):
    """Return a loss that falls from 1 to 0.01, with single batches that are far off."""
    rng = np.random.default_rng(0)
    values = np.geomspace(1, 0.01, count) * rng.lognormal(0, 0.3, count)
    values[rng.integers(0, count, count // 500)] *= 30
    return values


def fill(monitor, values, steps, run="a"):
    """Post values of batches, so many an epoch, in posts as large as a monitor takes."""
    for first in range(0, len(values), steps):
        part = values[first : first + steps]
        listed = [None if np.isnan(v) else v for v in part]
        event = {"epoch": first // steps, "batch": list(range(len(part))), "loss": listed}
        assert monitor.post(event, X_Epochal_Run=run, X_Epochal_Steps=str(steps)) == 200


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Serve a run of 100,000 batches."""
    values = noisy(100_000)
    values[50_000:50_007] = np.nan
    with serving(tmp_path_factory.mktemp("monitor") / "runs.db") as monitor:
        fill(monitor, values, 10_000)
        yield monitor, values


def batches(run):
    (series,) = [s for s in run["series"] if s["grain"] == "batch"]
    return series


@pytest.mark.parametrize("weight", [0.02, 0.6, 0.98])
def test_the_curve_of_100_000_points_is_exact_at_each_point_that_is_drawn(long, weight):
    monitor, values = long
    drawn = batches(monitor.get(f"/api/runs/a?width=900&smoothing={weight}"))
    at = np.array(drawn["epoch"]) * 10_000 + np.array(drawn["batch"])
    assert 900 < len(at) <= 1_802
    np.testing.assert_allclose(np.array(drawn["smooth"], float), expected(values, weight)[at], rtol=1e-12)
    np.testing.assert_array_equal(np.array(drawn["value"], float), values[at])
    assert drawn["mean"] / drawn["share"] == pytest.approx(expected(values, weight)[-1])


def test_a_part_has_the_curve_of_the_whole(long):
    monitor, values = long
    drawn = batches(monitor.get("/api/runs/a?width=900&first=7&last=8&smoothing=0.98"))
    at = np.array(drawn["epoch"]) * 10_000 + np.array(drawn["batch"])
    assert (at.min(), at.max()) == (70_000, 89_999)
    np.testing.assert_allclose(drawn["smooth"], expected(values, 0.98)[at], rtol=1e-12)


def test_the_last_quarter_is_as_high_as_the_values_are(long):
    monitor, values = long
    drawn = batches(monitor.get("/api/runs/a?width=900&smoothing=0.9"))
    quarter = len(drawn["smooth"]) * 3 // 4
    assert np.mean(drawn["smooth"][quarter:]) / values[75_000:].mean() == pytest.approx(1, rel=0.35)


def test_without_smoothing_there_is_none(long):
    monitor, _ = long
    assert {"smooth", "mean", "share"}.isdisjoint(batches(monitor.get("/api/runs/a?width=900")))
    assert "smooth" not in batches(monitor.get("/api/runs/a?width=900&smoothing=0"))


@pytest.mark.parametrize("weight", ["1", "1.5", "-0.1", "x", "nan", "1e-1", ""])
def test_a_weight_is_from_0_to_less_than_1(long, weight):
    status, _, words = long[0].ask("GET", f"/api/runs/a?smoothing={weight}")
    assert (status, "smoothing is a number from 0 to less than 1" in words) == (400, True)


def test_gaps_and_the_first_value():
    smoother = Smoother(0.5)
    assert smoother.after([None, 4.0, None, 1.0]) == [None, 4.0, None, 2.0]
    assert smoother.after([]) == []
    assert smoother.after([2.0]) == [pytest.approx(2.0)]
    assert Smoother(0.9).after([None, None]) == [None, None]


def test_epochs_and_text_are_smoothed_by_themselves(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        for epoch, loss in enumerate([4.0, 1.0, "odd", 2.0]):
            monitor.post({"epoch": epoch, "loss": loss, "batch": None}, X_Epochal_Run="a")
        (series,) = monitor.get("/api/runs/a?smoothing=0.5")["series"]
    assert (series["value"], series["smooth"]) == ([4.0, 1.0, 2.0], [4.0, 2.0, 2.0])


# The page

SERIES = """const lines = document.querySelector('figure[data-family="loss"]')?.lines ?? [];
            return lines.flatMap(({x, shown}) => shown.map((y) => ({x: [...x], y})));"""


def lines(page):
    return page.execute_script(SERIES)


def smooth_by(page, weight):
    script = """const field = document.querySelector("#smoothing"); field.value = arguments[0];
                field.dispatchEvent(new Event("input"));"""
    page.execute_script(script, str(weight))


def assert_smooth(page, values, weight, steps):
    """Wait until the page's second line is the exact curve at each of its points."""
    exact = expected(values, weight)

    def is_exact():
        found = lines(page)
        if len(found) != 2:
            return False
        at = np.rint(np.array(found[1]["x"]) * steps).astype(int) - 1
        return at[-1] == len(values) - 1 and np.allclose(found[1]["y"], exact[at], rtol=1e-9)

    wait_for(is_exact)


@pytest.mark.browser
def test_the_page_draws_the_exact_curve_also_of_a_part(chrome, long):
    monitor, values = long
    chrome.get(monitor.root)
    wait_for(lambda: len(lines(chrome)) == 1)
    smooth_by(chrome, 0.9)
    wait_for(lambda: len(lines(chrome)) == 2)
    raw, smoothed = lines(chrome)
    at = np.rint(np.array(smoothed["x"]) * 10_000).astype(int) - 1
    np.testing.assert_allclose(np.array(smoothed["y"], float), expected(values, 0.9)[at], rtol=1e-9)
    assert raw["x"] == smoothed["x"]
    smooth_by(chrome, 0)
    wait_for(lambda: len(lines(chrome)) == 1)


@pytest.mark.browser
def test_the_curve_goes_on_exactly_while_points_come_in(chrome, tmp_path):
    values = noisy(5_000)
    with serving(tmp_path / "runs.db") as monitor:
        fill(monitor, values[:100], 10)
        chrome.get(monitor.root)
        wait_for(lambda: len(lines(chrome)) == 1)
        smooth_by(chrome, 0.8)
        assert_smooth(chrome, values[:100], 0.8, 10)
        for count in range(110, 200, 10):  # a few at a time: the page goes on by itself
            event = {"epoch": count // 10 - 1, "batch": list(range(10)), "loss": list(values[count - 10 : count])}
            assert monitor.post(event, X_Epochal_Run="a", X_Epochal_Steps="10") == 200
            time.sleep(0.02)
        assert_smooth(chrome, values[:190], 0.8, 10)
        time.sleep(1.1)  # longer than messages overlap an answer
        event = {"epoch": 19, "batch": list(range(10)), "loss": list(values[190:200])}
        monitor.post(event, X_Epochal_Run="a")
        monitor.post(event | {"epoch": 3, "loss": list(values[30:40] * 2)}, X_Epochal_Run="a")  # an epoch comes again
        values[30:40] *= 2
        assert_smooth(chrome, values[:200], 0.8, 10)


@pytest.mark.browser
def test_what_comes_too_fast_to_be_told_in_full_is_asked_for(chrome, tmp_path):
    values = noisy(20_000)
    with serving(tmp_path / "runs.db") as monitor:
        fill(monitor, values[:1_000], 1_000)
        chrome.get(monitor.root)
        wait_for(lambda: len(lines(chrome)) == 1)
        smooth_by(chrome, 0.98)
        fill_rest = range(1_000, 20_000, 1_000)
        for first in fill_rest:
            event = {"epoch": first // 1_000, "batch": list(range(1_000)), "loss": list(values[first : first + 1_000])}
            monitor.post(event, X_Epochal_Run="a", X_Epochal_Steps="1000")
        assert_smooth(chrome, values, 0.98, 1_000)
