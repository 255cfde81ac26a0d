"""`epochal monitor`: what it prints, how it ends, and what it refuses."""

import socket
import subprocess
import sys

import pytest
from monitoring import running, serving
from raw_requests import POST, Events

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")


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
