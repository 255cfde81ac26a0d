"""Runs random programs with new seeds, as long as asked: `explore.py [MINUTES [SEED]]`.

What fails is printed as a script that does it again. Exits with 1 then. Programs on the NumPy engine take milliseconds;
of those on JAX, and of those that are killed in processes of their own, there are a few in each round.
"""

import io
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from test_random_programs import PROPERTIES

MINUTES, SEED = 10, int(time.time())

SCRIPT = """
# This fails. Save it, and run it in the repository:  PYTHONPATH=src:tests:tests/explore python THIS
import tempfile
from pathlib import Path

from random_programs import Data, Fault, Part, Program
from test_random_programs import {check}

with tempfile.TemporaryDirectory() as folder:
    {check}(
        {arguments},
        folder=Path(folder),
    )
"""


def explore(check, strategies, examples, number):
    """Run a property on examples of a seed; print the smallest one that fails and return whether there is one."""
    failed = []

    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
    @given(st.tuples(*strategies))
    def try_one(arguments):
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            try:
                check(*arguments, Path(folder))
            except BaseException:
                failed[:] = arguments  # the last one is the smallest
                raise

    try:
        try_one()
    except Exception as error:
        print(f"\n{type(error).__name__}: {error}")
        print(SCRIPT.format(check=check.__name__, arguments=",\n        ".join(map(repr, failed))), flush=True)
        return True
    return False


def main(minutes=MINUTES, number=SEED):
    end, left, tried = time.monotonic() + 60 * minutes, dict(PROPERTIES), dict.fromkeys(PROPERTIES, 0)
    print(f"{minutes:g} minutes from seed {number} on", flush=True)
    while left and time.monotonic() < end:
        for name, (check, strategies, examples) in list(left.items()):
            if explore(check, strategies, examples, number):
                del left[name]
            tried[name] += examples
            number += 1
            if time.monotonic() > end:
                break
    for name, examples in tried.items():
        print(f"{'ok    ' if name in left else 'FAILED'} {examples:7,} programs: {name}")
    return len(left) < len(PROPERTIES)


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3])))
