"""A monitor's limits: requests as no browser sends them, and too many at once."""

import json
import time
from contextlib import ExitStack, suppress

import pytest
from monitoring import serving, wait_for
from raw_requests import POST, TOKEN, Events, raw, read_all, status

from epochal.monitor.limits import Limits

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")


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
        path = monitor.post_much("long", 12)
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{".encode())
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
