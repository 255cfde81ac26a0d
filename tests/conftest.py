import json
import math
import signal
import sys

import jax
import numpy as np
import pytest
from killed_runs import Forks, outcome
from monitoring import browser, serving

import epochal
from epochal.core import logs
from epochal.core.wakes import ThroughputEstimate

collect_ignore = ["data", "old_keras", "scripts"]  # programs, not tests


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_is_heard():
    """Hear Ctrl-C as usual, also where the tests run in the background of a script, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def optimized():
    """Compile as users do; other tests, which run their steps a few times only, leave most optimizations out."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(autouse=True)
def seeded():
    """Let every test draw the same numbers, whatever has run before."""
    epochal.set_random_seed(7)
    np.random.seed(7)


@pytest.fixture
def spans_of(monkeypatch):
    """Return a function that fixes how many batches a span has as long as nobody must be woken, however slow they are."""
    monkeypatch.setattr("epochal.core.batch_hooks.LONG_STEP_SECONDS", math.inf)
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


def pytest_addoption(parser):
    parser.addoption("--faults", action="store_true", help="run the long versions of the tests marked faults")
    parser.addoption("--peers", action="store_true", help="run the long comparisons with Keras, `test_*_with_keras.py`")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--peers"):
        for item in items:
            if item.path.name.endswith("_with_keras.py"):
                item.add_marker(pytest.mark.skip(reason="a long comparison with Keras: make peers"))


@pytest.fixture
def long(request):
    """Say whether the long version is wanted."""
    return request.config.getoption("--faults")


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


# Monitors


@pytest.fixture
def monitor(tmp_path):
    """Return the address of a monitor in a thread."""
    with serving(tmp_path / "runs.db") as address:
        yield address


@pytest.fixture(scope="session")
def chrome(tmp_path_factory):
    """Return a browser."""
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page
