"""Measure workloads: `python -m benchmarks.peers [workload …]`, all of them without a name."""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import figures, machine
from benchmarks.peers.fits import CONTESTANTS
from benchmarks.peers.race import ROOT, Race
from benchmarks.peers.tasks import TASKS, Task

FIGURES = figures.FOLDER / "peers.json"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="workload", help=f"of {', '.join(TASKS)}; all if none is named")
    parser.add_argument("--only", help=f"contestants, with commas between, of {', '.join(CONTESTANTS)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contestant has its turn")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of a turn, of which the first doesn't count")
    parser.add_argument("--starts", type=int, help="how often each is started from nothing: 3 times in conv, once else")
    parser.add_argument(
        "--patience", type=float, default=300, help="seconds after which one is out that doesn't answer"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="tiny alone, a round of two epochs, no torch.compile, no file: does it work?",
    )
    parser.add_argument("--out", type=Path, help=f"the file of results, {FIGURES.relative_to(ROOT)} if nothing is said")
    asked = parser.parse_args()
    all_ = [name for name in CONTESTANTS if not (asked.quick and name == "torch_compile")]  # it takes half a minute
    asked.only = asked.only.split(",") if asked.only else all_
    for what, names, known in (("workload", asked.workloads, TASKS), ("contestant", asked.only, CONTESTANTS)):
        if unknown := set(names) - set(known):
            parser.error(f"no {what} named {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    if asked.rounds < 1 or asked.epochs < 2 or (asked.starts is not None and asked.starts < 1):
        parser.error("there is nothing to measure with less than one start and one round of two epochs")
    if asked.quick:
        asked.workloads, asked.rounds, asked.epochs = asked.workloads or ["tiny"], 1, 2
    elif asked.out is None:
        asked.out = FIGURES
    return asked


def warm_up(names: list[str]) -> None:
    """Import everything once, so that files are compiled and in memory: no start is the first one after a boot."""
    for module in sorted(
        {CONTESTANTS[name].module for name in names}
    ):  # one after the other: a library that can't be imported is told by its contestant
        subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, capture_output=True, check=False)


def earlier(path: Path, described: dict[str, object]) -> dict[str, Any]:
    """Return the workloads that a file has from this very machine, with these versions."""
    results = json.loads(path.read_text()) if path.exists() else {}
    if results and results["machine"] != described:
        print(f"{path} is of another machine or other versions: it is begun anew", flush=True)
        return {}
    return results.get("workloads", {})


def race(task: Task, asked: argparse.Namespace, say: Any) -> dict[str, Any]:
    """Measure one workload; return what the file of results has of it."""
    began = machine.moment()
    starts = asked.starts or (1 if asked.quick else task.starts)
    contestants = {name: CONTESTANTS[name] for name in asked.only}
    scores = Race(task, contestants, asked.rounds, asked.epochs, starts, asked.patience, say).run()
    return {
        "title": task.title,
        "steps": task.steps,
        "rounds": asked.rounds,
        "epochs": asked.epochs - 1,
        "began": began,
        "ended": machine.moment(),
        "contestants": {name: {"title": CONTESTANTS[name].title} | asdict(score) for name, score in scores.items()},
    }


def main() -> None:
    asked, started = arguments(), time.perf_counter()
    libraries = itertools.chain.from_iterable(contestant.libraries for contestant in CONTESTANTS.values())
    command = " ".join(["python -m benchmarks.peers", *sys.argv[1:]]) if sys.argv[1:] else "make bench-peers"
    results: dict[str, Any] = {"command": command, "machine": machine.description([*libraries, "numpy"])}
    results["workloads"] = earlier(asked.out, results["machine"]) if asked.out else {}
    names = asked.workloads or list(TASKS)

    def say(line: str) -> None:
        print(f"{time.perf_counter() - started:5.0f} s  {line}", flush=True)

    say(f"importing the libraries of {len(asked.only)} contestants; load average {machine.moment()['load']}")
    warm_up(asked.only)
    failed: dict[str, str] = {}
    for number, name in enumerate(names, 1):
        say(f"workload {number} of {len(names)}: {TASKS[name].title}")
        measured = results["workloads"][name] = race(TASKS[name], asked, say)
        failed |= {f"{name}, {who}": s["error"] for who, s in measured["contestants"].items() if s["error"]}
        if asked.out:
            figures.write(asked.out, results)
    if asked.out == FIGURES:
        figures.main()
    say(f"done{f', written to {asked.out}' if asked.out else ''}")
    if failed:
        sys.exit("Out were:\n" + "\n".join(f"  {who}: {why}" for who, why in failed.items()))


if __name__ == "__main__":
    main()
