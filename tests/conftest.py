import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from epochal.core import logs
from epochal.core.wakes import ThroughputEstimate


def pytest_configure(config):
    """Let all processes of a session, those that tests start too, compile each program once."""
    if not hasattr(config, "workerinput"):
        config.compiled = tempfile.TemporaryDirectory(prefix="epochal-compiled-")
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", config.compiled.name)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_unconfigure(config):
    if hasattr(config, "compiled"):
        config.compiled.cleanup()


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_is_heard():
    """Hear Ctrl-C as usual, also where the tests run in the background of a script, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def spans_of(monkeypatch):
    """Return a function that fixes how many batches a span has as long as nobody must be woken."""
    return lambda batches: monkeypatch.setattr(ThroughputEstimate, "batches_in", lambda self, seconds: batches)


@pytest.fixture
def fetches(monkeypatch):
    """Return a list that gets an entry for each call of the one function that brings arrays to the host."""
    counted, fetch = [], logs.fetch

    def count(value):
        counted.append(value)
        return fetch(value)

    for module in [
        m for name, m in sys.modules.items() if name.startswith("epochal.") and vars(m).get("fetch") is fetch
    ]:
        monkeypatch.setattr(module, "fetch", count)
    return counted


# Runs in processes of their own, which may be killed

SCRIPTS = Path(__file__).with_name("scripts")


def pytest_addoption(parser):
    parser.addoption("--faults", action="store_true", help="run the long versions of the tests marked faults")


@pytest.fixture
def long(request):
    """Say whether the long version is wanted."""
    return request.config.getoption("--faults")


class Forks:
    """Runs scripts one at a time, each in a process of its own; see `scripts/forks.py`."""

    def __init__(self, cache):
        compiled = {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", SCRIPTS / "forks.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | compiled,
        )

    def start(self, folder, **options):
        """Start `scripts/train.py` on a folder, where its output goes to `output`; return the process's id."""
        folder.mkdir(exist_ok=True)
        print(
            json.dumps([str(SCRIPTS / "train.py"), str(folder / "output"), str(folder), json.dumps(options)]),
            file=self._process.stdin,
            flush=True,
        )
        return int(self._process.stdout.readline())

    def wait(self):
        """Return its exit status, negative if a signal ended it."""
        return int(self._process.stdout.readline())

    def run(self, folder, **options):
        """Run it to its end."""
        self.start(folder, **options)
        return self.wait()

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="session")
def forks(tmp_path_factory):
    """Return what runs `scripts/train.py`."""
    started = Forks(tmp_path_factory.mktemp("compiled"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def golden(forks, tmp_path_factory):
    """Return what comes of a run that was never killed, by its options."""
    known = {}

    def get(**options):
        key = json.dumps(options, sort_keys=True)
        if key not in known:
            folder = tmp_path_factory.mktemp("golden")
            assert forks.run(folder, **options) == 0, (folder / "output").read_text()
            known[key] = outcome(folder)
        return known[key]

    return get


def outcome(folder):
    """Return the digest of each thing that a run leaves, and of the newest saved state."""
    files = [*(folder / n for n in ("log.csv", "result.json", "weights", "engine", "best.weights.h5")), newest(folder)]
    return {"state" if f.suffix == ".run" else f.name: hashlib.sha256(f.read_bytes()).hexdigest()[:8] for f in files}


def newest(folder):
    """Return the newest saved state."""
    return max((folder / "run").glob("generation-*.run"))
