"""No event that a monitor acknowledged is lost."""

import json
import threading

import pytest
from monitoring import running, wait_for
from raw_requests import POST

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")


class Clients:
    """Clients that post epoch after epoch, each a run of its own, and note what was acknowledged."""

    def __init__(self, monitor, count, epochs):
        self.monitor, self.epochs = monitor, epochs
        self.acknowledged = [set() for _ in range(count)]
        self.statuses = set()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        try:
            with self.monitor.connect() as sock, sock.makefile("rb") as lines:
                for epoch in range(self.epochs):
                    body = json.dumps({"epoch": epoch, "loss": epoch + number / 100})
                    head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
                    sock.sendall(f"{head}X-Epochal-Run: c{number}\r\nX-Epochal-Seq: {epoch}\r\n\r\n{body}".encode())
                    code = int(lines.readline().split()[1])
                    length = 0
                    while (line := lines.readline()) != b"\r\n":
                        if line.startswith(b"content-length"):
                            length = int(line.split()[1])
                    lines.read(length)
                    self.statuses.add(code)
                    if code == 200:
                        self.acknowledged[number].add(epoch)
        except (OSError, IndexError):
            pass  # the server was killed

    def join(self):
        for thread in self.threads:
            thread.join(60)
        return self


def rows_of(monitor, number):
    code, _, text = monitor.ask("GET", f"/api/runs/c{number}/rows.csv")
    return [line.split(",")[0] + ":" + line.split(",")[2] for line in text.splitlines()[1:]] if code == 200 else []


def test_ten_thousand_posts_of_fifty_clients(tmp_path):
    with running(tmp_path / "runs.db") as monitor:
        clients = Clients(monitor, 50, 200).join()
        assert clients.statuses <= {200, 429}
        for number, acknowledged in enumerate(clients.acknowledged):
            assert rows_of(monitor, number) == [f"{e}:{e + number / 100}" for e in sorted(acknowledged)]
        assert sum(map(len, clients.acknowledged)) == 10_000 or 429 in clients.statuses


def test_every_acknowledged_event_outlives_kill_9_and_none_is_there_twice(tmp_path):
    with running(tmp_path / "runs.db") as monitor:
        clients = Clients(monitor, 50, 10_000)
        wait_for(lambda: sum(map(len, clients.acknowledged)) > 500, 30)
        monitor.process.kill()
        clients.join()
    with running(tmp_path / "runs.db") as monitor:
        for number, acknowledged in enumerate(clients.acknowledged):
            rows = rows_of(monitor, number)
            assert len(rows) == len(set(rows))
            assert {f"{e}:{e + number / 100}" for e in acknowledged} <= set(rows)
            assert len(rows) <= len(acknowledged) + 1  # the last may have been stored without an answer
