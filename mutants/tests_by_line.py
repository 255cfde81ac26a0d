"""Which tests run a line, and how long they take: what `make coverage` has noted."""

import ast
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import coverage


@dataclass(frozen=True)
class Test:
    """A test's name as pytest takes it, and the seconds that it took."""

    name: str
    seconds: float


class TestsByLine:
    """The tests that passed, by the lines that they ran.

    Args:
        package: The folder of the package, as it was when its coverage was measured.
        data: Coverage's file, with a context for each test.
        report: What pytest wrote with `--junitxml`.
    """

    def __init__(self, package: Path, data: Path, report: Path) -> None:
        self._package, self._seconds = package, dict(_passed(report))
        self._data = coverage.CoverageData(str(data))
        self._data.read()

    def running(self, path: Path, line: int) -> list[Test]:
        """Return the tests that run the statement of a line, the fastest first.

        A statement that runs when its module is imported belongs to no test: all that run anything of it do then.
        """
        contexts = self._data.contexts_by_lineno(str(self._package / path))
        lines, is_in_function = _statement(self._package / path, line)
        found = self._tests(context for at in lines for context in contexts.get(at, ()))
        if not is_in_function:
            found = found or self._tests(context for names in contexts.values() for context in names)
        return sorted(found, key=lambda test: (test.seconds, test.name))

    def is_run(self, path: Path, line: int) -> bool:
        """Return whether anything runs the statement of a line; what tests start isn't known by their names."""
        contexts = self._data.contexts_by_lineno(str(self._package / path))
        return any(at in contexts for at in _statement(self._package / path, line)[0])

    def _tests(self, contexts) -> set[Test]:
        names = {context.rpartition("|")[0] for context in contexts if context.endswith("|run")}
        return {Test(name, self._seconds[name]) for name in names if name in self._seconds}


def _passed(report: Path):
    """Yield the name of each test that passed, and its seconds."""
    for case in ElementTree.parse(report).iter("testcase"):
        if not len(case) or {child.tag for child in case} <= {"properties", "system-out", "system-err"}:
            yield f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}", float(case.get("time", 0))


def _statement(file: Path, line: int) -> tuple[range, bool]:
    """Return the lines of the statement, or of the head of a compound one, of a line; and whether a function has it."""
    lines, is_in_function = range(line, line + 1), False
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):  # outer statements come before inner ones
        if isinstance(node, (ast.stmt, ast.ExceptHandler)):
            body: list[ast.stmt] = getattr(node, "body", [])
            last = body[0].lineno - 1 if body and body[0].lineno > node.lineno else node.end_lineno or line
            if node.lineno <= line <= last:
                lines = range(node.lineno, last + 1)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and last < line <= (node.end_lineno or 0):
                is_in_function = True
    return lines, is_in_function
