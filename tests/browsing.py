"""The monitor's page in a browser: what a visitor sees, and does."""

from __future__ import annotations

import json
import time
from typing import Any

from folders import SCREENSHOTS
from monitoring import Address, wait_for


def opened(chrome: Any, monitor: Address, link: str = "") -> Any:
    """Return the browser when it shows a monitor's page, with an empty log."""
    chrome.get("about:blank")
    chrome.get_log("browser")
    chrome.get(monitor.root + link)
    wait_for(lambda: text(chrome, "#connection") == "live")
    return chrome


def all_of(page, selector):
    return page.find_elements("css selector", selector)


def text(page, selector):
    return page.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)


def texts(page, selector):
    return page.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector
    )


def data(page, metric, name):
    """Return what a chart says of itself, as text."""
    code = "return document.querySelector(`figure[data-family=\"${arguments[0]}\"]`)?.dataset[arguments[1]] ?? ''"
    return page.execute_script(code, metric, name)


def points(page, metric):
    """Return how many points each line of a chart has, by the line's name."""
    return json.loads(data(page, metric, "points") or "{}")


def post(monitor, run, epochs, name=None, first=0, **logs):
    for epoch in range(first, epochs):
        headers = {"X_Epochal_Run": run, "X_Epochal_Seq": str(epoch), "X_Epochal_Epochs": str(epochs)}
        values = {"loss": 1 / (epoch + 1), "val_loss": 1.2 / (epoch + 1), **logs}
        assert monitor.post({"epoch": epoch, **values}, X_Epochal_Name=name or run, **headers) == 200


CLICK = "const found = document.querySelector(arguments[0]); if (found) found.click(); return Boolean(found)"


def click(page, selector):
    wait_for(lambda: page.execute_script(CLICK, selector))


def set_value(page, selector, value, event="change"):
    code = "const e = document.querySelector(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event(arguments[2]))"
    page.execute_script(code, selector, value, event)


def shoot(page, name):
    SCREENSHOTS.mkdir(exist_ok=True)
    time.sleep(0.3)  # for what moves
    page.save_screenshot(str(SCREENSHOTS / f"{name}.png"))
