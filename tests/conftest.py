import sys

import pytest

from epochal.core import logs
from epochal.core.spans import Pace


@pytest.fixture
def spans_of(monkeypatch):
    """Return a function that fixes how many batches a span has as long as nobody must be woken."""
    return lambda batches: monkeypatch.setattr(Pace, "batches_in", lambda self, seconds: batches)


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
