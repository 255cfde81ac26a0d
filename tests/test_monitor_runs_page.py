"""The page's list of runs, a run's details, the comparison: found, told, changed and stopped, by mouse and by keyboard."""

import csv
import json
import os
import urllib.parse
from pathlib import Path

import pytest
from browsing import click, opened, text, texts
from monitoring import serving, wait_for
from raw_requests import TOKEN

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")

pytestmark = pytest.mark.browser

AUTH = {"Authorization": f"Bearer {TOKEN}"}
ENDS = {
    "finished": ("", "finished"),
    "early": ("val_loss has not improved for 5 epochs", "stopped early: val_loss has not improved for 5 epochs"),
    "nan": ("NaN loss at batch 17 of epoch 3", "NaN loss at batch 17 of epoch 3"),
    "stopped": ("", "stopped"),
    "failed": ("ValueError: bad shape (train.py:12)", "failed: ValueError: bad shape (train.py:12)"),
}


@pytest.fixture(scope="module")
def monitor(tmp_path_factory):
    """Return the address of a monitor with a token, and sixty runs: fifty of two sweeps, the others in all states."""
    with serving(tmp_path_factory.mktemp("page") / "runs.db", token=TOKEN) as monitor:
        for n in range(54):
            name = f"{'cnn' if n < 30 else 'vit'}/seed={n}" if n < 50 else f"plain {n}"
            post(monitor, f"r{n}", name=name, epochs=10, steps=100, state="finished", loss=1 + n / 100, acc=n / 100)
        for state, (reason, _) in ENDS.items():
            post(monitor, state, name=f"is {state}", state=state, reason=reason, loss=2.0)
        post(monitor, "live", name="実験 live", epochs=10, steps=100, loss=3.0)
        yield monitor


def post(monitor, run, epoch=0, name="", epochs="", steps="", state="", reason="", about=None, **values):
    """Post one event of a run, or with `about` what it was made with."""
    headers = {
        "X_Epochal_Run": run,
        "X_Epochal_Name": urllib.parse.quote(name),
        "X_Epochal_Epochs": str(epochs),
        "X_Epochal_Steps": str(steps),
        "X_Epochal_State": state,
        "X_Epochal_Reason": urllib.parse.quote(reason),
    }
    kept = {key: value for key, value in headers.items() if value}
    if about is not None:
        said = {"config": {}, "tags": [], "notes": "", "allow_stop": False, **about}
        assert monitor.post({"epoch": epoch, **said}, X_Epochal_About="run", **kept, **AUTH) == 200
    else:
        assert monitor.post({"epoch": epoch, **values}, **kept, **AUTH) == 200


@pytest.fixture(scope="module")
def let_in(chrome, monitor):
    """Return a browser that has opened the printed link."""
    chrome.get(f"{monitor.root}/?token={TOKEN}")
    wait_for(lambda: text(chrome, "#connection") == "live")
    yield chrome
    chrome.get(monitor.root)
    chrome.delete_all_cookies()


@pytest.fixture
def page(let_in, monitor):
    """Return the page as somebody sees it who opens it for the first time, with one run chosen."""
    page = opened(let_in, monitor, "/#runs=r0")
    wait_for(lambda: text(page, "#count") == "60")
    yield page
    page.execute_script("localStorage.clear()")
    severe = [entry["message"] for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert [m for m in severe if "style-src" not in m and "400 (Bad Request)" not in m] == []


def value_of(page, selector, name):
    return page.execute_script(
        "return document.querySelector(arguments[0])?.getAttribute(arguments[1])", selector, name
    )


def fill(page, selector, value):
    code = """const field = document.querySelector(arguments[0]); field.value = arguments[1];
              field.dispatchEvent(new Event('input', {bubbles: true}))"""
    page.execute_script(code, selector, value)


def names(page):
    """Return the names of the runs in sight, from top to bottom."""
    return page.execute_script("return [...document.querySelectorAll('.run')].map((e) => e.title.split('\\n')[0])")


def run(id):
    return f'.run[data-key="{id}"]'


def state(page, id):
    return text(page, f"{run(id)} .unseen")


def press(page, *keys):
    from selenium.webdriver.common.keys import Keys

    for key in keys:
        page.switch_to.active_element.send_keys(getattr(Keys, key, key))


def active(page):
    return page.execute_script("return document.activeElement.dataset.key ?? document.activeElement.id")


def test_sixty_runs_are_one_tab_stop_that_arrow_keys_walk(page):
    page.execute_script("document.querySelector('#sort').value = 'name'; document.querySelector('#group').focus()")
    fill(page, "#sort", "name")
    wait_for(lambda: names(page)[:2] == ["cnn/seed=0", "cnn/seed=1"])
    press(page, "TAB")
    assert active(page) == "r0"
    press(page, "ARROW_DOWN", "ARROW_DOWN", "SPACE", "ARROW_DOWN", "SPACE")
    assert page.execute_script("return location.hash") == "#runs=r0,r2,r3"
    press(page, "END")
    assert active(page) == "live"
    press(page, "HOME", "SPACE")
    assert page.execute_script("return location.hash") == "#runs=r2,r3"
    press(page, "PAGE_DOWN", "ENTER")
    wait_for(lambda: active(page) == "details-title")
    assert text(page, "#details-title").startswith("cnn/seed=")
    press(page, "ESCAPE")
    wait_for(lambda: f"cnn/seed={active(page)[1:]}" == text(page, "#details-title"))
    press(page, "TAB")
    assert not page.execute_script("return document.querySelector('#runs').contains(document.activeElement)")
    assert page.execute_script("return document.querySelectorAll('#runs [tabindex=\"0\"]').length") == 1


def test_only_lines_in_sight_are_drawn_and_screen_readers_know_of_all(page):
    assert len(names(page)) < 50
    assert value_of(page, ".run", "aria-setsize") == text(page, "#count")
    page.execute_script("document.querySelector('#run-scroll').scrollTop = 1e6")
    wait_for(lambda: "cnn/seed=1" in names(page))


FILTERS = [
    ("seed=1 CNN", ["cnn/seed=1", *(f"cnn/seed={n}" for n in range(10, 20))], "11 of 60 contain “seed=1 CNN”"),
    ("/^vit.*4$/", ["vit/seed=34", "vit/seed=44"], "2 of 60 match /^vit.*4$/"),
    ("failed", ["is failed"], "1 of 60 contain “failed”"),
    ("実験", ["実験 live"], "1 of 60 contain “実験”"),
    ("nothing", [], "None of 60 contain “nothing”"),
]


def test_runs_are_found_by_words_and_by_expressions(page):
    for typed, found, said in FILTERS:
        fill(page, "#filter", typed)
        wait_for(lambda said=said: text(page, "#found") == said)
        assert sorted(names(page)) == sorted(found)


def test_an_expression_that_is_none_says_so(page):
    fill(page, "#filter", "/(cnn/")
    wait_for(lambda: "Not a regular expression: Unterminated group" in text(page, "#found"))
    assert value_of(page, "#filter", "aria-invalid") == "true"
    assert text(page, "#count") == "60"


def test_runs_are_sorted_by_the_best_of_a_metric(page):
    fill(page, "#sort", "best acc")
    wait_for(lambda: names(page)[1:3] == ["plain 53", "plain 52"])  # the chosen one is on top
    assert names(page)[0] == "cnn/seed=0"
    fill(page, "#sort", "best loss")
    wait_for(lambda: names(page)[1:3] == ["cnn/seed=1", "cnn/seed=2"])
    assert text(page, "#column-value") == "loss"


def test_what_is_found_is_chosen_all_at_once_and_stands_on_top(page):
    fill(page, "#filter", "plain")
    wait_for(lambda: text(page, "#count") == "4")
    click(page, "#choose-all")
    wait_for(lambda: page.execute_script("return location.hash").count(",") == 4)
    fill(page, "#filter", "")
    wait_for(lambda: set(names(page)[:5]) == {"cnn/seed=0", *(f"plain {n}" for n in range(50, 54))})
    click(page, "#choose-none")
    wait_for(lambda: page.execute_script("return location.hash") == "")


def test_groups_fold_and_are_chosen_whole(page):
    click(page, "#group")
    fill(page, "#sort", "name")
    group = '.group[data-key="/cnn"]'
    assert wait_for(lambda: texts(page, f"{group} span:nth-child(n + 3)")) == [
        "cnn",
        "29 runs",
    ]  # one is chosen already, and on top
    assert wait_for(lambda: texts(page, '.run[aria-level="2"] .name'))[0] == "seed=1"
    click(page, group)
    wait_for(lambda: value_of(page, group, "aria-expanded") == "false")
    assert "cnn/seed=1" not in names(page)
    assert "vit/seed=30" in names(page)
    click(page, f"{group} .mark")
    wait_for(lambda: page.execute_script("return location.hash").count(",") == 29)


def test_how_a_run_ended_is_told_in_words(page):
    for end, (_, told) in ENDS.items():
        assert state(page, end) == {"early": "stopped early", "nan": "NaN"}.get(end, end)
        click(page, f"{run(end)} .more")
        wait_for(lambda told=told: text(page, "#details-state") == told)


def test_a_live_run_tells_how_far_it_is_and_when_it_will_be_done(page, monitor):
    click(page, run("live"))
    post(monitor, "live", epoch=4, epochs=10, steps=100, loss=2.5, seconds=100.0, step_time=0.2)
    wait_for(lambda: text(page, f"{run('live')} .epochs") == "5/10")
    click(page, f"{run('live')} .more")
    wait_for(lambda: "epoch 5 of 10 · 50% · 5 steps/s · " in text(page, "#details-progress"))
    assert page.execute_script("return document.querySelector('#details-bar').value") == 0.5
    wait_for(lambda: page.title.startswith("50% · ") and page.title.endswith(" left · 実験 live"))


def test_a_run_that_says_nothing_is_quiet_and_everybody_hears_of_it(page, monitor):
    post(monitor, "live", epoch=5, epochs=10, steps=100, loss=2.5)
    for seconds in (80, 160):
        page.execute_script("window.now ??= Date.now; Date.now = () => window.now() + 1000 * arguments[0]", seconds)
        page.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    wait_for(lambda: state(page, "live") == "quiet")
    assert wait_for(lambda: text(page, "#notices span")).startswith("実験 live: quiet since 3 min")
    click(page, "#notices button")
    assert text(page, "#notices") == ""


def test_the_browser_notifies_of_bad_news_if_it_may(page, monitor):
    click(page, "#notify")  # headless Chromium says no
    assert wait_for(lambda: text(page, "#notices span")).startswith("The browser doesn’t allow notifications")
    assert not page.execute_script("return document.querySelector('#notify').checked")
    page.execute_cdp_cmd("Browser.grantPermissions", {"origin": monitor.root, "permissions": ["notifications"]})
    page.execute_script(
        "window.Notification = class extends Notification {constructor(...a) {super(...a); window.told = a}}"
    )
    click(page, "#notify")
    wait_for(lambda: text(page, "#announce").startswith("Notifications are on"))
    post(monitor, "broken", name="broken", loss=1.0)
    post(monitor, "broken", state="failed", reason="OSError: disk full")
    told = wait_for(lambda: page.execute_script("return window.told"))
    assert told[0] == "epochal monitor: failed"
    assert told[1]["body"] == "broken: failed: OSError: disk full"
    assert monitor.ask("DELETE", "/api/runs/broken", **AUTH)[0] == 204


def test_name_tags_and_notes_are_saved_or_it_says_why_not(page, monitor):
    post(monitor, "r1", epoch=1, name="cnn/seed=1", about={"tags": ["old"]})
    fill(page, "#filter", "/seed=1$/")
    wait_for(lambda: names(page) == ["cnn/seed=1"])
    click(page, f"{run('r1')} .more")
    wait_for(lambda: page.execute_script("return document.querySelector('#run-tags').value") == "old")
    fill(page, "#run-tags", "x" * 101)
    click(page, "#save")
    wait_for(lambda: "not saved: a tag has at most 100 characters" in text(page, "#saved"))
    fill(page, "#run-tags", "good, good, new data")
    fill(page, "#run-name", "renamed")
    fill(page, "#run-notes", "日本語\nsecond line")
    click(page, "#save")
    wait_for(lambda: text(page, "#saved") == "saved")
    assert page.execute_script("return document.querySelector('#run-tags').value") == "good, new data"
    found = json.loads(monitor.ask("GET", "/api/runs/r1", **AUTH)[2])
    assert (found["name"], found["tags"], found["notes"]) == ("renamed", ["good", "new data"], "日本語\nsecond line")
    fill(page, "#filter", "new data")
    wait_for(lambda: names(page) == ["renamed"])


def test_what_is_typed_is_not_lost_without_a_question(page):
    click(page, f"{run('failed')} .more")
    fill(page, "#run-notes", "half a sentence")
    click(page, f"{run('nan')} .more")
    assert "What you wrote of “is failed” isn’t saved" in wait_for(lambda: text(page, "#confirm-text"))
    click(page, "#confirm-no")
    wait_for(lambda: not page.execute_script("return document.querySelector('#confirm').open"))
    assert text(page, "#details-title") == "is failed"
    click(page, "#details-close")
    click(page, "#confirm-yes")
    wait_for(lambda: page.execute_script("return document.querySelector('#details').hidden"))


def test_archived_runs_are_behind_a_switch(page):
    click(page, f"{run('stopped')} .more")
    click(page, "#archive")
    wait_for(lambda: text(page, "#count") == "59")
    assert "is stopped" not in names(page)
    assert text(page, "#archived-count") == "(1)"
    click(page, "#archived")
    wait_for(lambda: "is stopped" in names(page))
    click(page, "#archive")
    wait_for(lambda: text(page, "#count") == "60" and text(page, "#archive") == "Archive")


def test_settings_are_shown_and_compared_where_they_differ(page, monitor, tmp_path):
    evil = "=HYPERLINK(1)"
    post(monitor, "r2", about={"config": {"optimizer": "Adam", "learning_rate": 0.01, "depth": 4}})
    post(monitor, "r3", about={"config": {"optimizer": "SGD", "learning_rate": 0.001, "depth": 4, "note": evil}})
    page.get(f"{monitor.root}/#runs=r2,r3")
    page.refresh()
    click(page, "input[value=compare]")
    wait_for(lambda: texts(page, "#compare-head th")[:4] == ["run", "optimizer", "learning_rate", "note"])
    rows = [texts(page, f"#compare-body tr:nth-child({n}) > *") for n in (1, 2)]
    assert rows[0][:6] == ["cnn/seed=2", "Adam", "0.01", "–", "1.02", "1"]
    assert rows[1][:6] == ["cnn/seed=3", "SGD", "0.001", evil, "1.03", "1"]
    click(page, "#compare-head [data-column='config learning_rate'] button")
    wait_for(lambda: value_of(page, "#compare-head th:nth-child(3)", "aria-sort") == "ascending")
    assert texts(page, "#compare-body th") == ["cnn/seed=3", "cnn/seed=2"]
    click(page, "#all-settings")
    wait_for(lambda: "depth" in texts(page, "#compare-head th"))
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    click(page, "#compare-csv")
    file = tmp_path / "comparison.csv"
    wait_for(file.exists)
    saved = list(csv.DictReader(wait_for(lambda: file.read_text("utf-8").splitlines())))
    assert [(row["run"], row["depth"], row["note"]) for row in saved] == [
        ("cnn/seed=3", "4", f"'{evil}"),
        ("cnn/seed=2", "4", ""),
    ]


def test_a_fit_that_allows_it_is_stopped_after_a_question(page, monitor):
    post(monitor, "live", epoch=6, epochs=10, steps=100, loss=2.5)
    click(page, f"{run('live')} .more")
    wait_for(lambda: "RemoteMonitor(…, allow_stop=True) would let you" in text(page, "#stop-words"))
    post(monitor, "live", epoch=6, about={"allow_stop": True})
    wait_for(lambda: not page.execute_script("return document.querySelector('#stop').hidden"))
    click(page, "#stop")
    assert text(page, "#confirm-text").startswith("Stop “実験 live” at the end of the epoch")
    click(page, "#confirm-yes")
    wait_for(lambda: text(page, "#details-state") == "stopping at the end of this epoch")
    assert state(page, "live") == "stopping"
    post(monitor, "live", epoch=7, state="stopped")
    wait_for(lambda: text(page, "#details-state") == "stopped")


def test_without_a_token_the_page_says_what_stopping_takes(chrome, tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        post(monitor, "a", epochs=10, loss=1.0)
        post(monitor, "a", about={"allow_stop": True})
        chrome.get(monitor.root)
        click(chrome, ".more")
        wait_for(lambda: "start the monitor with a token: epochal monitor --token" in text(chrome, "#stop-words"))


def test_five_hundred_runs_are_listed_at_once_and_the_others_when_asked_for(chrome, tmp_path):
    from epochal.monitor.event import read_events
    from epochal.monitor.store import Store

    store = Store(tmp_path / "runs.db")
    store.add([read_events(b'{"epoch": 0}', {"x-epochal-run": f"r{n}"}, "127.0.0.1")[0] for n in range(510)])
    store.close()
    with serving(tmp_path / "runs.db") as monitor:
        chrome.get(f"{monitor.root}/#runs=r3")  # the link leads beyond the list
        wait_for(lambda: text(chrome, "#unlisted-words") == "501 of 510 runs are listed.")
        click(chrome, "#list-all")
        wait_for(lambda: text(chrome, "#count") == "510")
        assert chrome.execute_script("return document.querySelector('#unlisted').hidden")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page, theme):
    axe = os.environ.get("AXE_CORE", "")
    if not axe:
        pytest.skip("AXE_CORE doesn't name axe.min.js, of the npm package axe-core")
    fill(page, "#group", "")
    page.execute_script("document.querySelector('#theme').value = arguments[0]", theme)
    page.execute_script("document.querySelector('#theme').dispatchEvent(new Event('change'))")
    page.execute_script(Path(axe).read_text("utf-8"))
    assert violations(page) == []
    click(page, run("failed"))
    click(page, f"{run('failed')} .more")
    click(page, "#group")
    click(page, "input[value=compare]")
    fill(page, "#filter", "/(/")
    wait_for(lambda: text(page, "#compare-body") and text(page, "#found"))
    assert violations(page) == []


def violations(page):
    code = """const done = arguments[0];
              axe.run().then(({violations}) => done(violations.map(({id, nodes}) => [id, nodes.map((n) => n.html)])))"""
    return page.execute_async_script(code)


@pytest.mark.parametrize("width", [390, 700])  # a telephone; 1400 pixels at 200 %
def test_nothing_is_beyond_the_edge_of_a_narrow_page(page, width):
    size = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        click(page, "input[value=compare]")
        click(page, f"{run('failed')} .more")
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        small = """return [...document.querySelectorAll('button, select, input:not([type=radio]), .run')].filter((e) =>
            e.offsetParent && e.getBoundingClientRect().height < 24 && !e.closest('label')).map((e) => e.outerHTML)"""
        assert page.execute_script(small) == []
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
