"""Errors inside a module, told by the layer that raised them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import jax
from flax import nnx


@contextmanager
def named(what: str = "in the module") -> Generator[None]:
    """Add to an error the path of the innermost module that it came from, and the shapes of what that was given."""
    try:
        yield
    except Exception as error:
        calls = list(_calls(error.__traceback__))
        if calls and not any("This is the layer" in note for note in getattr(error, "__notes__", ())):
            outermost, (innermost, given) = calls[0][0], calls[-1]
            path = _path(outermost, innermost)
            shapes = ", ".join(str(tuple(a.shape)) for a in jax.tree.leaves(given) if hasattr(a, "shape"))
            error.add_note(
                f"This is the layer {path or 'itself'!r} ({type(innermost).__name__}) {what}, "
                f"whose inputs have shape {shapes or 'unknown'}."
            )
        raise


def _calls(traceback: TracebackType | None) -> Iterator[tuple[nnx.Module, Any]]:
    """Yield the modules whose methods are on the way to an error, outermost first, with the methods' arguments."""
    while traceback is not None:
        frame = traceback.tb_frame
        values = dict(frame.f_locals)
        code = frame.f_code
        if code.co_argcount and isinstance(owner := values.get(code.co_varnames[0]), nnx.Module):
            yield owner, [values.get(name) for name in code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]]
        traceback = traceback.tb_next


def _path(root: nnx.Module, module: nnx.Module) -> str:
    found = (path for path, node in nnx.iter_graph(root) if node is module)
    return "/".join(map(str, next(found, ())))
