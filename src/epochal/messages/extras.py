"""Errors about libraries that can't be imported, which say what to install."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager

EXTRAS = {
    "jax": ("jax", "jaxlib", "flax", "optax"),
    "keras": ("keras",),
    "remote": ("requests",),
    "system": ("psutil",),
    "tensorboard": ("tensorboard",),
    "monitor": ("starlette", "uvicorn", "httptools"),
}
"""The libraries of each extra of this package."""

_INSTALLED_BY = {
    **{library: f'"epochal[{extra}]"' for extra, libraries in EXTRAS.items() for library in libraries},
    **dict.fromkeys(("h5py", "numpy"), "epochal"),
}


@contextmanager
def needed_by(what: str) -> Generator[None]:
    """Wrap imports so that the error for a missing library says what needs it, and what to install.

    Raises:
        ImportError: With the command to type; what isn't about a library of ours goes on as it is.
    """
    try:
        yield
    except ImportError as error:
        if (explained := getattr(error, "explained", None)) is not None:  # by a package that this one imports
            raise _explained(what, explained) from error.__cause__
        missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if missing in _INSTALLED_BY:
            raise _explained(what, f"needs {missing}: pip install {_INSTALLED_BY[missing]}") from error
        broken = next((library for library in _importing(error) if library in _INSTALLED_BY), None)
        if broken is None:
            raise
        again = f"pip install --force-reinstall {broken}"
        raise _explained(what, f"needs {broken}, which is there but can't be imported ({error}): {again}") from error


def _explained(what: str, explanation: str) -> ImportError:
    """Return the error; the outermost package, which is the one that the user imports, is named."""
    error = ImportError(f"{what} {explanation}")
    error.explained = explanation  # pyright: ignore[reportAttributeAccessIssue]
    return error


def _importing(error: ImportError) -> Iterator[str]:
    """Yield the packages whose modules were being imported, the last one first."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        yield str(frame.f_globals.get("__name__", "")).partition(".")[0]
