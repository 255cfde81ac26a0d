"""Runs random programs with new seeds, as long as asked: `explore.py [MINUTES [SEED]]`.

What fails is printed as a script that does it again. Exits with 1 then. Programs on the NumPy engine take milliseconds;
of those on JAX, and of those that are killed in processes of their own, there are a few in each round.
"""

import io
import os
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from test_random_programs import properties

MINUTES, SEED = 10, int(time.time())
FAST = 300
"""A property of which a round has so many examples is fast enough for a failing program to be made smaller."""

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
    """Run a property on examples of a seed; print one that fails, the smallest if they are fast, and return whether there is one."""
    failed, phases = [], (Phase.generate, Phase.shrink)[: 1 + (examples >= FAST)]

    @seed(number)
    @settings(
        max_examples=examples, phases=phases, deadline=None, database=None, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip
    @given(st.tuples(*strategies))
    def try_one(arguments):
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            try:
                check(*arguments, Path(folder))
            except BaseException:
                failed[:] = arguments
                raise

    try:
        try_one()
    except Exception as error:
        print(f"\n{type(error).__name__}: {error}")
        print(SCRIPT.format(check=check.__name__, arguments=",\n        ".join(map(repr, failed))), flush=True)
        return True
    return False


def main(minutes=MINUTES, number=SEED):
    """Try all properties in turn, until the time is over or all have failed; return whether any has."""
    end, left = time.monotonic() + 60 * minutes, list(properties())
    tried = {name: 0 for name, *_ in left}
    failed = set()
    print(f"{minutes:g} minutes, from seed {number} on", flush=True)
    while time.monotonic() < end and len(failed) < len(left):
        for name, check, strategies, examples in left:
            if name not in failed and time.monotonic() < end:
                tried[name] += examples
                failed |= {name} if explore(check, strategies, examples, number) else set()
                number += 1
    for name, examples in tried.items():
        print(f"{'FAILED' if name in failed else 'ok    '} {examples:7,} programs at most: {name}")
    return bool(failed)


if __name__ == "__main__":
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # steps are few, programs many
    sys.exit(main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3])))
