"""Which mutants there are, and which of them are tried: a sample that a seed decides."""

import ast
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cosmic_ray.plugins
import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator

SPANS = ["engine", "lookout", "programs", "results", "span_loop", "step_programs"]
ROOMS = {room: [f"{room}/*.py"] for room in ("core", "data", "storage", "training")}
ROOMS["spans"] = [f"engines/jax/{name}.py" for name in SPANS]


class LeaveOut(Operator):
    """Leaves out a statement of a function: a call, an assignment, what is raised, deleted or returned."""

    kinds = ("expr_stmt", "atom_expr", "raise_stmt", "del_stmt", "return_stmt", "yield_expr")

    def mutation_positions(self, node):
        if isinstance(node, parso.python.tree.PythonNode) and node.type == "simple_stmt" and _in_function(node):
            statement = node.children[0]
            if statement.type in self.kinds or statement.type == "power":
                yield (statement.start_pos, statement.end_pos)

    def mutate(self, node, index):
        node.children[0] = parso.python.tree.Keyword("pass", node.start_pos, node.get_first_leaf().prefix)
        return node

    @classmethod
    def examples(cls):
        return (Example("def f():\n    g()\n", "def f():\n    pass\n"),)


class OperatorsOfOurs(dict):
    """What cosmic-ray lacks: without it, no mutant forgets to call or to return anything."""

    def __init__(self):
        super().__init__(LeaveOut=LeaveOut)


cosmic_ray.plugins.OPERATOR_PROVIDERS["epochal"] = OperatorsOfOurs()


@dataclass(frozen=True)
class Place:
    """Where something can be mutated, and all that can be done there: operators' names and occurrences in the file."""

    room: str
    path: Path
    line: int
    ways: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Mutant:
    """One mutation of one file.

    Attributes:
        path: The file, relative to the package.
        line: Where, in the file as it is.
        old, new: The lines that the mutation changes, as they are and as they become.
        code: The whole file mutated.
    """

    room: str
    path: Path
    line: int
    old: str
    new: str
    code: str

    @property
    def key(self) -> str:
        """What names it, as long as its file stays as it is."""
        return hashlib.sha256(f"{self.path}\n{self.code}".encode()).hexdigest()[:16]


def sample(package: Path, count: int, seed: int) -> list[Mutant]:
    """Draw mutants of a package, from each room in proportion to its lines.

    First a place is drawn, then one of the mutations that are possible there: else comparisons, for which there are
    seven, would crowd out all others.
    """
    files = {room: sorted({f for g in globs for f in package.glob(g)}) for room, globs in ROOMS.items()}
    lines = {room: sum(len(f.read_text("utf-8").splitlines()) for f in found) for room, found in files.items()}
    draw, mutants = random.Random(seed), []
    for room, found in files.items():
        places = [place for file in found for place in _places(room, file, package)]
        draw.shuffle(places)
        for place in places[: round(count * lines[room] / sum(lines.values()))]:
            mutants.append(_mutant(place, package, draw))
    draw.shuffle(mutants)
    return mutants


def _places(room: str, file: Path, package: Path) -> Iterator[Place]:
    source = file.read_text("utf-8")
    annotations, found = list(_annotations(ast.parse(source))), {}
    nodes = list(ast_nodes(get_ast(source)))
    for name in cosmic_ray.plugins.operator_names():
        operator = cosmic_ray.plugins.get_operator(name)
        if operator.arguments():
            continue
        spots = (spot for node in nodes for spot in operator().mutation_positions(node))
        for occurrence, spot in enumerate(spots):
            if not any(start <= spot[0] < end for start, end in annotations):
                found.setdefault(spot, []).append((name, occurrence))
    for (start, _), ways in sorted(found.items()):
        yield Place(room, file.relative_to(package), start[0], tuple(ways))


def _annotations(tree: ast.Module) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield where annotations begin and end: what is written there has no effect on a run."""
    for node in ast.walk(tree):
        for found in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(found, ast.expr):
                yield (found.lineno, found.col_offset), (found.end_lineno or 0, found.end_col_offset or 0)


def _mutant(place: Place, package: Path, draw: random.Random) -> Mutant:
    source = (package / place.path).read_text("utf-8")
    name, occurrence = draw.choice(place.ways)
    code = mutate_code(source, cosmic_ray.plugins.get_operator(name)(), occurrence)
    old, new = _changed(source.splitlines(), code.splitlines())
    return Mutant(place.room, place.path, place.line, old, new, code)


def _changed(before: list[str], after: list[str]) -> tuple[str, str]:
    """Return the lines that differ, without those that both begin or end with."""
    same = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    before, after = before[same:], after[same:]
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    return "\n".join(line.strip() for line in before), "\n".join(line.strip() for line in after)


def _in_function(node) -> bool:
    while node := node.parent:
        if node.type == "funcdef":
            return True
    return False
