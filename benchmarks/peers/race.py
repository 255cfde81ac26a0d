"""One workload's race: every contestant in a process of its own, which alternate, so that noise is noise for all.

Who fails, or trains to another loss than the rest, is out and is named with the reason; the others go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers import tasks
from benchmarks.peers.fits import VARIANTS, Contestant
from benchmarks.peers.tasks import Task

ROOT = Path(__file__).parent.parent.parent

TOLERANCE, TOLERANCE_OF_FIRST = 0.15, 0.05
"""How far a loss may be off, as a share of the contestants' median or, where that is small, of the median of the first
epoch: all draw weights and batches of their own."""


class Failed(Exception):
    """Why a contestant is out."""


@dataclass
class Score:
    """What was measured of a contestant, every sample of it."""

    starts: list[float] = field(default_factory=list)
    """Seconds from the start of the process to the end of its first epoch."""

    peak: float | None = None
    """The process's most resident memory in MB, after the first fits without callbacks."""

    losses: list[float] = field(default_factory=list)
    """The mean losses of the first epochs, without callbacks."""

    steps: dict[str, list[float]] = field(default_factory=dict)
    """By variant: microseconds of an epoch, divided by its training steps."""

    error: str | None = None


class Worker:
    """A contestant's process."""

    def __init__(self, contestant: Contestant, task: Task, folder: Path, patience: float) -> None:
        unset = {"PYTHONDONTWRITEBYTECODE", "JAX_COMPILATION_CACHE_DIR"}
        own = {"TORCHINDUCTOR_CACHE_DIR": tempfile.mkdtemp(prefix="inductor-", dir=folder)}
        command = [
            sys.executable,
            "-m",
            "benchmarks.peers.worker",
            json.dumps(asdict(contestant)),
            task.name,
            str(folder),
        ]
        self.patience = patience
        self.complaints = tempfile.TemporaryFile("w+", dir=folder)  # noqa: SIM115
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in unset} | own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            text=True,
        )

    def answer(self) -> dict[str, Any]:
        """Wait for an answer; raise Failed if none comes."""
        if not select.select([self.process.stdout], [], [], self.patience)[0]:
            raise Failed(f"no answer within {self.patience:g} s")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.complaints.seek(0)
            said = self.complaints.read().strip().splitlines() or [f"exit status {self.process.returncode}"]
            raise Failed(next((line for line in reversed(said) if "Error" in line), said[-1])[:300])
        return json.loads(line)

    def ask(self, variant: str, epochs: int) -> dict[str, Any]:
        """Have some epochs trained."""
        with contextlib.suppress(BrokenPipeError):  # the missing answer tells why
            print(json.dumps([variant, epochs]), file=self.process.stdin, flush=True)
        return self.answer()

    def close(self) -> None:
        """End the process, if it hasn't been ended yet."""
        if not self.complaints.closed:
            self.process.kill()
            self.process.communicate()
            self.complaints.close()


@dataclass
class Race:
    """A workload, its contestants, and how long they are measured."""

    task: Task
    contestants: Mapping[str, Contestant]
    rounds: int
    epochs: int
    """Epochs of each fit; the first one, in which things are compiled, doesn't count."""

    starts: int
    patience: float
    """Seconds to wait for an answer."""

    say: Callable[[str], None] = print

    def run(self) -> dict[str, Score]:
        """Measure everything."""
        self.scores = {name: Score() for name in self.contestants}
        with tempfile.TemporaryDirectory(prefix="peers-") as folder, ExitStack() as stack:
            tasks.save(self.task, Path(folder))
            for turn in range(self.starts):
                stays = turn == self.starts - 1
                workers = {name: self.start(name, Path(folder), stack, stays) for name in self.running()}
            for turn in range(self.rounds):
                for variant in VARIANTS:
                    for name in self.running():
                        self.measure(name, workers[name], variant)
                    self.tell(f"round {turn + 1} of {self.rounds}, {VARIANTS[variant]}", variant)
        for name, why in off({name: self.scores[name].losses for name in self.running()}).items():
            self.out(name, why)
        return self.scores

    def running(self) -> list[str]:
        """Return who isn't out."""
        return [name for name, score in self.scores.items() if score.error is None]

    def out(self, name: str, why: str) -> None:
        """Note and tell why a contestant is out."""
        self.scores[name].error = why
        self.say(f"{self.task.name}: {self.contestants[name].title} IS OUT: {why}")

    def start(self, name: str, folder: Path, stack: ExitStack, stays: bool) -> Worker:
        """Start a contestant, wait for its first epoch, and end it if it doesn't stay for the rounds."""
        worker = Worker(self.contestants[name], self.task, folder, self.patience)
        stack.callback(worker.close)
        try:
            losses = worker.answer()["losses"]
        except Failed as failure:
            self.out(name, str(failure))
            worker.close()
        else:
            seconds = time.perf_counter() - worker.started
            self.scores[name].starts.append(seconds)
            self.scores[name].losses = losses
            self.say(f"{self.task.name}: {self.contestants[name].title}: first epoch after {seconds:.1f} s")
        if not stays:
            worker.close()
        return worker

    def measure(self, name: str, worker: Worker, variant: str) -> None:
        """Have a contestant train in a variant, once."""
        try:
            answer = worker.ask(variant, self.epochs)
        except Failed as failure:
            self.out(name, f"{failure} ({VARIANTS[variant]})")
            worker.close()  # one that doesn't answer may be busy
            return
        score = self.scores[name]
        score.steps.setdefault(variant, []).extend(s / self.task.steps * 1e6 for s in answer["seconds"])
        if score.peak is None:  # the first fit of all is a plain one
            score.peak = answer["peak MB"]
            score.losses += answer["losses"]

    def tell(self, what: str, variant: str) -> None:
        """Print the medians so far."""
        medians = {name: statistics.median(self.scores[name].steps[variant]) for name in self.running()}
        listed = ", ".join(f"{name} {median:.1f}" for name, median in medians.items())
        self.say(f"{self.task.name}: {what}: {listed} us/step")


def off(losses: Mapping[str, list[float]]) -> dict[str, str]:
    """Return who has trained to another loss than the others in the last epoch, and how far off it is.

    The first epoch says little: all draw weights of their own, and in small networks they decide most of it.
    """
    if not losses:
        return {}
    first, last = (statistics.median(series[epoch] for series in losses.values()) for epoch in (0, -1))
    allowed = max(TOLERANCE * abs(last), TOLERANCE_OF_FIRST * abs(first))
    return {
        name: f"its loss of epoch {len(series)} is {series[-1]:.4g}, the median {last:.4g}"
        for name, series in losses.items()
        if abs(series[-1] - last) > allowed
    }
