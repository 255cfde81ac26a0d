"""The live monitor's page with real runs, one of them still under way."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from selenium import webdriver
from sklearn.datasets import load_digits

import epochal
from epochal.callbacks import Callback, EarlyStopping, LambdaCallback, RemoteMonitor
from epochal.layers import Dense, Dropout
from epochal.models import Sequential

EPOCHS = 40
SETTINGS = [("sgd", 0.0), ("rmsprop", 0.0), ("adam", 0.0), ("adam", 0.5)]
"""The optimizer and the dropout of each run."""

UNDER_WAY = 26
"""The epoch in which the last run waits until the page was taken, counted from 0."""

SIZES = {"monitor": (1400, 900), "monitor_phone": (390, 844)}
"""Of the pictures, by name."""


def draw(folder: Path, epochs: int = EPOCHS, under_way: int = UNDER_WAY) -> None:
    """Take `monitor.png` and `monitor_phone.png`.

    Args:
        folder: Where.
        epochs: Of each run.
        under_way: The epoch in which the last run is still, counted from 0.
    """
    with tempfile.TemporaryDirectory() as work, serving(Path(work)) as root:
        for optimizer, rate in SETTINGS[:-1]:
            fit(root, optimizer, rate, epochs, EarlyStopping(patience=6))

        def take(epoch: int, logs: Any = None) -> None:
            if epoch == under_way:
                take_pictures(folder, root, Path(work))

        fit(root, *SETTINGS[-1], epochs, LambdaCallback(on_epoch_begin=take))


def fit(root: str, optimizer: str, rate: float, epochs: int, *callbacks: Callback) -> None:
    """Train on the digits, and report to the monitor."""
    x, y = load_digits(return_X_y=True)
    epochal.set_random_seed(3)
    model = Sequential([Dense(64, activation="relu", input_dim=64), Dropout(rate), Dense(10, activation="softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    name = f"digits/{optimizer}" + ("+dropout" if rate else "")
    x = np.asarray(x / 16, np.float32)
    monitor = RemoteMonitor(root, name=name)
    model.fit(x, y, validation_split=0.2, epochs=epochs, verbose=0, callbacks=[*callbacks, monitor])


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run `epochal monitor`, and yield its address."""
    command = [sys.executable, "-m", "epochal.cli", "monitor", "--port", "0", "--db", str(folder / "runs.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().removeprefix("Open ").split("?")[0].strip().rstrip("/")
        finally:
            process.send_signal(signal.SIGINT)


def take_pictures(folder: Path, root: str, work: Path) -> None:
    """Take the pictures of the page as it is now, with all runs chosen."""
    with urllib.request.urlopen(f"{root}/api/runs") as answer:
        runs = [run["id"] for run in json.load(answer)["runs"]]
    with chromium(work / "profile") as page:
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
        )
        for name, (width, height) in SIZES.items():
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            page.get("about:blank")
            page.get(f"{root}/#runs={','.join(runs)}")
            _wait_for(page, "return document.querySelector('#connection')?.textContent === 'live'")
            _wait_for(page, "return document.querySelectorAll('figure[data-points] canvas').length >= 2")
            time.sleep(1.5)  # until what moves stands
            page.save_screenshot(str(folder / f"{name}.png"))
            shrink(folder / f"{name}.png")


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """Start a headless Chromium."""
    options, driver = webdriver.ChromeOptions(), shutil.which("chromedriver")
    options.binary_location = shutil.which("chromium") or ""
    if not (driver and options.binary_location):
        raise FileNotFoundError("the monitor's picture needs chromium and chromedriver (Debian: chromium-driver).")
    for flag in ("headless=new", "disable-gpu", "no-sandbox", "hide-scrollbars", f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    page = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver, log_output=os.devnull))
    try:
        yield page
    finally:
        page.quit()


def _wait_for(page: webdriver.Chrome, script: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not page.execute_script(script):
        if time.monotonic() > end:
            raise TimeoutError(f"the page doesn't get so far: {script}")
        time.sleep(0.1)


def shrink(path: Path) -> None:
    """Write a picture with 128 colours, which is all that the page has."""
    with Image.open(path) as image:
        few = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
