"""The live monitor under load: durable posts a second from 20 clients while 20 viewers look on.

    python benchmarks/monitor_server.py [--seconds 8]

Prints posts a second, latencies, the server's memory, and how long a run of 100,000 points takes to open and 10,000
runs take to list.
Clients, viewers and server share this machine's cores, as they do on a training machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

CLIENTS = VIEWERS = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="epochal-bench-") as folder:
        server, port = start(Path(folder) / "runs.db")
        try:
            messages = multiprocessing.Value("q")
            viewers = multiprocessing.Process(target=look_on, args=(port, messages), daemon=True)
            viewers.start()
            time.sleep(1.0)
            latencies, spent = asyncio.run(post_for(port, seconds))
            resident = memory(server.pid)
            viewers.terminate()
            points, opened, posted = open_large_run(port)
            resident = max(resident, memory(server.pid))
            listed = list_runs(port)
        finally:
            server.terminate()
            server.wait(10)
    latencies.sort()
    rate, p99 = len(latencies) / spent, latencies[int(len(latencies) * 0.99)] * 1e3
    line("durable posts a second", f"{rate:,.0f}", "≥ 2,500", rate >= 2_500)
    line("p99 of a post", f"{p99:.1f} ms", "≤ 100 ms", p99 <= 100)
    line("median of a post", f"{statistics.median(latencies) * 1e3:.1f} ms", "", True)
    seen = messages.value / VIEWERS / spent
    line("messages a second to each viewer", f"{seen:.1f}", "≤ 4", 0 < seen <= 4.2)
    line("resident set", f"{resident:.0f} MB", "≤ 150 MB", resident <= 150)
    line(f"opening a run of {points:,} points", f"{opened:.2f} s", "≤ 1 s", opened <= 1)
    line("listing 10,000 runs", f"{listed:.2f} s", "≤ 0.3 s", listed <= 0.3)
    line("posting these points, in groups of 1,000 batches", f"{posted:.2f} s", "", True)
    return 0


def line(what: str, value: str, target: str, reached: bool) -> None:
    print(f"{what:<44}{value:>12}   {target:<10}{'' if reached else 'MISSED'}")


def start(db: Path) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "epochal.cli", "monitor", "--port", "0", "--db", str(db)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, int(server.stdout.readline().split(":")[-1].strip("/\n"))


def request(path: str, body: bytes, headers: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def post_for(port: int, seconds: float) -> tuple[list[float], float]:
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        epoch = 0
        while time.perf_counter() < end:
            value = random.random()
            logs = {"epoch": epoch, "loss": value, "acc": 1 - value, "val_loss": value * 1.1, "val_acc": 0.9 - value}
            body = b"data=" + quote(json.dumps(logs)).encode()
            headers = f"X-Epochal-Run: bench-{number}\r\nX-Epochal-Seq: {epoch}\r\n"
            began = time.perf_counter()
            writer.write(request("/publish/epoch/end/", body, headers))
            answer = await reader.readuntil(b"\r\n\r\n")
            latencies.append(time.perf_counter() - began)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            epoch += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return latencies, time.perf_counter() - began


def look_on(port: int, messages: Any) -> None:
    """Read the live stream as `VIEWERS` pages would, and count the messages."""

    async def viewer() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        writer.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while text := await reader.readline():
            if text == b"event: change\n":
                messages.value += 1

    async def all_of_them() -> None:
        await asyncio.gather(*(viewer() for _ in range(VIEWERS)))

    asyncio.run(all_of_them())


def open_large_run(port: int, batches: int = 50_000) -> tuple[int, float, float]:
    """Post a run with two values a batch and time what the page asks for first."""
    began = time.perf_counter()
    for first in range(0, batches, 1_000):
        numbers = list(range(first, first + 1_000))
        values = [random.random() for _ in numbers]
        body = json.dumps({"epoch": 0, "batch": numbers, "loss": values, "acc": values}).encode()
        headers = {"X-Epochal-Run": "large", "X-Epochal-Seq": str(first), "X-Epochal-Steps": str(batches)}
        urllib.request.urlopen(
            urllib.request.Request(f"http://localhost:{port}/publish/epoch/end/", body, headers)
        ).close()
    posted = time.perf_counter() - began
    times = []
    for _ in range(3):
        began = time.perf_counter()
        with urllib.request.urlopen(f"http://localhost:{port}/api/runs/large?width=1200") as answer:
            series = json.load(answer)["series"]
        times.append(time.perf_counter() - began)
    assert all(1_200 <= len(s["value"]) <= 2_402 for s in series)
    return 2 * batches, statistics.median(times), posted


def list_runs(port: int, runs: int = 10_000) -> float:
    """Make so many runs, and time the list of all of them as the page asks for it."""

    async def make(numbers: range) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            logs = {
                "epoch": 9,
                "loss": number / runs,
                "acc": 0.5,
                "val_loss": 0.5,
                "val_acc": 0.5,
                "learning_rate": 0.01,
            }
            body = b"data=" + quote(json.dumps(logs)).encode()
            writer.write(request("/publish/epoch/end/", body, f"X-Epochal-Run: r{number}\r\nX-Epochal-Seq: 0\r\n"))
            await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def make_all() -> None:
        await asyncio.gather(*(make(range(first, runs, CLIENTS)) for first in range(CLIENTS)))

    asyncio.run(make_all())
    times = []
    for _ in range(3):
        began = time.perf_counter()
        with urllib.request.urlopen(f"http://localhost:{port}/api/runs?limit=20000") as answer:
            text = answer.read()
        times.append(time.perf_counter() - began)
    assert len(json.loads(text)["runs"]) >= runs
    return statistics.median(times)


def memory(pid: int) -> float:
    """Return the resident set of a process in MB; Linux only, else NaN."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return float("nan")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
