"""The rules of the house: short files, short functions, real types, docstrings that read alone, examples that run."""

import ast
import importlib
import re
from pathlib import Path

import epochal

SOURCE = Path(epochal.__file__).parent
TESTS = Path(__file__).parent
FILES = {path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")}

MOST_ANY = 20  # per 1,000 lines

OBSCURE = re.compile(r"what it is that|those of|\b(say whether|take up|do the same)\b", re.IGNORECASE)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def assert_none(breaches):
    assert not breaches, "\n".join(f"{where}: {what}" for where, what in breaches.items())


def documented():
    """Yield the file, the name and the node of each module, class and function."""
    for file, text in FILES.items():
        tree = ast.parse(text)
        yield file, "module", tree
        for node in ast.walk(tree):
            if isinstance(node, (*FUNCTION, ast.ClassDef)):
                yield file, node.name, node


def length(function):
    """Return how many lines a function has without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function):
        lines -= function.body[0].end_lineno - function.body[0].lineno + 1
    return lines


def public_classes():
    """Return the names by which a user may import each class."""
    found = {}
    for name, text in FILES.items():
        if name.endswith("__init__.py") and "__all__" in text:
            module = importlib.import_module(".".join(("epochal", *Path(name).parts[:-1])))
            for public in module.__all__:
                if isinstance(value := getattr(module, public), type):
                    found.setdefault(value, []).append(f"{module.__name__}.{public}")
    return found


def test_no_file_of_the_package_is_over_350_lines():
    long = {name: lines for name, text in FILES.items() if (lines := len(text.splitlines())) > 350}
    assert_none(long)


def test_no_file_of_the_tests_is_over_400_lines():
    long = {path.name: n for path in TESTS.glob("*.py") if (n := len(path.read_text("utf-8").splitlines())) > 400}
    assert_none(long)


def test_no_function_is_over_40_lines():
    functions = [(file, name, node) for file, name, node in documented() if isinstance(node, FUNCTION)]
    long = {f"{file}: {name}": length(node) for file, name, node in functions if length(node) > 40}
    assert_none(long)


def test_any_is_rare():
    lines = sum(len(text.splitlines()) for text in FILES.values())
    found = {name: len(re.findall(r"\bAny\b", text)) for name, text in FILES.items()}
    most = sorted(found.items(), key=lambda item: -item[1])[:10]
    assert 1000 * sum(found.values()) / lines <= MOST_ANY, most


def test_the_first_line_of_a_docstring_can_be_read_alone():
    first = {f"{file}: {name}": (ast.get_docstring(node) or "").partition("\n")[0] for file, name, node in documented()}
    obscure = {place: line for place, line in first.items() if OBSCURE.search(line)}
    assert_none(obscure)


def test_every_public_class_has_an_example():
    classes = public_classes().items()
    bare = {found.__qualname__: names for found, names in classes if ">>>" not in (vars(found).get("__doc__") or "")}
    assert_none(bare)
