"""What became of mutants, kept between runs."""

import hashlib
import json
from pathlib import Path

from mutants.mutations import Mutant


class Results:
    """Outcomes by mutant: those of an interrupted run needn't be tried again.

    A mutant's name has all of its file in it. One that no test killed is tried again when any test has changed.
    """

    def __init__(self, file: Path, tests: Path) -> None:
        self._file = file
        texts = sorted(path.read_bytes() for path in tests.rglob("*.py"))
        self._tests = hashlib.sha256(b"\n".join(texts)).hexdigest()[:16]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        known = map(json.loads, file.read_text("utf-8").splitlines())
        self._known = {k["mutant"]: k["outcome"] for k in known if k["tests"] in (self._tests, None)}

    def get(self, mutant: Mutant) -> str | None:
        """Return what became of a mutant, or None if it must be tried."""
        return self._known.get(mutant.key)

    def add(self, mutant: Mutant, outcome: str) -> None:
        """Note what became of it."""
        tests = None if outcome in ("killed", "timed out") else self._tests
        line = {"mutant": mutant.key, "file": mutant.path.as_posix(), "line": mutant.line, "new": mutant.new}
        with self._file.open("a", encoding="utf-8") as file:
            print(json.dumps(line | {"outcome": outcome, "tests": tests}), file=file)
