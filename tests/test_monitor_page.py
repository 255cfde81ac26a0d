"""The page in a browser: live charts, comparing, reconnecting, and nothing posted that could run."""

import threading

import pytest
from browsing import all_of, click, opened, points, post, set_value, shoot, text
from monitoring import running, wait_for

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")

pytestmark = pytest.mark.browser


@pytest.fixture
def page(chrome, monitor):
    return opened(chrome, monitor)


def test_without_runs_the_page_tells_the_three_lines_to_type(page, monitor):
    lines = wait_for(lambda: text(page, "#lines")).splitlines()
    assert len(lines) == 3
    assert f'RemoteMonitor("{monitor.root}")' in lines[2]
    assert all_of(page, "#empty")[0].is_displayed()
    shoot(page, "empty")


def test_the_chart_grows_while_a_fit_runs(page, monitor):
    import numpy as np

    from epochal.callbacks import LambdaCallback
    from epochal.callbacks.remote_monitor import RemoteMonitor
    from epochal.layers import Dense
    from epochal.models import Sequential

    seen = threading.Semaphore(0)

    def fit():
        model = Sequential([Dense(1, input_dim=3)])
        model.compile(loss="mse", optimizer="sgd")
        wait = LambdaCallback(on_epoch_end=lambda epoch, logs: epoch < 4 or seen.acquire(timeout=20))
        x = np.random.default_rng(0).normal(size=(64, 3))
        model.fit(
            x,
            x[:, :1],
            epochs=6,
            verbose=0,
            validation_split=0.5,
            callbacks=[wait, RemoteMonitor(monitor.root, name="fit")],
        )

    thread = threading.Thread(target=fit)
    thread.start()
    wait_for(lambda: points(page, "loss") == {"training": 4, "validation": 4}, 30)
    assert text(page, ".run .unseen") == "running"
    wait_for(lambda: text(page, ".run .epochs") == "4/6")
    seen.release()
    wait_for(lambda: points(page, "loss") == {"training": 5, "validation": 5})
    seen.release()
    thread.join(20)
    wait_for(lambda: text(page, ".run .unseen") == "finished")
    wait_for(lambda: points(page, "loss") == {"training": 6, "validation": 6})
    assert text(page, "#announce") == "fit: finished"


def test_two_runs_are_compared_in_one_chart(page, monitor):
    post(monitor, "a", 5, "first")
    post(monitor, "b", 3, "second")
    wait_for(lambda: len(all_of(page, ".run")) == 2)
    wait_for(lambda: points(page, "loss") == {"training": 3, "validation": 3})  # the newest is shown by itself
    click(page, ".run:nth-child(2)")
    expected = {"first, training": 5, "first, validation": 5, "second, training": 3, "second, validation": 3}
    wait_for(lambda: points(page, "loss") == expected)
    assert page.execute_script("return location.hash") == "#runs=b,a"
    page.refresh()
    wait_for(lambda: points(page, "loss").keys() == expected.keys())
    shoot(page, "compare")


def test_the_table_shows_the_rows_of_a_part_and_grows(page, monitor):
    post(monitor, "a", 30, accuracy=0.5)
    wait_for(lambda: points(page, "loss").get("training") == 30)
    click(page, "input[value=table]")
    wait_for(lambda: len(all_of(page, "#tables tbody tr")) == 30)
    assert text(page, "#tables thead tr").startswith("epochlossval_loss")
    post(monitor, "a", 31, first=30)
    wait_for(lambda: len(all_of(page, "#tables tbody tr")) == 31)
    set_value(page, "#first", "10")
    wait_for(lambda: len(all_of(page, "#tables tbody tr")) == 22)
    shoot(page, "table")


def test_the_table_follows_the_choice_while_a_run_is_live_and_keeps_the_focus(page, monitor):
    post(monitor, "a", 5)
    post(monitor, "b", 5)
    wait_for(lambda: len(all_of(page, ".run")) == 2)
    click(page, "input[value=table]")
    wait_for(lambda: len(all_of(page, "#tables tbody tr")) == 5)
    page.execute_script("document.querySelector('.scroll').focus()")
    ended = threading.Event()
    posting = threading.Thread(target=post_until, args=(monitor, ended))
    posting.start()
    click(page, ".run:nth-child(2)")
    wait_for(lambda: len(all_of(page, "#tables caption")) == 2)
    set_value(page, "#last", "3", "change")
    wait_for(lambda: len(all_of(page, "#tables tbody tr")) == 6)
    assert posting.is_alive()
    ended.set()
    posting.join()
    assert page.execute_script("return document.activeElement.className") == "scroll"


def post_until(monitor, ended):
    for epoch in range(5, 400):
        if ended.wait(0.05):
            return
        post(monitor, "b", epoch + 1, first=epoch)


def test_the_link_to_the_charts_keeps_the_choice_and_odd_addresses_open(page, monitor):
    post(monitor, "a", 2)
    post(monitor, "b", 2)
    wait_for(lambda: len(all_of(page, ".run")) == 2)
    click(page, ".run:nth-child(2)")
    wait_for(lambda: page.execute_script("return location.hash") == "#runs=b,a")
    click(page, "#skip")
    assert page.execute_script("return [location.hash, document.activeElement.id]") == ["#runs=b,a", "content"]
    page.get(f"{monitor.root}/#%zz")
    page.refresh()
    wait_for(lambda: points(page, "loss"))


def test_a_run_is_deleted_after_a_question(page, monitor):
    post(monitor, "a", 2)
    wait_for(lambda: all_of(page, ".run"))
    click(page, ".run .more")
    set_value(page, "#run-notes", "half a sentence", "input")
    click(page, "#delete")
    assert "Delete “a”" in text(page, "#confirm-text")
    click(page, "#confirm .danger")
    wait_for(lambda: not all_of(page, ".run"))
    assert monitor.get("/api/runs")["runs"] == []
    assert "a is gone, and with it what you wrote of it" in text(page, "#notices")


def test_an_expression_that_takes_for_ever_stops_nothing(page, monitor):
    post(monitor, "a", 1, 40 * "a" + "!")
    wait_for(lambda: all_of(page, ".run"))
    set_value(page, "#filter", "/^(a+)+$/", "input")
    wait_for(lambda: text(page, "#found").startswith("This expression takes too long"))
    set_value(page, "#filter", "/^a+!$/", "input")
    wait_for(lambda: text(page, "#found") == "1 of 1 match /^a+!$/")


def test_the_csv_link_leads_to_all_rows(page, monitor):
    post(monitor, "a", 3)
    click(page, ".run .more")
    assert all_of(page, "#csv")[0].get_attribute("href") == f"{monitor.root}/api/runs/a/rows.csv"


def test_what_is_posted_stays_text(page, monitor):
    evil = "<img src=x onerror=\"window.hurt=1\"><script>window.hurt=2</script><a href='javascript:window.hurt=3'>"
    monitor.post(
        {"epoch": 0, evil: 1.0, "note": evil, "__proto__": 2.0}, X_Epochal_Run="a", X_Epochal_Name="%3Cb%3Ebold%3C/b%3E"
    )
    monitor.post(
        {"epoch": 1, evil: 2.0, "note": evil, "__proto__": 3.0}, X_Epochal_Run="a", X_Epochal_Name="%3Cb%3Ebold%3C/b%3E"
    )
    wait_for(lambda: len(all_of(page, "figure")) >= 2)
    assert text(page, ".run .name") == "<b>bold</b>"
    assert {h.text for h in all_of(page, "figure h2")} >= {evil}
    click(page, "input[value=table]")
    wait_for(lambda: evil in text(page, "#tables"))
    assert page.execute_script("return window.hurt ?? null") is None
    assert (
        page.execute_script("return document.querySelectorAll('main img, nav img, main script, main a, nav b').length")
        == 0
    )


def test_the_page_asks_nothing_of_other_machines_and_breaks_no_rule(page, monitor):
    post(monitor, "a", 3)
    wait_for(lambda: points(page, "loss"))
    asked = page.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert asked
    assert all(address.startswith(monitor.root) for address in asked)
    assert page.get_log("browser") == []


def test_the_page_works_by_keyboard_and_says_what_it_shows(page, monitor):
    from selenium.webdriver.common.keys import Keys

    post(monitor, "a", 3)
    wait_for(lambda: points(page, "loss") == {"training": 3, "validation": 3})
    label = all_of(page, ".plot")[0].get_attribute("aria-label")
    assert label.startswith(
        "Chart of loss over epochs. a, loss: 0.3333 after epoch 3, lowest 0.3333, highest 1. a, val_loss"
    )
    reached = []
    for _ in range(18):
        page.switch_to.active_element.send_keys(Keys.TAB)
        active = page.switch_to.active_element
        reached.append(active.get_attribute("id") or active.get_attribute("type") or active.get_attribute("role"))
    order = iter(reached)
    expected = ["notify", "theme", "choose-all", "filter", "sort", "group", "treeitem"]
    expected += ["radio", "x", "log", "all", "smoothing", "first", "last", "whole"]
    assert [name for name in expected if name not in order] == [], reached
    unnamed = """return [...document.querySelectorAll('button, input, select, a')].filter((e) =>
        !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).length"""
    assert page.execute_script(unnamed) == 0


def test_the_page_connects_again_when_the_server_is_restarted(chrome, tmp_path):
    with running(tmp_path / "runs.db") as monitor:
        chrome.get(monitor.root)
        post(monitor, "a", 3)
        wait_for(lambda: points(chrome, "loss") == {"training": 3, "validation": 3})
        monitor.process.kill()
        wait_for(lambda: "connection lost" in text(chrome, "#connection"))
    with running(tmp_path / "runs.db", port=monitor.port) as monitor:
        post(monitor, "a", 5, first=3)
        wait_for(lambda: points(chrome, "loss") == {"training": 5, "validation": 5}, 20)
        assert text(chrome, "#connection") == "live"


def test_the_printed_link_lets_the_page_in(chrome, tmp_path):
    with running(tmp_path / "runs.db", "--token", "a-token-of-some-length") as monitor:
        chrome.get(monitor.root)
        assert "this monitor needs its token" in text(chrome, "body")
        chrome.get(monitor.link)
        wait_for(lambda: text(chrome, "#connection") == "live")
        assert chrome.current_url == monitor.root + "/"
        assert "Bearer <token>" in wait_for(lambda: text(chrome, "#lines"))
        chrome.delete_all_cookies()


def test_dark_and_narrow(page, monitor):
    post(monitor, "a", 40, "baseline", accuracy=0.8, val_accuracy=0.75, lr=0.001)
    monitor.post(
        {"epoch": 40, "batch": list(range(50)), "loss": [0.1 + i % 7 / 50 for i in range(50)]}, X_Epochal_Run="a"
    )
    post(monitor, "b", 25, "a longer name of a run, with spaces in it", accuracy=0.7)
    monitor.post({"epoch": 24}, X_Epochal_Run="b", X_Epochal_State="failed")
    wait_for(lambda: points(page, "loss"))
    click(page, ".run:nth-child(2)")
    set_value(page, "#theme", "dark", "change")
    wait_for(lambda: len(points(page, "loss")) == 5)
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert page.execute_script(ground) == "rgb(20, 23, 28)"
    shoot(page, "dark")
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        shoot(page, "narrow-dark")
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        set_value(page, "#theme", "light", "change")
        shoot(page, "narrow")
        page.execute_script("document.querySelector('#charts').scrollIntoView()")
        tops = """return ['.readings .swatch-line', '.readings .name', '#last', '#whole'].map((s) => {
            const { top, bottom } = document.querySelector(s).getBoundingClientRect(); return (top + bottom) / 2 })"""
        swatch, name, last, whole = page.execute_script(tops)
        assert abs(swatch - name) < 3  # beside it
        assert abs(last - whole) < 3
        shoot(page, "narrow-charts")
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        set_value(page, "#theme", "auto", "change")
    shoot(page, "light")
