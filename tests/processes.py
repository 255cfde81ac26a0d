"""Scripts run by several processes over loopback; each is killed by its id if it doesn't end by itself."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass
class Outcome:
    """How a process ended: its exit code (None if it had to be killed), after how many seconds, and what it printed."""

    code: int | None
    seconds: float
    output: str


def run(script, *arguments, count=2, limit=60, scripts=None, **environment):
    """Run `count` processes of a script, which joins them with `scripts/joined.py`, and return the outcome of each.

    Args:
        script: Its name in `scripts/`.
        arguments: Of the command line.
        count: How many processes.
        limit: After how many seconds they are killed; stacks are printed shortly before.
        scripts: A script for each process instead.
        environment: More of that.
    """
    with ExitStack() as held:
        env = os.environ | {"PROCESSES": str(count), "LIMIT": str(limit), "PYTHONPATH": _path(), **environment}
        env |= {"COORDINATOR": f"127.0.0.1:{held.enter_context(reserved_port()).getsockname()[1]}"}
        env |= {"XLA_FLAGS": flags_for(1), "JAX_PLATFORMS": "cpu"} | environment
        outputs = [held.enter_context(tempfile.TemporaryFile("w+")) for _ in range(count)]
        started = time.monotonic()
        children = [
            subprocess.Popen(
                [sys.executable, str(SCRIPTS / (scripts[i] if scripts else script)), *map(str, arguments)],
                env=env | {"PROCESS": str(i)}, stdout=outputs[i], stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            )
            for i in range(count)
        ]  # fmt: skip
        ends = _await(children, started, limit)
        for output in outputs:
            output.seek(0)
        return [Outcome(*end, output.read()) for end, output in zip(ends, outputs, strict=True)]


def flags_for(devices):
    """Return XLA's flags of the tests for a process with so many devices."""
    return os.environ["XLA_FLAGS"].replace("device_count=8", f"device_count={devices}")


def reserved_port():
    """Return a socket with a port that no other program gets, but at which the coordinator may listen."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("", 0))
    return held


def _path():
    return os.pathsep.join(str(place) for place in (SCRIPTS, Path(__file__).parent.parent / "src"))


def _await(children, started, limit):
    """Return exit codes and seconds; a stopped process is killed once the others have ended."""
    ends = {}
    try:
        while time.monotonic() - started < limit and len(ends) < len(children):
            for i, child in enumerate(children):
                if i not in ends and child.poll() is not None:
                    ends[i] = (child.returncode, time.monotonic() - started)
            waiting = [child for i, child in enumerate(children) if i not in ends]
            if waiting and all(_is_stopped(child.pid) for child in waiting):
                break
            time.sleep(0.02)
    finally:
        for i, child in enumerate(children):
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
                child.wait()
                ends[i] = (None, time.monotonic() - started)
    return [ends[i] for i in range(len(children))]


def _is_stopped(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:  # it has just ended, or there is no such folder
        return False
