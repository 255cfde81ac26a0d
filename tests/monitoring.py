"""Monitors to test against: one in a process of its own, one in a thread, and a browser to look at them with."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Address:
    port: int
    link: str = ""
    process: subprocess.Popen[str] | None = None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: str | bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Send one request; header names have _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, _, text = self.ask("GET", path)
        assert status == 200, text
        return json.loads(text)

    def post(self, event: dict[str, Any], **headers: str) -> int:
        return self.ask("POST", "/publish/epoch/end/", json.dumps(event), **headers)[0]

    def post_much(self, run: str, megabytes: int) -> str:
        """Post text of so many megabytes, and return the path of a file of all of it."""
        for epoch in range(megabytes):
            assert (
                self.post({"epoch": epoch, **{f"text {n}": "x" * 1_990 for n in range(499)}}, X_Epochal_Run=run) == 200
            )
        return f"/api/runs/{run}/rows.csv"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@contextlib.contextmanager
def running(db: Path, *options: str, port: int = 0) -> Iterator[Address]:
    """Run `epochal monitor` as a user would, and end it by Ctrl-C unless it has been killed."""
    command = [sys.executable, "-m", "epochal.cli", "monitor", "--db", str(db), "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        link = process.stdout.readline().removeprefix("Open ").strip()
        yield Address(int(link.split(":")[2].split("/")[0]), link, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(10)
        process.stdout.close()


@contextlib.contextmanager
def serving(db: Path, **options: Any) -> Iterator[Address]:
    """Serve a monitor in a thread, with limits or a token of the test's choice."""
    pytest.importorskip("uvicorn")
    from epochal.monitor.app import Monitor
    from epochal.monitor.server import Server
    from epochal.monitor.store import Store

    sock = socket.create_server(("127.0.0.1", 0))
    server = Server(Monitor(Store(db), **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    wait_for(lambda: server.started)
    try:
        yield Address(sock.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return what `condition` returns as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def browser(folder: Path, width: int = 1400, height: int = 900) -> Iterator[Any]:
    """Start headless Chromium, or skip the test and say why."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium isn't installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromium-driver aren't installed")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    quiet = "disable-gpu no-first-run disable-background-networking disable-component-update disable-sync no-sandbox"
    for flag in ("headless=new", *quiet.split(), f"window-size={width},{height}", f"user-data-dir={folder}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = selenium.ChromeService(driver, log_output=os.devnull)
    page = selenium.Chrome(options=options, service=service)
    try:
        yield page
    finally:
        page.quit()
