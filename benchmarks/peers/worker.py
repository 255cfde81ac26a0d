"""A contestant's own process: it trains what it is told to, line by line, and answers in lines of JSON.

Its first epoch it trains unasked. Idle contestants wait for a line and take no processor time.
"""

import itertools
import json
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.fits import Contestant, check
from benchmarks.peers.tasks import TASKS, load

UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system tells how large a process was."""


def main() -> None:
    settings, task_name, folder = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print isn't an answer
    contestant, task = Contestant(**json.loads(settings)), TASKS[task_name]
    fit = contestant.load()(task, load(Path(folder)))

    def train(variant, epochs):
        saves = Path(tempfile.mkdtemp(prefix="saves-", dir=folder))
        try:
            record = fit(epochs, variant, saves)
            check(contestant, task, variant, epochs, record, saves)
        finally:
            shutil.rmtree(saves, ignore_errors=True)
        seconds = [after - before for before, after in itertools.pairwise(record.ends)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / 1e6
        return {"seconds": seconds, "losses": record.losses, "peak MB": peak}

    def answer(variant, epochs):
        print(json.dumps(train(variant, epochs)), file=answers, flush=True)

    answer("plain", 1)
    for line in sys.stdin:
        answer(*json.loads(line))


if __name__ == "__main__":
    main()
