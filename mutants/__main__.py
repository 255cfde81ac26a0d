"""Try mutants: `python -m mutants --count 200 --seed 1`; see CONTRIBUTING.md."""

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

from mutants.accepted import Accepted
from mutants.mutations import ROOMS, Mutant, sample
from mutants.results import Results
from mutants.tests_by_line import TestsByLine
from mutants.trial import Trials, load_libraries

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "mutants"
COVERAGE = ROOT / "build" / "coverage"
MADE = ("build", "dist", "runs", "screenshots", "node_modules", "__pycache__", ".git", ".venv*", "tmp*")
OUTCOMES = ("killed", "timed out", "survived", "accepted", "elsewhere", "no test")


def main() -> None:
    """Try the sample that the command line asks for; end with status 1 if any survives that nobody has accepted."""
    asked = argparse.ArgumentParser(prog="python -m mutants")
    asked.add_argument("--count", type=int, default=200, help="how many mutants")
    asked.add_argument("--seed", type=int, default=1, help="which ones")
    options = asked.parse_args()

    package = ROOT / "src" / "epochal"
    accepted = Accepted(ROOT / "mutants" / "accepted.toml", package)
    mutants = sample(package, options.count, options.seed)
    by_line = TestsByLine(package, COVERAGE / "data", COVERAGE / "tests.xml")
    tests = {m.key: by_line.running(m.path, m.line) for m in mutants}
    results = Results(BUILD / "results.jsonl", ROOT / "tests")
    load_libraries(_copy(), BUILD / "compiled")
    trials = Trials(BUILD / "tree", BUILD / "output.txt")

    trials.check(tests[m.key] for m in mutants if results.get(m) is None)
    outcomes: dict[Mutant, str] = {}
    for number, mutant in enumerate(mutants, 1):
        outcome = "accepted" if accepted.has(mutant) else results.get(mutant)
        if outcome is None and tests[mutant.key]:
            outcome = trials.outcome(mutant, tests[mutant.key])
            results.add(mutant, outcome)
        elif outcome is None:  # "elsewhere": in processes that tests start, and nobody knows which test
            outcome = "elsewhere" if by_line.is_run(mutant.path, mutant.line) else "no test"
        outcomes[mutant] = outcome
        if outcome in ("survived", "no test"):
            _show(mutant, outcome)
        print(f"{number} of {len(mutants)}: {outcome}", file=sys.stderr, flush=True)
    _sum_up(outcomes)
    sys.exit(any(outcome in ("survived", "no test") for outcome in outcomes.values()))


def _copy() -> Path:
    """Return a copy of the project, in which mutants can be written; files keep their times, and compiled ones stay."""
    shutil.copytree(ROOT, BUILD / "tree", ignore=shutil.ignore_patterns(*MADE), dirs_exist_ok=True)
    return BUILD / "tree"


def _show(mutant: Mutant, outcome: str) -> None:
    lines = [f"- {line}" for line in mutant.old.splitlines()] + [f"+ {line}" for line in mutant.new.splitlines()]
    print(f"{outcome}: src/epochal/{mutant.path}:{mutant.line}", *lines, sep="\n    ", flush=True)


def _sum_up(outcomes: dict[Mutant, str]) -> None:
    print(f"{'':10}{'mutants':>10}", *(f"{outcome:>10}" for outcome in OUTCOMES))
    for room in (*ROOMS, "all"):
        counts = Counter(outcome for mutant, outcome in outcomes.items() if room in (mutant.room, "all"))
        print(f"{room:10}{counts.total():10}", *(f"{counts[outcome]:10}" for outcome in OUTCOMES))


main()
