"""RemoteMonitor and the answers of its server: errors, redirects, delays, and none at all."""

import http.client
import socket
import threading
import time
import warnings

import pytest
from monitoring import wait_for
from posting import OK, Server, answer, losses, tell, train

from epochal.callbacks.remote_monitor import RemoteMonitor


@pytest.fixture
def socket_threads(monkeypatch):
    """Return the names of the threads that sent or received by HTTP."""
    names = set()
    for method in ("connect", "send", "getresponse"):
        original = getattr(http.client.HTTPConnection, method)

        def noted(self, *args, original=original, **kwargs):
            names.add(threading.current_thread().name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(http.client.HTTPConnection, method, noted)
    return names


def hang(sock):
    time.sleep(30)


def trickle(sock):
    for byte in OK * 10:
        sock.sendall(bytes([byte]))
        time.sleep(1)


def trickle_headers(sock):
    sock.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    trickle(sock)


@pytest.mark.parametrize("reply", [hang, trickle, trickle_headers])
def test_a_server_that_hangs_or_trickles_holds_no_hook_up(reply, socket_threads):
    with Server([reply] * 99) as server:
        callback = RemoteMonitor(server.root)
        callback.deadline, callback.farewell = 0.3, 0.1
        train(callback, 1_000, end=False)
        assert len(server.requests) <= 1  # a thousand epochs have ended before one answer came
        with pytest.warns(UserWarning) as caught:
            tell(callback)
            callback.on_epoch_end(1_000, {"loss": 0.0})
            callback.close()
    assert [str(w.message).split(": ", 1)[1][len(server.root) :] for w in caught][:1] == [
        " doesn't take events (no answer within 0.3 s); training goes on, they are kept and sent again."
    ]
    assert "1001 of 1001 events were not delivered" in str(caught[-1].message)
    assert "1001 not sent in time" in str(caught[-1].message)
    assert socket_threads == {"epochal-remote-monitor"}


def test_a_server_that_accepts_nothing_holds_nothing_up():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        callback = RemoteMonitor(f"http://127.0.0.1:{listener.getsockname()[1]}")
        callback.farewell = 0.1
        with pytest.warns(UserWarning, match="3 of 3 events were not delivered"):
            train(callback, 3)


def test_errors_of_the_server_are_tried_again():
    with Server([answer("500 Oops", "on fire"), answer("503 Later")]) as server:
        callback = RemoteMonitor(server.root)
        with pytest.warns(UserWarning, match=r"doesn't take events \(500 on fire\)"):
            train(callback, 1, end=False)
            wait_for(lambda: len(server.requests) >= 3)
            callback.close()
    assert [h["x-epochal-seq"] for _, _, h, _ in server.requests] == ["0", "0", "0"]


def test_retry_after_is_honoured():
    times = []

    def note(reply):
        return lambda sock: (times.append(time.monotonic()), sock.sendall(reply))

    with Server([note(answer("429 Slow down", Retry_After="2")), note(OK)]) as server:
        with pytest.warns(UserWarning, match="429"):
            callback = RemoteMonitor(server.root)
            callback.on_epoch_end(0, {"loss": 1.0})
            wait_for(lambda: len(times) == 2)
            callback.close()
    assert times[1] - times[0] >= 2


def test_what_is_refused_is_reported_once_in_the_servers_words_and_not_repeated():
    with Server(answer("401 Unauthorized", "this monitor needs its token")) as server:
        callback = RemoteMonitor(server.root)
        with pytest.warns(UserWarning) as caught:
            train(callback, 3)
    first, last = (str(w.message) for w in caught)
    assert "refuses the events: 401 this monitor needs its token" in first
    assert "3 of 3 events were not delivered" in last
    assert "3 refused" in last
    assert len(server.requests) == 3


def test_a_redirect_to_another_origin_is_not_followed():
    with Server() as elsewhere, Server(answer("307 Moved", Location=elsewhere.root + "/x")) as server:
        with pytest.warns(UserWarning) as caught:
            train(RemoteMonitor(server.root, headers={"Authorization": "Bearer secret"}), 1)
        assert f"redirects to {elsewhere.root}/x, which isn't followed; set root" in str(caught[0].message)
        assert elsewhere.requests == []


def test_a_redirect_on_the_same_server_is_followed():
    with Server([answer("301 Moved", Location="/there/"), OK]) as server:
        train(RemoteMonitor(server.root), 1)
    assert [(m, p) for m, p, _, _ in server.requests] == [("POST", "/publish/epoch/end/"), ("POST", "/there/")]
    assert server.events == losses([0, 0])


@pytest.mark.parametrize("where", ["HTTP://LOCALHOST:{port}/there/", "http://localhost:{port}/there/"])
def test_an_address_of_the_same_server_may_be_written_otherwise(where):
    with Server() as server:
        server.reply = [answer("301 Moved", Location=where.format(port=server.port)), OK]
        train(RemoteMonitor(f"http://localhost:{server.port}"), 1)
        assert [path for _, path, _, _ in server.requests] == ["/publish/epoch/end/", "/there/"]


@pytest.mark.parametrize(
    "odd",
    [
        answer("307 Moved", Location="http://[bad"),
        answer("429 Later", Retry_After="9" * 400),
        answer("503 Later", Retry_After="10000000000"),
    ],
)
def test_an_odd_answer_does_not_end_the_sending(odd, monkeypatch):
    monkeypatch.setattr("epochal.remote.connection.LONGEST_WAIT", 0.1)
    with Server([odd]) as server:
        callback = RemoteMonitor(server.root)
        with pytest.warns(UserWarning) as caught:
            train(callback, 2, end=False)
            wait_for(lambda: server.events[-1:] == losses([1]))
            callback.close()
    said = str(caught[0].message)
    assert "an event can't be sent" in said or "doesn't take events" in said


def test_a_monitor_is_told_the_end_also_if_it_refused_the_last_event():
    ours = {"X_Epochal_Monitor": "1"}
    with Server([answer("200 OK", **ours), answer("400 No", "nonsense", **ours), answer("200 OK", **ours)]) as server:
        with pytest.warns(UserWarning, match=r"refuses|1 of 2"):
            train(RemoteMonitor(server.root), 2)
        assert server.requests[-1][2]["x-epochal-state"] == "finished"


def test_a_connection_the_server_has_closed_is_opened_again_without_a_word():
    with Server() as server:
        callback = RemoteMonitor(server.root)
        train(callback, 1, end=False)
        wait_for(lambda: server.requests)
        server.sockets[0].shutdown(socket.SHUT_RDWR)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train(callback, 2, first=1)
    assert server.events == losses([0, 1])


def test_an_event_dropped_on_its_way_that_gets_there_is_not_counted_as_lost():
    arrived, go = threading.Event(), threading.Event()

    def slow(sock):
        arrived.set()
        go.wait(5)
        sock.sendall(OK)

    with Server([slow, OK]) as server:
        callback = RemoteMonitor(server.root)
        callback.kept = 2
        callback.on_epoch_end(0, {"loss": 1.0})
        assert arrived.wait(5)
        train(callback, 4, first=1, end=False)  # epochs 0 and 1 are dropped, but 0 is under way
        go.set()
        wait_for(lambda: len(server.requests) == 3)
        with pytest.warns(UserWarning, match=r"1 of 4 events were not delivered to .*: 1 dropped while it was away"):
            callback.close()
    assert [event["epoch"] for event in server.events] == [0, 2, 3]


def test_the_end_does_not_wait_for_a_delay_that_the_server_asked_for():
    with Server(answer("429 Slow down", Retry_After="3600")) as server:
        callback = RemoteMonitor(server.root)
        callback.farewell = 0.1
        with pytest.warns(UserWarning) as caught:
            train(callback, 1, end=False)
            tell(callback)
            callback.close()
        assert "1 of 1 events were not delivered" in str(caught[-1].message)
        wait_for(lambda: "epochal-remote-monitor" not in {thread.name for thread in threading.enumerate()})
