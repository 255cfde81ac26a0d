"""Imports point downward only, and importing the package loads no engine."""

import ast
import importlib
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import epochal

ROOT = Path(epochal.__file__).parent
MODULES = {path: path.relative_to(ROOT).with_suffix("").parts for path in ROOT.rglob("*.py")}

# What each part of the package may import, besides itself.
BASE = {"messages", "storage", "data", "core"}
MAY_IMPORT = {
    "messages": set(),
    "storage": {"messages"},
    "data": {"messages"},
    "core": {"messages", "storage", "data"},
    "screens": {"messages"},
    # Of these the last three are tools of one of them each
    "callbacks": {"messages", "storage", "core", "wire", "screens", "tensorboard", "remote"},
    "remote": {"wire", "core"},  # of core only how a step's seconds are reckoned
    "monitor": {"wire", "core"},  # of core only which way a value of a name is better
    "wire": set(),
    "tensorboard": {"messages", "storage", "core"},
    "training": {*BASE, "callbacks"},
    "engines": BASE,
    "activations": {"messages", "registry"},
    "initializers": {"messages", "registry"},
    "regularizers": {"messages", "registry"},
    "constraints": {"messages", "registry"},
    "losses": {*BASE, "registry"},
    "metrics": {*BASE, "registry", "losses"},
    "optimizers": {*BASE, "registry"},
    "registry": {"messages"},
    "per_output": set(),
    "layers": {*BASE, "activations", "initializers", "regularizers", "constraints"},
    "backend": {"messages", "layers"},
    "utils": {"messages", "data", "screens"},
    "preprocessing": {"messages", "data", "utils"},
    "saving": {*BASE, "initializers", "activations", "regularizers", "constraints", "layers", "losses", "metrics",
               "optimizers", "per_output"},
    "distribution": BASE,
    "models": {*BASE, "callbacks", "distribution", "engines", "training", "saving", "activations", "initializers",
               "layers", "losses", "metrics", "optimizers", "per_output", "screens"},
    "keras": {*BASE, "distribution", "engines", "training"},
    **{room: {"messages"} for room in ("applications", "datasets", "ops", "random")},
    "cli": {*BASE, "callbacks", "engines", "saving", "tensorboard", "monitor", "models"},
}  # fmt: skip


def imports(path, nodes=ast.walk):
    """Yield the modules of the package that a file imports, as parts of their names."""
    package = MODULES[path] if path.name == "__init__.py" else MODULES[path][:-1]
    package = tuple(part for part in package if part != "__init__")
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = (*base, *(node.module or "").split(".")) if node.module else base
            for name in node.names:
                target = ROOT.joinpath(*module, name.name)
                yield (*module, name.name) if target.is_dir() or target.with_suffix(".py").exists() else module
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "epochal":
            yield tuple(node.module.split(".")[1:])
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == "epochal":
                    yield tuple(name.name.split(".")[1:])


def executed(node):
    """Yield the nodes that run when a module is imported: none in functions, none that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from executed(child)


PARTS = [path for path in MODULES if len(MODULES[path]) > 1 or MODULES[path][0] != "__init__"]


@pytest.mark.parametrize("path", PARTS, ids=lambda path: "/".join(MODULES[path]))
def test_imports_point_downward(path):
    home = MODULES[path][0]
    found = {parts[0] for parts in imports(path) if parts}
    assert found - {home} <= MAY_IMPORT[home]


def test_no_module_imports_itself_by_way_of_others():
    modules = {parts[:-1] if parts[-1] == "__init__" else parts: path for path, parts in MODULES.items()}
    graph = {name: {found for found in imports(path, executed) if found in modules} for name, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(".".join(("epochal", *name)) for name in error.args[1][::-1]))


def test_no_callback_imports_another():
    callbacks = [path for path in MODULES if MODULES[path][0] == "callbacks" and path.name != "__init__.py"]
    assert len(callbacks) >= 8
    for path in callbacks:
        siblings = [parts for parts in imports(path) if parts[:1] == ("callbacks",)]
        assert siblings == [], path.name


@pytest.mark.parametrize("room", ["messages", "storage", "data", "core", "training"])
def test_these_rooms_know_numpy_and_the_standard_library_only(room):
    allowed = {*sys.stdlib_module_names, "numpy"}
    for path in (path for path in MODULES if MODULES[path][0] == room):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            assert {name.split(".")[0] for name in names} <= allowed, path.name


@pytest.mark.parametrize("module", ["epochal", "epochal.callbacks", "epochal.preprocessing"])
def test_importing_loads_no_engine_and_no_optional_library(module):
    heavy = {"jax", "flax", "optax", "h5py", "requests", "tensorboard", "starlette", "uvicorn", "sklearn"}
    heavy |= {"plotly", "matplotlib"}
    code = f"import sys, {module}; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_the_public_names_are_there_and_no_others():
    for name in epochal.__all__:
        assert getattr(epochal, name) is not None
    assert dir(epochal) == sorted(epochal.__all__)
    with pytest.raises(AttributeError, match="module 'epochal' has no attribute 'sequential'"):
        epochal.sequential


MISSING = [
    (
        "layers",
        "ConvLSTM2D",
        "It is Keras's and isn't here: Keras's own can be used in Keras's models: from epochal.keras",
    ),
    ("layers", "Densee", "has no attribute 'Densee'. Did you mean 'Dense'\\?$"),
    ("losses", "Dice", "It is Keras's and isn't here"),
    ("callbacks", "OrbaxCheckpoint", "It is Keras's and isn't here"),
    ("utils", "get_file", "urllib.request.urlretrieve gets files"),
    ("optimizers", "Adem", "has no attribute 'Adem'. Did you mean 'Adam'?"),
    ("models", "model_from_yaml", "It is Keras's and isn't here: model_from_json is here"),
    ("datasets", "mnist", "fit takes arrays from anywhere, those of keras.datasets too"),
    ("applications", "VGG16", "from epochal.keras import Model"),
    ("random", "normal", "jax.random has such functions"),
    ("ops", "matmul", "jax.numpy, jax.nn and jax.lax have such functions"),
    ("preprocessing.image", "ImageDataGenerator", "fit takes batches that Keras's own yields"),
    ("", "mixed_precision", "It is Keras's and isn't here"),
    ("", "Sequental", "Did you mean 'Sequential'?"),
]


@pytest.mark.parametrize(("room", "name", "message"), MISSING)
def test_a_name_that_is_not_here_says_so_in_a_line(room, name, message):
    where = f"epochal.{room}".rstrip(".")
    with pytest.raises(AttributeError, match=message) as missing:
        getattr(importlib.import_module(where), name)
    with pytest.raises(ImportError, match=message) as not_imported:
        exec(f"from {where} import {name}", {})
    assert str(missing.value) == str(not_imported.value)
    assert "\n" not in str(missing.value)


def test_the_lines_of_the_reference_read_as_they_stand():
    import epochal as keras

    assert keras.callbacks.Callback is epochal.callbacks.Callback
    assert keras.Sequential is keras.models.Sequential
    assert keras.set_random_seed is epochal.set_random_seed


def test_every_public_callback_is_a_callback_with_a_sentence():
    helpers = {"CallbackList", "Every", "WhenNotFinite"}
    for name in set(epochal.callbacks.__all__) - helpers:
        callback = getattr(epochal.callbacks, name)
        assert issubclass(callback, epochal.callbacks.Callback)
        assert callback.__doc__.strip().splitlines()[0].endswith((".", ":"))
