"""The pages of callbacks agree with the callbacks: arguments, defaults, and what is said when something is wrong."""

import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from documents import ROOT

import epochal.callbacks
from epochal.layers import Dense
from epochal.models import Sequential

FOLDER = ROOT / "docs" / "callbacks"
SECTIONS = [
    "Example",
    "Arguments",
    "What it does",
    "What it costs",
    "In a saved run",
    "What goes wrong",
    "Other than in Keras",
]


class Loader(yaml.SafeLoader):
    """Reads the site's settings, tags of its own included."""


Loader.add_multi_constructor("", lambda loader, tag, node: None)
NAV = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]
LISTED = next(entry["Callbacks"] for entry in NAV if "Callbacks" in entry)
PAGES = {  # the class of each page; of two the last one, which has arguments
    title.split()[-1]: ROOT / "docs" / path
    for entry in LISTED
    if isinstance(entry, dict)
    for title, path in entry.items()
    if not path.endswith("your_own.md")
}


def section(name, title):
    """Return the text below a heading of the page of a callback."""
    return re.split(r"^## ", PAGES[name].read_text().partition(f"\n## {title}\n")[2], flags=re.MULTILINE)[0]


def rows(text):
    """Return the cells of a table's rows, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r" \| ", line.strip("| "))] for line in lines[2:]]


def test_every_callback_has_a_page_and_a_row_in_the_table():
    table = (FOLDER / "index.md").read_text()
    for name in set(epochal.callbacks.__all__) - {"Callback", "Every", "WhenNotFinite", "BaseLogger"}:
        assert PAGES[name].exists(), name
        assert f"]({PAGES[name].name})" in table, name


@pytest.mark.parametrize("name", PAGES)
def test_pages_have_the_same_sections(name):
    assert re.findall(r"^## (.+)$", PAGES[name].read_text(), re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("name", PAGES)
def test_arguments_and_defaults_are_those_of_the_signature(name):
    told = [[cell.strip("`") for cell in row[:2]] for row in rows(section(name, "Arguments"))]
    signature = inspect.signature(getattr(epochal.callbacks, name)).parameters.values()
    assert [argument for argument, _ in told] == [str(p).partition(":")[0].partition("=")[0].strip() for p in signature]
    for (argument, default), parameter in zip(told, signature, strict=True):
        if parameter.kind is parameter.VAR_KEYWORD:
            assert default == "none", argument
        elif parameter.default is parameter.empty:
            assert default == "required", argument
        else:
            assert eval(default, vars(epochal.callbacks)) == parameter.default, argument


def said(code, names):
    """Return all that a line says: its warnings, then its error."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            exec(code, names)
            error = []
        except Exception as raised:
            error = [f"{type(raised).__name__}: {raised}"]
    return " ".join([*(f"{w.category.__name__}: {w.message}" for w in warned), *error])


@pytest.fixture(scope="module")
def example():
    """Return what the lines of the pages are about: a model, data, a history, and the classes that pages import."""
    x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    model = Sequential([Dense(32, activation="relu", input_dim=8), Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, verbose=0)
    return {**vars(epochal.callbacks), "Sequential": Sequential, "Dense": Dense} | {
        "x": x, "y": y, "model": model, "history": history, "Path": Path,
    }  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_what_goes_wrong_says_what_the_page_tells(name, example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, text = dict(example), section(name, "What goes wrong")
    for code in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        exec(code, names)
    wrong = rows(text)
    assert wrong
    for code, words in wrong:
        told = [part for quoted in re.findall(r"`(.+?)`(?= |$)", words) for part in quoted.split("…")]
        heard = said(code.strip("`"), names)
        for part in filter(None, map(str.strip, told)):
            assert part in heard, f"{code}: the page says {part!r}, said is {heard!r}"
