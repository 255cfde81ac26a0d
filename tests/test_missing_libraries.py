"""A library that isn't there, or is broken, is named with the command that installs it."""

import subprocess
import sys

import pytest

from epochal.messages.extras import EXTRAS, needed_by

USES = {
    "models": ("from epochal.models import Sequential", "jax", "epochal.models needs {}", "epochal[jax]"),
    "layers": ("from epochal.layers import Dense", "flax", "epochal.layers needs {}", "epochal[jax]"),
    "losses": ("import epochal.losses", "optax", "epochal.losses needs {}", "epochal[jax]"),
    "Keras's name": ("import epochal as keras; keras.Sequential()", "jax", "epochal.models needs {}", "epochal[jax]"),
    "files": ("from epochal.models import load_model", "h5py", "epochal.models needs {}", "epochal"),
    "posts": (
        "from epochal.callbacks import *; RemoteMonitor()",
        "requests",
        "RemoteMonitor needs {}",
        "epochal[remote]",
    ),
    "board": (
        "from epochal.callbacks import *; TensorBoard()",
        "tensorboard",
        "TensorBoard needs {}",
        "epochal[tensorboard]",
    ),
}


def last_line(code):
    """Return the last line that a script ends with."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.returncode, done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("use", USES)
def test_what_is_missing_is_named_with_what_to_install(use):
    line, library, what, install = USES[use]
    status, said = last_line(f"import sys; sys.modules[{library!r}] = None\n{line}")
    quoted = f'"{install}"' if "[" in install else install
    assert (status, said) == (1, f"ImportError: {what.format(library)}: pip install {quoted}")


def test_the_monitor_names_what_it_lacks(tmp_path):
    for library in ("starlette", "uvicorn"):
        code = f"import sys; sys.modules[{library!r}] = None; from epochal.cli import main; sys.exit(main(['monitor', '--db', {str(tmp_path / 'x.db')!r}, '--port', '0']))"
        assert last_line(code) == (1, f'epochal monitor needs {library}: pip install "epochal[monitor]"')


def test_callbacks_alone_need_no_engine():
    code = "import sys\nfor name in ('jax', 'flax', 'optax', 'h5py', 'requests', 'tensorboard'): sys.modules[name] = None\n"
    done = subprocess.run([sys.executable, "-c", f"{code}import epochal.callbacks"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def broken(tmp_path, monkeypatch, name, content):
    """Put a library in the way that can't be imported."""
    (tmp_path / f"{name}.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)


def test_what_is_there_but_broken_is_told_as_that(tmp_path, monkeypatch):
    broken(tmp_path, monkeypatch, "requests", "raise ImportError('libssl.so.3: cannot open shared object file')")
    with pytest.raises(ImportError) as caught, needed_by("RemoteMonitor"):
        import requests  # noqa: F401
    assert str(caught.value) == (
        "RemoteMonitor needs requests, which is there but can't be imported (libssl.so.3: cannot open shared object "
        "file): pip install --force-reinstall requests"
    )


def test_what_a_library_lacks_itself_is_told_with_the_library(tmp_path, monkeypatch):
    broken(tmp_path, monkeypatch, "requests", "import no_such_module_of_requests")
    with (
        pytest.raises(ImportError, match=r"needs requests, which is there but .*\(No module named 'no_such"),
        needed_by("RemoteMonitor"),
    ):
        import requests  # noqa: F401


def test_other_imports_that_fail_are_left_as_they_are():
    with pytest.raises(ModuleNotFoundError, match="^No module named 'somebodys_own'$"), needed_by("epochal.models"):
        import somebodys_own  # noqa: F401


def test_every_extra_is_one_that_the_package_declares():
    from importlib.metadata import requires

    declared = "\n".join(requires("epochal") or [])
    for extra, libraries in EXTRAS.items():
        for library in set(libraries) - {"jaxlib"}:
            assert any(
                line.startswith(library) and f"extra == '{extra}'" in line.replace('"', "'")
                for line in declared.splitlines()
            )
