"""The identity of a run: what it is made of, as plain values, which are equal for equal runs."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import numpy as np

from ..data.digest import digest_of
from ..storage.generation import PlainState
from .user_code import package_of

MOST_LINES = 20
"""Differences that are listed, at most; the rest is counted."""

DEEPEST = 12
"""Levels of things within things that are described."""

LIBRARIES = ("builtins", "epochal", "flax", "functools", "jax", "jaxlib", "keras", "numpy", "optax", "torch")
"""Packages whose functions are known by their names: their code may change with the package's version."""


def differences(saved: PlainState, now: PlainState, names: tuple[str, str] = ("then", "now")) -> list[str]:
    """List where two identities differ: `data.batch_size: 32 then, 64 now`.

    None in the new one means anything. The arrays of the state come last, since they follow from the rest.

    Args:
        saved: The one.
        now: The other.
        names: What the lines call them.
    """
    then, here = dict(_flat(saved)), dict(_flat(now))
    paths = sorted(then.keys() | here.keys(), key=lambda path: (path.startswith("engine.state."), path))
    found: list[str] = []
    for path in paths:
        if (path in here and here[path] is None) or _follows(path, then, here):
            continue
        a, b = (values.get(path, "nothing") for values in (then, here))
        if _text(a) != _text(b):
            found.append(f"{path}: {a} {names[0]}, {b} {names[1]}")
    return found


def _follows(path: str, then: PlainState, here: PlainState) -> bool:
    """Return whether a difference is in the content of data that have another number of samples anyway."""
    above, content, _ = path.partition(".content.")
    samples = f"{above}.samples"
    return bool(content) and then.get(samples) != here.get(samples)


def shortened(lines: list[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], f"… and {more} more"] if more > 0 else lines


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _flat(nest: PlainState, above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in nest.items():
        if isinstance(value, Mapping):
            yield from _flat(cast("Mapping[str, object]", value), f"{above}{name}.")
        else:
            yield f"{above}{name}", value


# Things


def described(value: object) -> Any:
    """Return a thing's settings as JSON values.

    Numbers and names stay as they are; a function is its name, its code if it is a user's, and what it is closed over.
    A thing that can't be looked into is known by its class.
    """
    return _Describer().plain(value, DEEPEST)


class _Describer:
    """Describes nests of things; one that was met before is known by its class."""

    def __init__(self) -> None:
        self._met: dict[int, object] = {}

    def plain(self, value: object, deep: int) -> object:
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            number = cast("np.generic[object]", value)
            return number.item() if number.dtype.kind in "biuf" else str(number)
        if isinstance(value, os.PathLike):
            return os.fspath(cast("os.PathLike[str]", value))
        if isinstance(value, type):
            return _name(value)
        return self._new(value, deep)

    def _new(self, value: object, deep: int) -> object:
        if type(value) in (list, tuple) and not value:
            return []
        if deep == 0 or id(value) in self._met:
            return _name(value)
        self._met[id(value)] = value  # kept, so that its id stays its own
        return self._nest(value, deep - 1)

    def _nest(self, value: object, deep: int) -> object:
        if callable(fields := getattr(value, "_asdict", None)):
            value = fields()
        if isinstance(value, Mapping):
            return {str(k): self.plain(v, deep) for k, v in cast("Mapping[object, object]", value).items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(v, deep) for v in cast("list[object]", value)]
        if isinstance(value, (set, frozenset)):
            return sorted(str(self.plain(v, deep)) for v in cast("set[object]", value))
        if isinstance(value, functools.partial):
            whole = cast("functools.partial[object]", value)
            return {"partial": self.plain(whole.func, deep), "with": self.plain([whole.args, whole.keywords], deep)}
        if isinstance(value, types.MethodType):
            return {"method": self.plain(value.__func__, deep), "of": self.plain(value.__self__, deep)}
        if callable(value) and (wrapped := getattr(value, "__wrapped__", None)) is not None:
            return self.plain(wrapped, deep)
        if isinstance(value, types.FunctionType):
            return self._function(value, deep)
        if hasattr(value, "__array__") and not hasattr(value, "__jax_array__"):
            return _array(value)
        return self._thing(value, deep)

    def _function(self, function: types.FunctionType, deep: int) -> object:
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        held = {name: self.plain(_content(cell), deep) for name, cell in cells}
        given = self.plain([function.__defaults__ or (), function.__kwdefaults__ or {}], deep)
        code = {} if package_of(function) in LIBRARIES else {"code": code_of(function)}
        found = {
            "function": function.__qualname__,
            **code,
            **({} if given == [[], {}] else {"defaults": given}),
            **held,
        }
        return found if len(found) > 1 else function.__qualname__

    def _thing(self, value: object, deep: int) -> object:
        own: dict[str, object] | None = getattr(value, "__dict__", None)
        if own is None or isinstance(value, types.BuiltinFunctionType):
            return _name(value)
        settings = {name: v for name, v in own.items() if not hasattr(v, "__array__")}
        if callable(ask := getattr(value, "get_config", None)):
            with contextlib.suppress(Exception):  # a config that can't be made says nothing
                settings |= cast("dict[str, object]", ask())
        kind = type(value).__name__
        plain = {name: self.plain(v, deep - 1) for name, v in settings.items()} if deep else {}
        return {"class": kind, **plain} if plain else kind


def _name(value: object) -> str:
    return str(getattr(value, "__qualname__", type(value).__name__))


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing yet
        return None


def _array(value: object) -> object:
    try:
        array = np.asarray(value)
        return array.item() if array.ndim == 0 else f"{array.dtype}{list(array.shape)} {digest_of(array)}"
    except Exception:  # such as random keys
        return type(value).__name__


def code_of(function: Callable[..., object]) -> str | None:
    """Return a digest of what a function does, whatever its lines and comments; None if it isn't of Python."""
    if not isinstance(code := getattr(function, "__code__", None), types.CodeType):
        return None
    digest = hashlib.sha256("\n".join(_instructions(code, function.__doc__)).encode()).hexdigest()[:12]
    return f"{digest} (Python {sys.version_info[0]}.{sys.version_info[1]})"


def _instructions(code: types.CodeType, doc: str | None = None) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, cast("frozenset[object]", constant))))
        elif constant is not doc or doc is None:
            yield repr(constant)
