"""Tries a mutant: runs tests on it in a fork of a process that has imported the libraries, but not the package."""

import os
import signal
import sys
import time
from bisect import bisect
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

from mutants.mutations import Mutant
from mutants.tests_by_line import Test


def load_libraries(tree: Path, cache: Path) -> None:
    """Import what takes long, as the tests in a tree need it set; programs that XLA compiles are kept in a folder."""
    os.chdir(tree)
    source = str(tree / "src")
    sys.path[:1] = [source, str(tree)]  # instead of the folder that this was started in
    os.environ["PYTHONPATH"] = source
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    import conftest  # noqa: F401, I001  (sets what JAX reads when it is imported)
    import flax.nnx, h5py, jax, optax, orbax.checkpoint, requests  # noqa: E401, F401

    del sys.modules["conftest"]
    assert not any(name.partition(".")[0] == "epochal" for name in sys.modules)


def passes(tests: Sequence[str], seconds: float, output: Path, compiles: bool = False) -> bool:
    """Run tests up to the first that fails; return whether all pass.

    Args:
        tests: Their names.
        seconds: How long they may take.
        output: The file for what they print.
        compiles: Whether to keep compiled files, which with a mutant would be taken for the next one's.

    Raises:
        TimeoutError: They take longer than so many seconds.
    """
    pid = os.fork()
    if not pid:
        _run(tests, output, compiles)
    try:
        return _wait(pid, time.monotonic() + seconds) == 0
    finally:
        _end_group(pid)


def _run(tests: Sequence[str], output: Path, compiles: bool) -> None:
    try:
        os.setsid()
        for stream in (1, 2):
            os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if not compiles:
            sys.dont_write_bytecode, os.environ["PYTHONDONTWRITEBYTECODE"] = True, "1"
        import pytest

        options = ["-x", "-p", "no:cacheprovider", "--tb=short"]
        code = int(pytest.main([*options, *tests]))
        sys.stdout.flush()
        os._exit(code)
    finally:
        os._exit(70)  # no child may go on as if it were its parent


def _wait(pid: int, until: float) -> int:
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    _end_group(pid)
    os.waitpid(pid, 0)
    raise TimeoutError


def _end_group(pid: int) -> None:
    """End the tests' process and all that they have started."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class Trials:
    """Writes mutants into a copy of the project, one at a time, and runs the tests that reach them.

    Args:
        tree: The copy.
        output: The file for what the tests of the last trial print.
    """

    at_once = 3.0  # seconds of tests that are run first: most mutants die of the fastest
    most = 30.0  # seconds of tests for the others

    def __init__(self, tree: Path, output: Path) -> None:
        self._package, self._output = tree / "src" / "epochal", output

    def check(self, tests: Iterable[Sequence[Test]]) -> None:
        """Run the tests that are run first of all mutants, without any mutant.

        Raises:
            RuntimeError: One fails, which would be taken for a mutant's death.
        """
        first = sorted({test.name for found in tests for test in _up_to(self.at_once, found)[0]})
        if first and not passes(first, 1800, self._output, compiles=True):
            raise RuntimeError(f"A test fails without a mutant: see {self._output}.")

    def outcome(self, mutant: Mutant, tests: Sequence[Test]) -> str:
        """Return "killed", "timed out" or "survived"."""
        file = self._package / mutant.path
        source, times = file.read_bytes(), file.stat()
        try:
            file.write_text(mutant.code, "utf-8")
            first, rest = _up_to(self.at_once, tests)
            others, _ = _up_to(self.most, rest)
            return "survived" if self._pass(first) and self._pass(others) else "killed"
        except TimeoutError:
            return "timed out"
        finally:
            file.write_bytes(source)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _pass(self, tests: Sequence[Test]) -> bool:
        seconds = sum(test.seconds for test in tests)
        return not tests or passes([test.name for test in tests], 30 + 10 * seconds, self._output)


def _up_to(seconds: float, tests: Sequence[Test]) -> tuple[Sequence[Test], Sequence[Test]]:
    """Split tests into those that take so long together, at least one, and the others."""
    spent = list(accumulate(test.seconds + 0.02 for test in tests))
    count = max(1, bisect(spent, seconds))
    return tests[:count], tests[count:]
