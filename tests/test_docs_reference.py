"""The reference lists every public class and function, once."""

import importlib
import importlib.util
import inspect
import re
from collections import Counter

import pytest
from documents import ROOT

import epochal

API = "\n".join(page.read_text() for page in sorted((ROOT / "docs" / "api").glob("*.md")))
LISTED = Counter(re.findall(r"^::: ([\w.]+)$", API, re.MULTILINE))

MODULES = [
    "epochal",
    *(f"epochal.{name}" for name in epochal.__all__ if inspect.ismodule(getattr(epochal, name)) and name != "backend"),
    *("epochal.optimizers.schedules", "epochal.preprocessing.sequence", "epochal.preprocessing.text"),
    "epochal.training",
]


def thing(path):
    """Return what a dotted path leads to."""
    owner, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(owner), name)
    except ModuleNotFoundError:
        return getattr(thing(owner), name)


THINGS = {path: thing(path) for path in LISTED if not path.startswith("epochal.keras.")}


def public_things(module):
    """Return a module's public classes and functions: those of its `__all__`, or those that are made in it."""
    names = getattr(module, "__all__", None) or [
        name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
    ]
    found = {name: getattr(module, name) for name in names if name[0] != "_"}
    return {name: value for name, value in found.items() if inspect.isclass(value) or inspect.isroutine(value)}


@pytest.mark.parametrize("name", MODULES)
def test_every_public_class_and_function_is_listed_or_named_as_another_name(name):
    missing = [
        f"{name}.{public}"
        for public, value in public_things(importlib.import_module(name)).items()
        if not LISTED[f"{name}.{public}"]
        and not (any(value is listed for listed in THINGS.values()) and re.search(rf"`[\w.]*\b{public}`", API))
    ]
    assert missing == []


def test_all_of_the_keras_side_is_listed():
    keras_side = importlib.util.find_spec("epochal.keras").loader.get_source("epochal.keras")
    names = re.findall(r'"(\w+)"', keras_side.partition("__all__")[2])
    assert names
    assert [name for name in names if not LISTED[f"epochal.keras.{name}"]] == []


def test_nothing_is_listed_twice():
    assert [path for path, times in LISTED.items() if times > 1] == []


def test_whatever_is_listed_has_a_docstring():
    assert [path for path, value in THINGS.items() if not value.__doc__] == []


def test_the_table_of_the_backend_says_what_its_functions_say():
    from epochal import backend

    for name in backend.__all__:
        first = getattr(backend, name).__doc__.strip().partition("\n")[0]
        row = rf"^\| `{name}\(.*\| {re.escape(first)}"
        assert re.search(row, API.replace(r"\|", "|"), re.MULTILINE), name
