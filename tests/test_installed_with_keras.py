"""Keras's own tests of its callbacks, from its source package, with our loop in the place of Keras's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

keras = pytest.importorskip("keras", reason="Keras isn't installed; see make peers")

PLUGIN = """
import os

import pytest


def pytest_configure(config):
    for mark in ("requires_trainable_backend", "multi_device", "uses_gpu"):
        config.addinivalue_line("markers", mark)
    if os.environ["OURS"] == "yes":
        from epochal.keras import install

        install()
"""


def results(folder, ours):
    """Return what became of each test, by name."""
    (folder / "plugin_of_epochal.py").write_text(PLUGIN)
    (folder / "pytest.ini").write_text("[pytest]\n")
    files = sorted((Path(keras.__file__).parent / "src" / "callbacks").glob("*_test.py"))
    environment = {"OURS": "yes" if ours else "no", "PYTHONPATH": str(folder), "KERAS_BACKEND": "jax"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--continue-on-collection-errors",
        "-rA",
        "-q",
        "-c",
        folder / "pytest.ini",
        "--rootdir",
        folder,
    ]
    options = ["-p", "plugin_of_epochal", "-p", "no:cacheprovider", *files]
    done = subprocess.run(
        [*command, *options], env=os.environ | environment, cwd=folder, capture_output=True, text=True
    )
    found = re.findall(r"^(PASSED|FAILED|SKIPPED|ERROR) (.*?)(?: - .*)?$", done.stdout, re.MULTILINE)
    return {name: outcome for outcome, name in found}


def test_they_pass_wherever_they_pass_with_keras_own_fit(tmp_path):
    theirs, ours = (results(tmp_path, ours) for ours in (False, True))
    passed = {name for name, outcome in theirs.items() if outcome == "PASSED"}
    assert len(passed) > 50
    assert {name for name in passed if ours.get(name) != "PASSED"} == set()
