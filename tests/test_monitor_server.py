"""The monitor's server: what it takes, what it refuses, and what it never loses."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress

import pytest
from monitoring import running, serving, wait_for

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")

from epochal.monitor.limits import Limits

TOKEN = "a-token-of-some-length"
POST = "/publish/epoch/end/"


@pytest.fixture
def monitor(tmp_path):
    with serving(tmp_path / "runs.db") as address:
        yield address


def raw(address, text):
    """Send bytes as they are, and return all that comes back until the server closes."""
    with address.connect() as sock:
        sock.sendall(text)
        return read_all(sock)


def read_all(sock):
    found = b""
    try:
        while chunk := sock.recv(1 << 16):
            found += chunk
    except ConnectionResetError:
        pass
    return found


def status(answer):
    return int(answer.split()[1]) if answer else None


# What is posted and asked for


def test_form_and_json_are_shown(monitor):
    form = "data=%7B%22epoch%22%3A+0%2C+%22loss%22%3A+NaN%7D"
    assert monitor.ask("POST", POST, form, Content_Type="application/x-www-form-urlencoded")[0] == 200
    assert monitor.post({"epoch": 1, "loss": 0.5, "val_loss": 0.6}) == 200
    (run,) = monitor.get("/api/runs")["runs"]
    assert (run["id"], run["epoch"], run["last"]) == ("~127.0.0.1~1", 1, {"loss": 0.5, "val_loss": 0.6})
    loss, val_loss = monitor.get(f"/api/runs/{run['id']}")["series"]
    assert loss == {"metric": "loss", "grain": "epoch", "epoch": [0, 1], "value": [None, 0.5]}
    assert val_loss["value"] == [0.6]


def test_headers_name_a_run_and_say_how_it_ended(monitor):
    headers = {"X_Epochal_Run": "r1", "X_Epochal_Name": "gro%C3%9F", "X_Epochal_Epochs": "9", "X_Epochal_Steps": "4"}
    monitor.post({"epoch": 0, "loss": 1.0}, X_Epochal_Seq="0", **headers)
    run = monitor.get("/api/runs/r1")
    assert (run["name"], run["epochs"], run["steps"], run["state"]) == ("groß", 9, 4, "running")
    monitor.post({"epoch": 0}, X_Epochal_State="failed", **headers)
    assert monitor.get("/api/runs/r1")["state"] == "failed"


def test_points_are_thinned_for_the_width_and_zoomed_by_epochs(monitor):
    values = [0.0] * 5_000
    values[1234], values[4321] = 9.0, -9.0
    monitor.post({"epoch": 0, "batch": list(range(5_000)), "loss": values}, X_Epochal_Run="r")
    monitor.post({"epoch": 7, "batch": [0], "loss": [1.0]}, X_Epochal_Run="r")
    (series,) = monitor.get("/api/runs/r?width=100")["series"]
    assert len(series["value"]) <= 202
    assert {9.0, -9.0} <= set(series["value"])
    (series,) = monitor.get("/api/runs/r?width=100&first=1&last=7")["series"]
    assert (series["epoch"], series["batch"], series["value"]) == ([7], [0], [1.0])


def test_rows_and_csv(monitor):
    monitor.post({"epoch": 0, "loss": 0.5, "note": "=HYPERLINK(1)"}, X_Epochal_Run="r")
    monitor.post({"epoch": 1, "loss": float("nan"), 'a"b': 1}, X_Epochal_Run="r")
    assert monitor.get("/api/runs/r/rows?limit=1")["rows"] == [[1, None, None, None, 1.0]]
    code, headers, text = monitor.ask("GET", "/api/runs/r/rows.csv")
    assert code == 200
    assert headers["content-disposition"] == 'attachment; filename="r.csv"'
    assert text == 'epoch,batch,loss,note,"a""b"\n0,,0.5,\'=HYPERLINK(1),\n1,,,,1.0\n'


def test_a_run_can_be_deleted(monitor):
    monitor.post({"epoch": 0, "loss": 0.5}, X_Epochal_Run="r")
    assert monitor.ask("DELETE", "/api/runs/r")[0] == 204
    assert monitor.ask("DELETE", "/api/runs/r")[0] == 404
    assert monitor.get("/api/runs")["runs"] == []


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/api/runs/none", 404, "there is no run 'none'"),
        ("/api/runs/none/rows", 404, "there is no run"),
        ("/api/runs/none/rows.csv", 404, "there is no run"),
        ("/api/runs/none?width=0", 400, "width is a whole number from 1 to 4000; got '0'"),
        ("/api/runs/none?first=-1", 400, "first is a whole number"),
        ("/static/../app.py", 404, "Not Found"),
        ("/static/%2e%2e/app.py", 404, "Not Found"),
    ],
)
def test_wrong_questions_are_answered(monitor, path, code, words):
    found, _, text = monitor.ask("GET", path)
    assert (found, words in text) == (code, True)


# Live


class Events:
    """A viewer: reads server-sent events from a socket."""

    def __init__(self, address, last_id=None):
        self.sock = address.connect()
        extra = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        self.sock.sendall(f"GET /api/events HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n".encode())
        self.text = b""

    def next(self, kind):
        """Return the id and the data of the next event of this kind."""
        while True:
            while b"\n\n" not in self.text:
                chunk = self.sock.recv(1 << 16)
                assert chunk, "the stream has ended"
                self.text += chunk
            event, _, self.text = self.text.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in event.decode().splitlines() if ": " in line)
            if fields.get("event") == kind:
                return fields["id"], json.loads(fields["data"])

    def close(self):
        self.sock.close()


def test_viewers_are_told_of_what_changes(monitor):
    viewer = Events(monitor)
    viewer.next("reset")
    monitor.post({"epoch": 0, "loss": 0.5}, X_Epochal_Run="r")
    _, change = viewer.next("change")
    assert change["runs"][0]["last"] == {"loss": 0.5}
    assert change["points"] == {"r": [{"metric": "loss", "grain": "epoch", "epoch": [0], "value": [0.5]}]}
    monitor.ask("DELETE", "/api/runs/r")
    assert viewer.next("change")[1]["removed"] == ["r"]
    viewer.close()


def test_a_viewer_who_comes_back_gets_what_it_missed(monitor):
    viewer = Events(monitor)
    viewer.next("reset")
    monitor.post({"epoch": 0, "loss": 1.0}, X_Epochal_Run="r")
    last_id, _ = viewer.next("change")
    viewer.close()
    monitor.post({"epoch": 1, "loss": 0.5}, X_Epochal_Run="r")
    again = Events(monitor, last_id)
    assert again.next("change")[1]["points"]["r"][0]["epoch"] == [1]
    again.close()
    stranger = Events(monitor, "another-7")
    stranger.next("reset")
    stranger.close()


def test_what_happens_between_two_messages_is_put_together(monitor):
    viewer = Events(monitor)
    viewer.next("reset")
    for epoch in range(50):
        monitor.post({"epoch": epoch, "loss": 1.0}, X_Epochal_Run="r")
    messages, epochs = 0, []
    while not epochs or epochs[-1] < 49:
        messages += 1
        epochs += viewer.next("change")[1]["points"]["r"][0]["epoch"]
    assert epochs == list(range(50))
    assert messages < 50  # four a second at most
    viewer.close()


def test_text_among_many_numbers_keeps_nobody_from_hearing_more(monitor):
    viewer = Events(monitor)
    viewer.next("reset")
    batches = list(range(1_000))
    event = {"epoch": 0, "batch": batches, "loss": ["warm", *[0.5] * 999], "note": ["text"] * 1_000}
    assert monitor.post(event, X_Epochal_Run="r") == 200
    (series,) = viewer.next("change")[1]["points"]["r"]
    assert series["metric"] == "loss"
    assert set(series["value"]) == {0.5}
    monitor.post({"epoch": 1, "loss": 0.1}, X_Epochal_Run="r")
    assert viewer.next("change")[1]["points"]["r"][0]["epoch"] == [1]
    viewer.close()


def test_a_run_that_is_deleted_and_goes_on_is_removed_first_and_then_there(monitor):
    viewer = Events(monitor)
    viewer.next("reset")
    monitor.post({"epoch": 0, "loss": 1.0}, X_Epochal_Run="r")
    viewer.next("change")
    monitor.ask("DELETE", "/api/runs/r")
    monitor.post({"epoch": 1, "loss": 1.0}, X_Epochal_Run="r")
    _, change = viewer.next("change")
    assert (change["removed"], [run["id"] for run in change["runs"]]) == (["r"], ["r"])
    viewer.close()


def test_a_last_id_that_is_no_number_of_ours_starts_anew(monitor):
    viewer = Events(monitor)
    start = viewer.next("reset")[0].split("-")[0]
    for number in ("9" * 5_000, "-1", "²", ""):
        stranger = Events(monitor, f"{start}-{number}".encode().decode("latin-1"))
        stranger.next("reset")
        stranger.close()
    viewer.close()


def test_a_viewer_that_reads_nothing_is_closed_and_holds_nobody_up(tmp_path):
    with serving(tmp_path / "runs.db", limits=Limits(stalled=0.5)) as monitor, ExitStack() as idle:
        slow = idle.enter_context(monitor.connect())
        slow.sendall(b"GET /plotly.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert monitor.post({"epoch": 0, "loss": 1.0}) == 200
        time.sleep(1.5)
        assert 0 < len(read_all(slow)) < 4_700_000  # cut off before its end


def test_a_viewer_who_falls_behind_starts_anew_instead_of_filling_the_memory():
    from epochal.monitor.stream import QUEUED, Viewer

    async def behind():
        viewer = Viewer()
        for number in range(QUEUED + 1):
            viewer.offer(b"%d" % number)
        viewer.offer(b"after")
        return await viewer.next(), await viewer.next()

    start_anew = b""
    assert asyncio.run(behind()) == (start_anew, b"after")


# Limits, with raw sockets


def test_a_body_may_have_one_mebibyte(monitor):
    head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    with monitor.connect() as sock:
        sock.sendall(f"{head}Content-Length: {(1 << 20) + 1}\r\n\r\n{'x' * 1000}".encode())
        assert status(sock.recv(1000)) == 413


def test_a_body_without_a_length_is_counted_while_it_comes(monitor):
    with monitor.connect() as sock:
        sock.sendall(f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(20):
            sock.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        assert status(sock.recv(1000)) == 413


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000, 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000, 431),
        (b"GET /" + b"x" * 200_000, 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_heads_have_a_limit(monitor, text, code):
    with monitor.connect() as sock:
        try:
            sock.sendall(text)
        except (BrokenPipeError, ConnectionResetError):
            return  # closed in the middle of it
        answer = read_all(sock)
        assert answer == b"" or status(answer) == code


@pytest.mark.parametrize("piece", [b"X: y\r\n" * 1_000, b"y" * 6_000], ids=["many", "one"])
@pytest.mark.parametrize("token", [None, TOKEN])
def test_what_comes_after_a_body_in_chunks_has_a_limit(tmp_path, piece, token):
    with serving(tmp_path / "runs.db", token=token) as monitor, monitor.connect() as sock:
        sock.sendall(f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ".encode())
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            sock.sendall(piece * 10_000)


def test_a_body_in_small_chunks_is_taken(monitor):
    body = json.dumps({"epoch": 0, "loss": [0.5] * 1_000}).encode()
    chunks = b"".join(b"1\r\n" + body[at : at + 1] + b"\r\n" for at in range(len(body)))
    head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert status(raw(monitor, head.encode() + chunks + b"0\r\nTrailer: x\r\n\r\n")) == 200


def test_requests_before_the_last_answer_end_the_connection_and_free_its_place(tmp_path):
    with serving(tmp_path / "runs.db", limits=Limits(viewers=2)) as monitor:
        for _ in range(4):
            with monitor.connect() as sock:
                sock.sendall(
                    b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
                )
                read_all(sock)
        viewer = Events(monitor)
        viewer.next("reset")
        viewer.close()


def test_a_half_sent_body_has_its_deadline_whoever_reads_the_answer_slowly(tmp_path):
    limits = Limits(body=1.0, stalled=20, idle=20)
    with serving(tmp_path / "runs.db", limits=limits) as monitor, monitor.connect() as sock:
        sock.sendall(b"GET /plotly.js HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        time.sleep(0.3)  # writing is paused
        started = time.monotonic()
        read_all(sock)
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (b"", b""),
        (b"GET / HT", b"the headers took too long"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"the headers took too long"),
        (f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{".encode(), b"the body took too long"),
    ],
)
def test_half_sent_requests_are_closed(tmp_path, text, answer):
    with serving(tmp_path / "runs.db", limits=Limits(head=0.3, body=0.3)) as monitor:
        assert raw(monitor, text).endswith(answer)


def test_a_kept_connection_is_closed_after_the_idle_time(tmp_path):
    with serving(tmp_path / "runs.db", limits=Limits(idle=0.3)) as monitor:
        assert raw(monitor, b"GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_slow_viewer_of_events_stays_while_it_reads(tmp_path):
    with serving(tmp_path / "runs.db", limits=Limits(head=0.2, body=0.2, idle=0.2, stalled=0.2)) as monitor:
        viewer = Events(monitor)
        viewer.next("reset")
        time.sleep(1.0)
        monitor.post({"epoch": 0, "loss": 1.0})
        viewer.next("change")
        viewer.close()


def test_idle_connections_make_room_for_good_clients(tmp_path):
    with serving(tmp_path / "runs.db", limits=Limits(connections=20)) as monitor, ExitStack() as idle:
        socks = [idle.enter_context(monitor.connect()) for _ in range(60)]
        for sock in socks[:30]:
            with suppress(OSError):  # it has been closed already, to make room
                sock.sendall(b"GET / HTTP/1.1\r\n")
        for epoch in range(20):
            assert monitor.post({"epoch": epoch, "loss": 1.0}) == 200


def test_viewers_that_take_all_places_leave_a_clear_answer(tmp_path):
    with serving(tmp_path / "runs.db", limits=Limits(connections=5)) as monitor:
        viewers = [Events(monitor) for _ in range(5)]
        for viewer in viewers:
            viewer.next("reset")
        with monitor.connect() as sock:
            assert b"503" in read_all(sock)
        for viewer in viewers:
            viewer.close()
        wait_for(lambda: _posted(monitor))


def _posted(monitor):
    try:
        return monitor.post({"epoch": 0, "loss": 1.0}) == 200
    except OSError:
        return False


def test_a_thousand_idle_connections_lock_nobody_out(monitor):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("this user may not open 4096 files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    with ExitStack() as idle:
        for _ in range(1_050):
            idle.enter_context(monitor.connect())
        assert monitor.post({"epoch": 0, "loss": 1.0}) == 200


def test_too_many_waiting_posts_are_told_to_come_again(tmp_path):
    with serving(tmp_path / "runs.db", limits=Limits(waiting=0)) as monitor:
        code, headers, text = monitor.ask("POST", POST, '{"epoch": 0}')
        assert (code, headers["retry-after"]) == (429, "1")
        assert "too many posts wait" in text


# Security


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9000", "localhost.evil.example", "192.168.1.7", "", "[::1", "a@localhost@b"]
)
def test_other_names_of_this_machine_are_refused(monitor, host):
    assert monitor.ask("GET", "/api/runs", Host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9000", "127.8.8.8", "[::1]:9000"])
def test_loopback_names_are_taken(monitor, host):
    assert monitor.ask("GET", "/api/runs", Host=host)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
    ],
)
def test_pages_of_other_sites_can_neither_read_nor_post(monitor, headers):
    assert monitor.ask("POST", POST, '{"epoch": 0, "loss": 1}', **headers)[0] == 403
    assert monitor.ask("GET", "/api/runs", **headers)[0] == 403
    assert monitor.ask("GET", "/api/events", **headers)[0] == 403
    assert monitor.ask("DELETE", "/api/runs/r", **headers)[0] == 403
    assert monitor.get("/api/runs")["runs"] == []


def test_the_page_may_do_what_other_pages_may_not(monitor):
    own = {"Origin": monitor.root, "Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}
    assert monitor.post({"epoch": 0, "loss": 1}, X_Epochal_Run="r") == 200
    assert monitor.ask("DELETE", "/api/runs/r", **own)[0] == 204
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert monitor.ask("GET", "/", **link)[0] == 200


def test_the_page_allows_no_script_but_its_own(monitor):
    for path in ("/", "/static/app.js", "/api/runs", "/nothing"):
        headers = monitor.ask("GET", path)[1]
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_a_token_is_asked_for_everywhere(tmp_path):
    with serving(tmp_path / "runs.db", token=TOKEN) as monitor:
        for path in ("/", "/api/runs", "/api/events", "/plotly.js", "/static/app.js", "/?token=wrong"):
            assert monitor.ask("GET", path)[0] == 401, path
        assert monitor.post({"epoch": 0}) == 401
        assert monitor.post({"epoch": 0}, Authorization="Bearer " + TOKEN[:-1]) == 401
        assert monitor.post({"epoch": 0}, Authorization=f"Bearer {TOKEN}é") == 401
        assert monitor.post({"epoch": 0, "loss": 1}, Authorization=f"Bearer {TOKEN}") == 200
        code, headers, _ = monitor.ask("GET", f"/?token={TOKEN}")
        assert (code, headers["refresh"]) == (200, "0; url=/")
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert monitor.ask("GET", "/api/runs", Cookie=cookie.split(";")[0])[0] == 200
        assert monitor.ask("GET", "/api/runs", Cookie=cookie.split(";")[0][:-1])[0] == 401
        for other in ('prefs={"a":1}', "a[b]=1", "x=a b", "=", "alone"):
            assert monitor.ask("GET", "/api/runs", Cookie=f"{other}; {cookie.split(';')[0]}")[0] == 200, other
        by_number = {"Host": "192.168.1.7:9000", "Authorization": f"Bearer {TOKEN}"}
        assert monitor.ask("GET", "/api/runs", **by_number)[0] == 200


# The command


def test_the_command_prints_where_and_keeps_runs_over_a_restart(tmp_path):
    with running(tmp_path / "runs.db") as monitor:
        assert monitor.link == f"http://127.0.0.1:{monitor.port}/"
        monitor.post({"epoch": 0, "loss": 0.5}, X_Epochal_Run="r")
    assert monitor.process.returncode == 0
    assert (tmp_path / "runs.db").stat().st_mode & 0o077 == 0
    with running(tmp_path / "runs.db") as monitor:
        assert monitor.get("/api/runs/r")["last"] == {"loss": 0.5}


def test_ctrl_c_ends_it_with_viewers_and_half_sent_requests_connected(tmp_path):
    with running(tmp_path / "runs.db") as monitor:
        viewers = [Events(monitor) for _ in range(3)]
        for viewer in viewers:
            viewer.next("reset")
        half = monitor.connect()
        half.sendall(f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n".encode())
    assert monitor.process.returncode == 0
    for viewer in viewers:
        viewer.close()
    half.close()


def test_another_address_needs_a_token(tmp_path):
    with running(tmp_path / "runs.db", "--host", "0.0.0.0") as monitor:
        assert "?token=" in monitor.link
        assert monitor.post({"epoch": 0}) == 401
        assert monitor.post({"epoch": 0}, Authorization="Bearer " + monitor.link.split("=")[1]) == 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--token", "short"], "a token has 16 to 200 characters"),
        (["--host", "203.0.113.9"], "can't listen on 203.0.113.9"),
        (["--db", "/nowhere/runs.db"], "No such file or directory"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, capsys, monkeypatch, options, words):
    from epochal.cli import main

    monkeypatch.chdir(tmp_path)
    assert main(["monitor", "--port", "0", *options]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none_is_refused(port, capsys):
    from epochal.cli import main

    with pytest.raises(SystemExit, match="2"):
        main(["monitor", f"--port={port}"])
    assert f"a port is a number from 0 to 65535; got '{port}'" in capsys.readouterr().err


def test_runs_that_cannot_be_read_are_an_answer_and_posts_are_not_acknowledged(tmp_path):
    with serving(tmp_path / "runs.db") as monitor:
        (tmp_path / "runs.db").rename(tmp_path / "elsewhere.db")
        code, _, words = monitor.ask("GET", "/api/runs")
        assert (code, "can't be read" in words) == (503, True)
        assert monitor.post({"epoch": 0}) == 503
        assert not (tmp_path / "runs.db").exists()


def test_without_the_extra_one_line_says_what_to_install():
    code = "import sys; sys.modules['uvicorn'] = None; from epochal.cli import main; sys.exit(main(['monitor']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, 'epochal monitor needs uvicorn: pip install "epochal[monitor]"\n')


def test_a_taken_port_is_named(tmp_path, capsys):
    from epochal.cli import main

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["monitor", "--db", str(tmp_path / "x.db"), "--port", port]) == 1
    assert f"can't listen on 127.0.0.1 port {port}" in capsys.readouterr().err


# Nothing that was acknowledged is lost


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
