"""The charts in a browser: who is who, what they show, over what, and which part; the link that keeps it."""

import json
import math

import pytest
from browsing import all_of, click, data, opened, points, set_value, text, texts
from monitoring import serving, wait_for

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")

pytestmark = pytest.mark.browser

NAN = float("nan")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("monitor") / "runs.db") as monitor:
        yield monitor


@pytest.fixture
def show(chrome, server):
    """Return what opens the page at a link, and afterwards finds nothing in the browser's log."""
    yield lambda link: opened(chrome, server, f"/?{id(link)}{link}")
    assert chrome.get_log("browser") == []


def send(server, run, steps=None, name=None, **series):
    """Post a run's epochs, given as lists by metric; text in place of None is left out."""
    length = max(len(values) for values in series.values())
    events = [
        {"epoch": epoch, **{metric: values[epoch] for metric, values in series.items() if epoch < len(values)}}
        for epoch in range(length)
    ]
    headers = {"X_Epochal_Run": run, "X_Epochal_Name": name or run, "X_Epochal_Seq": "0"}
    headers |= {"X_Epochal_Events": str(length)} | ({"X_Epochal_Steps": str(steps)} if steps else {})
    code, _, answer = server.ask("POST", "/publish/epoch/end/", "\n".join(map(json.dumps, events)), **headers)
    assert code == 200, answer


def falling(epochs=30, start=1.0):
    return [start / (1 + epoch / 3) for epoch in range(epochs)]


def drawn(page, *metrics):
    for metric in metrics or ["loss"]:
        wait_for(lambda metric=metric: points(page, metric))
    return page


def hover(page, metric, across=0.5, down=0.5):
    """Move the pointer to a place of a chart; return where that is in the window."""
    code = """const over = document.querySelector(`figure[data-family="${arguments[0]}"] .u-over`);
              over.scrollIntoView({block: "center"});
              const r = over.getBoundingClientRect(); return [r.left + r.width * arguments[1], r.top + r.height * arguments[2]]"""
    x, y = page.execute_script(code, metric, across, down)
    for dx in (-2, 0):
        page.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x + dx, "y": y})
    return x, y


# Who is who


def test_runs_are_named_above_the_charts_and_told_apart_by_dashes_where_colours_end(server, show):
    for n in range(10):
        send(server, f"who{n}", name=f"run number {n}", loss=falling(start=1 + n))
    page = drawn(show("#runs=" + ",".join(f"who{n}" for n in range(10))))
    assert texts(page, ".legend button") == [f"run number {n}" for n in range(10)]
    code = """return [...document.querySelectorAll('.legend button line')].map((l) =>
              [l.getAttribute('stroke'), l.getAttribute('stroke-dasharray')].join('|'))"""
    looks = page.execute_script(code)
    assert len(set(looks)) == 10
    assert [look.split("|")[1] for look in looks[:8]] == [""] * 8
    assert looks[8].split("|")[0] == looks[0].split("|")[0]
    assert len(texts(page, "figure .readings table:first-child tbody tr")) == 6
    assert text(page, "figure .readings summary") == "and 4 more"
    click(page, ".legend li:nth-child(3) button")
    wait_for(lambda: len(all_of(page, '.legend button[aria-pressed="true"]')) == 1)
    assert len(all_of(page, '.legend button[tabindex="0"]')) == 1


def test_each_chart_tells_last_and_best_values_where_it_is_known_which_way_is_better(server, show):
    series = {"loss": [3, 1, 2], "val_loss": [4, 3, 5], "accuracy": [0.1, 0.7, 0.3], "gap": [1, 2, 3]}
    send(server, "best", **series)
    page = drawn(show("#runs=best"), "loss", "accuracy", "gap")

    def rows(metric):
        return texts(page, f'figure[data-family="{metric}"] .readings table:first-child tr > *')[1:]

    wait_for(lambda: len(rows("loss")) == 7)
    assert rows("loss") == ["training", "validation", "best validation", "best", "2", "5", "3 at 2"]
    assert rows("accuracy") == ["last", "best", "best", "0.3", "0.7 at 2"]
    assert rows("gap") == ["last", "best", "3"]
    label = all_of(page, 'figure[data-family="accuracy"] .plot')[0].get_attribute("aria-label")
    assert (
        label
        == "Chart of accuracy over epochs. best, accuracy: 0.3 after epoch 3, lowest 0.1, highest 0.7, best at epoch 2."
    )


def test_the_box_at_the_pointer_lists_values_highest_first_and_the_cursor_is_one(server, show):
    send(server, "low", loss=falling(11), accuracy=falling(11))
    send(server, "high", loss=falling(11, 2), val_loss=falling(11, 3))
    page = drawn(show("#runs=low,high"), "loss", "accuracy")
    hover(page, "loss")
    wait_for(lambda: text(page, "#pointer .moment") == "epoch 6")
    assert texts(page, "#pointer .row") == ["highvalidation1.125", "high0.75", "low0.375"]
    left = """return [...document.querySelectorAll('figure .u-cursor-x')].map((e) => e.style.transform.match(/[0-9.]+/)[0])"""
    assert len(set(page.execute_script(left))) == 1
    assert len(all_of(page, "figure .dot")) == 3


@pytest.mark.parametrize(("width", "height"), [(1400, 700), (390, 700), (700, 428)])
def test_the_box_covers_no_pointed_place_and_is_never_cut(server, show, width, height):
    for n in range(20):
        send(
            server,
            f"many{n}",
            name=f"a run of a rather long name {n}",
            loss=falling(start=1 + n),
            val_loss=falling(start=2 + n),
        )
    page = show("about:blank")
    phone = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        page = drawn(show("#runs=" + ",".join(f"many{n}" for n in range(20))))
        for across in (0.02, 0.5, 0.98):
            for down in (0.05, 0.95):
                x, y = hover(page, "loss", across, down)
                box = wait_for(
                    lambda: page.execute_script(
                        "const b = document.querySelector('#pointer'); return b.hidden ? null : b.getBoundingClientRect().toJSON()"
                    )
                )
                assert not (box["left"] <= x <= box["right"] and box["top"] <= y <= box["bottom"])
                assert box["left"] >= 0
                assert box["top"] >= 0
                assert box["right"] <= width
                assert box["bottom"] <= height
        assert len(all_of(page, "#pointer .row")) == 12
        assert text(page, "#pointer .more") == "and 28 more"
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        small = """return [...document.querySelectorAll('#controls button, #controls select, #controls input[type=text], #controls label, .legend button, figure button, summary')]
                   .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML)"""
        assert page.execute_script(small) == []
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# The truth


def test_values_far_out_do_not_flatten_the_others_and_are_said_to_be_there(server, show):
    losses = falling()
    losses[20] = 1000.0
    send(server, "spike", loss=losses)
    page = drawn(show("#runs=spike"))
    assert float(data(page, "loss", "y").split(":")[1]) < 2
    assert data(page, "loss", "outside") == "1"
    assert "1 value far out, marked at the edge" in text(page, "figure .notes")
    click(page, "figure .below button")
    wait_for(lambda: float(data(page, "loss", "y").split(":")[1]) > 1000)
    assert data(page, "loss", "outside") == "0"
    assert page.execute_script("return [location.hash, document.activeElement.id]") == ["#runs=spike&all=1", "all"]


def test_where_values_stop_being_finite_is_said_and_the_rest_is_drawn(server, show):
    send(server, "nan", loss=[3, 2, 1, *[NAN] * 4], accuracy=[0.1, NAN, 0.3])
    page = drawn(show("#runs=nan"), "loss", "accuracy")
    assert text(page, '[data-family="loss"] .notes') == "NaN from epoch 4 on"
    assert text(page, '[data-family="accuracy"] .notes') == "NaN at epoch 2"
    assert "nan, loss: NaN after epoch 7, lowest 1, highest 3" in all_of(page, ".plot")[0].get_attribute("aria-label")
    hover(page, "loss", 0.95)
    wait_for(lambda: text(page, "#pointer .row") == "trainingNaN")


def test_what_has_no_place_on_a_log_scale_is_counted_and_text_is_not_drawn(server, show):
    send(server, "log", loss=[1, 0.1, 0, -1], reward=[-1, -2], note=["warm", "cold"], seconds=[1, 2], empty=[NAN, NAN])
    page = drawn(show("#runs=log&log=1"), "loss", "reward", "empty")
    assert texts(page, "figure h2") == ["loss", "reward", "empty"]
    assert text(page, '[data-family="loss"] .notes') == "2 values of 0 or less have no place on a log scale"
    assert text(page, '[data-family="reward"] .nothing') == "no value above 0: others have no place on a log scale"
    assert text(page, '[data-family="empty"] .nothing') == "no finite value here"
    low, high = map(float, data(page, "loss", "y").split(":"))
    assert 0.05 < low < 0.1 < 1 < high < 2


def test_a_long_run_is_thinned_but_keeps_its_extremes(server, show):
    values = [0.5] * 20_000
    values[777], values[13_333] = 9.0, -9.0
    server.post({"epoch": 0, "batch": list(range(20_000)), "loss": values}, X_Epochal_Run="thin")
    page = drawn(show("#runs=thin&all=1"))
    assert points(page, "loss")["batches"] <= 1_802
    assert "lowest -9, highest 9" in all_of(page, ".plot")[0].get_attribute("aria-label")
    low, high = map(float, data(page, "loss", "y").split(":"))
    assert low < -9 < 9 < high


def test_how_training_goes_comes_after_what_it_brings(server, show):
    send(
        server,
        "order",
        **{"system/cpu": [50], "learning_rate": [0.1], "seconds": [1], "step_time": [0.012], "loss": [1], "auc": [1]},
    )
    page = drawn(show("#runs=order"), "loss", "step_time")
    assert texts(page, "figure h2") == ["loss", "auc", "learning_rate", "step_time", "system/cpu"]
    assert text(page, '[data-family="step_time"] .readings td:last-child') == "12 ms"


def test_live_points_go_into_the_chart_that_is_there(server, show):
    send(server, "live", loss=[3, 2])
    page = drawn(show("#runs=live"))
    canvas = all_of(page, "canvas")[0]
    hover(page, "loss", 0.97)
    wait_for(lambda: text(page, "#pointer .moment") == "epoch 2")
    server.post({"epoch": 2, "loss": 1.5, "val_loss": 2}, X_Epochal_Run="live")
    wait_for(lambda: points(page, "loss") == {"training": 3, "validation": 1})
    assert all_of(page, "canvas")[0] == canvas
    wait_for(lambda: text(page, "#pointer .moment") == "epoch 3")


# Over what, and which part


def test_charts_go_over_epochs_steps_and_time(server, show):
    send(server, "fast", steps=100, loss=falling(10), seconds=[30 * (n + 1) for n in range(10)])
    send(server, "vague", loss=falling(5))
    page = drawn(show("#runs=fast,vague"))
    ends = lambda: [
        float(end) for end in page.execute_script("return document.querySelector('#charts').dataset.x").split(":")
    ]
    assert ends() == pytest.approx([1, 10], abs=0.2)
    set_value(page, "#x", "step")
    wait_for(lambda: ends() == pytest.approx([100, 1000], abs=20))
    lacks = "vague doesn’t say how many steps an epoch has, so it isn’t drawn over steps"
    wait_for(lambda: text(page, "figure .notes") == lacks)
    set_value(page, "#x", "time")
    wait_for(lambda: ends() == pytest.approx([30, 300], abs=6))
    wait_for(lambda: "vague has sent no times" in text(page, "figure .notes"))
    hover(page, "loss", 0.99)
    wait_for(lambda: text(page, "#pointer .moment") == "5 min · epoch 10")
    set_value(page, "#x", "step")
    set_value(page, "#first", "500")
    wait_for(lambda: ends() == pytest.approx([500, 1000], abs=20))
    wait_for(lambda: points(page, "loss")["fast, training"] == 7)  # with neighbours on the left
    page.execute_script("location.hash = '#runs=vague&x=time'")
    wait_for(lambda: text(page, "figure .nothing") == "nothing to draw over this axis")
    page.execute_script(
        "const f = CanvasRenderingContext2D.prototype; const fill = f.fillText; window.ticks = []; f.fillText = function (t, ...at) { ticks.push(t); fill.call(this, t, ...at) }"
    )
    set_value(page, "#x", "step")
    of_steps = wait_for(lambda: page.execute_script("return ticks.slice(ticks.indexOf('steps') >>> 0)"))
    assert [tick for tick in of_steps if tick.endswith(" s")] == []


def test_typed_ends_are_taken_in_any_order_and_corrected_in_sight(server, show):
    send(server, "typed", loss=falling(30))
    page = drawn(show("#runs=typed"))

    def typed(first, last):
        for field, value in (("#first", first), ("#last", last)):
            set_value(page, field, value, "input")
        set_value(page, "#last", last)
        fields = page.execute_script("return ['first', 'last'].map((id) => document.getElementById(id).value)")
        return [*fields, text(page, "#range-said")]

    assert typed("3", "12") == ["3", "12", ""]
    wait_for(lambda: page.execute_script("return document.querySelector('#charts').dataset.x") == "3:12")
    assert page.execute_script("return location.hash") == "#runs=typed&range=3:12"
    assert typed("12", "3") == ["3", "12", ""]
    assert typed("5", "") == ["5", "", ""]
    assert typed("20", "99") == ["20", "", "so far there are 30 epochs"]
    assert typed("50", "60") == ["29", "", "so far there are 30 epochs"]
    assert typed("7", "7") == ["6", "7", ""]
    assert typed("soon", "7") == ["6", "7", "“soon” isn’t understood: write a number, such as 12"]
    click(page, "#whole")
    assert page.execute_script("return [location.hash, document.querySelector('#first').value]") == ["#runs=typed", ""]


def test_dragging_over_a_chart_zooms_all_and_a_double_click_leads_back(server, show):
    send(server, "drag", loss=falling(30), accuracy=falling(30))
    page = drawn(show("#runs=drag"))
    x, y = hover(page, "loss", 0.3)
    mouse = lambda kind, x, **more: page.execute_cdp_cmd(
        "Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, **more}
    )
    mouse("mousePressed", x, clickCount=1)
    mouse("mouseMoved", x + 60)
    mouse("mouseMoved", x + 120)
    mouse("mouseReleased", x + 120, clickCount=1)
    wait_for(lambda: "range=" in page.execute_script("return location.hash"))
    first, last = map(float, page.execute_script("return document.querySelector('#charts').dataset.x").split(":"))
    assert 8 < first < last < 20
    assert text(page, "figure .readings tbody td") == "0.09375"  # the run's last value, not the part's
    for count in (1, 2):
        mouse("mousePressed", x, clickCount=count)
        mouse("mouseReleased", x, clickCount=count)
    wait_for(lambda: "range=" not in page.execute_script("return location.hash"))


# The link


def test_a_link_opens_the_same_view_and_the_controls_say_it(server, show):
    send(server, "link", loss=falling(40), seconds=[100 * (n + 1) for n in range(40)])
    link = "#runs=link&x=time&log=1&all=1&smoothing=0.5&range=600:3000"
    page = drawn(show(link))
    code = """return ['x', 'log', 'all', 'smoothing', 'first', 'last'].map((id) => {
              const e = document.getElementById(id); return e.type === 'checkbox' ? e.checked : e.value })"""
    assert page.execute_script(code) == ["time", True, True, "0.5", "10 min", "50 min"]
    assert page.execute_script("return document.querySelector('#charts').dataset.x") == "600:3000"
    wait_for(lambda: points(page, "loss")["training"] < 40)  # the part in full detail, the rest not
    hover(page, "loss")
    wait_for(lambda: "smoothed" in text(page, "#pointer .moment"))
    page.execute_script("location.hash = '#runs=link&range=1e308:2e308'")  # nobody is asked for such an epoch
    wait_for(lambda: page.execute_script(code)[4] == "1e+308")
    page.execute_script("location.hash = '#runs=link'")
    wait_for(lambda: page.execute_script(code) == ["epoch", False, False, "0", "", ""])


def rule(page, module, expression):
    """Return the value of an expression with a module's exports `m`, in the page."""
    code = """const done = arguments[0];
              const folder = document.querySelector("script[type=module]").src.replace(/[^/]*$/, "");
              import(folder + "%s").then((m) => done(%s), (error) => done(String(error)));"""
    return page.execute_async_script(code % (module, expression))


RULES = [
    ("view.js", 'm.format(m.read(""))', ""),
    ("view.js", 'm.format(m.read("#runs=a,%C3%A9&x=step&range=2:"))', "#runs=a,%C3%A9&x=step&range=2:"),
    ("view.js", 'm.format(m.read("#runs=%zz&x=weeks&log=yes&smoothing=2&range=5:3&more=1&view"))', ""),
    ("view.js", 'm.format(m.read("#smoothing=&range=a:b&range=1:2:3"))', ""),
    ("format.js", '[0, 0.5, 59, 60, 90, 3600, 5400, 90000].map(m.duration)', ["0 s", "0.5 s", "59 s", "1 min", "1 min 30 s", "1 h", "1 h 30 min", "1 d 1 h"]),
    ("format.js", '[3.42e9, 512].map((v) => m.quantity(v, "system/memory"))', ["3.42 GB", "512 B"]),
    ("format.js", '[m.quantity(74.25, "system/cpu"), m.quantity(2e-5, "step_time"), m.quantity(2e-5, "loss"), m.quantity(null, "loss")]', ["74.3 %", "20 µs", "2.00e-5", "–"]),
    ("format.js", '[123456789, 2.51e-300, -1234567.8, -0.0012345, 1234567, 0.5, null].map((v) => m.compact(v, "loss"))', ["1.23e8", "3e-300", "-1.23e6", "-0.0012", "1234567", "0.5", "–"]),
    ("status.js", '[4, 9].map((epoch) => m.remaining({ state: "running", seen: 0, eta: 5, epochs: 10, epoch }, 1))', [4, None]),
    ("name.js", '["a short name", "learning_rate=0.1,seed=1", "مرحبا بالعالم تدريب 123"].map((text) => [...m.name(text).children].map((part) => part.textContent))', [["a short name", ""], ["learning_rate=0.", "1,seed=1"], ["مرحبا بالعالم تدريب 123", ""]]),
    ("axes.js", '["90", "90 s", "5 min", "1 h 30 min", "1.5h", "1:30", "1:30:00", "2d", "soon", "5 x"].map(m.AXES.time.read)', [90, 90, 300, 5400, 5400, 90, 5400, 172800, None, None]),
    ("axes.js", 'm.AXES.time.ticks(0, 7300, 5).map(m.AXES.time.write)', ["0 s", "30 min", "1 h", "1 h 30 min", "2 h"]),
    ("axes.js", 'm.AXES.epoch.ticks(1, 7, 10)', [1, 2, 3, 4, 5, 6, 7]),
    ("scales.js", 'm.ticks(0.001, 2000, 8, "loss", true).words', ["1e-3", "0.01", "0.1", "1", "10", "100", "1000"]),
    ("scales.js", 'm.ticks(0.15, 0.9, 5, "loss", true).words', ["0.2", "0.4", "0.6", "0.8"]),
    ("scales.js", 'm.ticks(1e-5, 5e-5, 5, "learning_rate", false).words', ["1e-5", "2e-5", "3e-5", "4e-5", "5e-5"]),
    ("scales.js", 'm.ticks(0, 4.2e9, 4, "system/memory", false).words', ["0 GB", "2 GB", "4 GB"]),
    ("scales.js", 'm.ticks(-1, 1, 4, "elbo", false).words', ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
    ("clock.js", '(() => { const c = new m.Clock(); const before = c.known; c.learn([3, 0, 1], [60, 10, 20]); c.learn([2, 3], [null, 61]); return [before, c.known, c.seconds(0.5), c.seconds(3), c.seconds(5), c.epochs(15)] })()', [False, True, 5, 40.5, 81.5, 1.5]),
]  # fmt: skip


@pytest.fixture(scope="module")
def still(chrome, server):
    return opened(chrome, server)


@pytest.mark.parametrize(("module", "expression", "expected"), RULES)
def test_rules(still, module, expression, expected):
    found = rule(still, module, expression)
    assert found == (
        pytest.approx(expected) if isinstance(expected, list) and isinstance(expected[-1], float) else expected
    )


# For everybody's eyes


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_and_words_stand_out_from_the_ground_in_both_themes(still, theme):
    style = f"document.documentElement.dataset.theme = '{theme}', ['--card', '--soft', '--text', '--accent'].map((n) => getComputedStyle(document.documentElement).getPropertyValue(n).trim())"
    card, *words = rule(still, "palette.js", f"({style})")
    card = "#ffffff" if card == "#fff" else card
    assert min(contrast(word, card) for word in words) >= 4.5
    looks = rule(
        still, "palette.js", f"Array.from({{ length: 64 }}, (_, i) => m.look(i, {str(theme == 'dark').lower()}))"
    )
    assert min(contrast(look["strong"], card) for look in looks) >= 4.5
    assert min(contrast(look["soft"], card) for look in looks) >= 3
    assert min(contrast(look["strong"], look["soft"]) for look in looks) >= 1.5
    assert len({json.dumps(look) for look in looks}) == 64
    assert math.isclose(contrast("#000000", "#ffffff"), 21)
    still.execute_script("document.documentElement.dataset.theme = 'auto'")
