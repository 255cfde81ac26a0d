"""What the tests and the examples in docstrings share."""

import os
import sys
import tempfile
from importlib.metadata import version

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # but for tests with the fixture `optimized`
FLAGS = ["--xla_force_host_platform_device_count=8"]  # simulated; a test asks for them
# With these emitters, which the long tests keep, small programs take twice as long to compile. XLA ends a process at a
# flag that it doesn't know.
if version("jaxlib").startswith("0.10.") and "--faults" not in sys.argv:
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(FLAGS))


def pytest_configure(config):
    """Let all processes of a session, those that tests start too, compile each program once."""
    if not hasattr(config, "workerinput"):
        config.compiled = tempfile.TemporaryDirectory(prefix="epochal-compiled-")
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", config.compiled.name)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_unconfigure(config):
    """Delete the compiled programs."""
    if hasattr(config, "compiled"):
        config.compiled.cleanup()


@pytest.fixture(autouse=True)
def surroundings_of_an_example(request):
    """Let the examples in docstrings have `np`, and write their files where nobody else does."""
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("doctest_namespace")["np"] = np
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
