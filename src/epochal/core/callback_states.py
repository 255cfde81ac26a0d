"""The callbacks' part of a saved run: their states, and which state belongs to which callback.

A callback is known by its class and by what its `identity` says, such as where it writes; equal ones by their number
among equals. So it doesn't matter where in the list it stands, and which others are there. Paths are kept as they lie
from the folder in which the run is saved; those that are equal go together first, then those that end alike: a run's
folder may be moved, copied or renamed, and a path be relative or absolute.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..messages.printing import warn
from .callback import HOOKS, Callback, overridden

GIVEN_BY_FIT = {"model", "params", "validation_data", "writer", "cadence", "replay"}

States = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Known:
    """What a callback is known by.

    Attributes:
        label: How messages and files name it.
        kind: The class's name.
        settings: What its `identity` says, less the paths.
        paths: The paths in it, from the folder in which the run is saved.
        records: Whether it only records, so that nothing in the training depends on it.
    """

    label: str
    kind: str
    settings: Mapping[str, Any]
    paths: Mapping[str, str]
    records: bool

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values, less the label."""
        return {"kind": self.kind, "settings": self.settings, "paths": self.paths, "records": self.records}


def known(callbacks: Sequence[Any], folder: str) -> list[Known]:
    """Return what each callback is known by.

    Args:
        callbacks: In the order in which they are called.
        folder: Where the run is saved.

    Raises:
        TypeError: If an `identity` has anything but plain values and paths.
    """
    seen: Counter[str] = Counter()
    found: list[Known] = []
    for callback in callbacks:
        kind, said = type(callback).__name__, _identity(callback)
        paths = {name: _from(folder, value) for name, value in said.items() if hasattr(value, "__fspath__")}
        settings = {name: value for name, value in said.items() if name not in paths}
        shown = ", ".join(f"{name}={os.path.basename(v) if name in paths else v!r}" for name, v in said.items())
        label = f"{kind}({shown})" if said else kind
        records = bool(getattr(callback, "is_sink", False))
        found.append(Known(f"{label}/{seen[label]}", kind, settings, paths, records))
        seen[label] += 1
    return found


def _from(folder: str, path: Any) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return Path(os.path.abspath(path)).as_posix()


def _said(callback: Any) -> Mapping[Any, Any]:
    ask = getattr(callback, "identity", None)
    said: Any = ask() if callable(ask) else {}
    return cast("Mapping[Any, Any]", said) if isinstance(said, Mapping) else {}  # else another's idea of an identity


def _identity(callback: Any) -> dict[str, Any]:
    said = _said(callback)
    for name, value in said.items():
        plain = value is None or isinstance(value, (bool, int, float, str, os.PathLike))
        if not isinstance(name, str) or not plain:
            raise TypeError(
                f"{type(callback).__name__}.identity() has {name!r}: {value!r}; it has plain values and paths by name."
            )
    return dict(said)


def warn_of_shared_paths(callbacks: Sequence[Any]) -> None:
    """Warn of callbacks of one class that write to one path: what stays of it is not what either would have left."""
    seen: set[tuple[str, str]] = set()
    for callback in callbacks:
        kind = type(callback).__name__
        for name, path in _said(callback).items():
            if not hasattr(path, "__fspath__"):
                continue
            if (where := (kind, os.path.realpath(path))) in seen:
                warn(f"two {kind} write to {os.fspath(path)}: give each a {name} of its own.", stacklevel=2)
            seen.add(where)


# Saving


def gather(callbacks: Sequence[Any], folder: str, told: set[str], begins: bool = False) -> dict[str, Any]:
    """Return the states of callbacks, and what each is known by.

    Args:
        callbacks: In the order in which they are called.
        folder: Where the run is saved.
        told: The labels of those of whom it was said that they keep no state; more are added.
        begins: Whether nothing has been trained yet; then a callback that has no state yet is left out.

    Raises:
        Exception: What a `state_dict` raised, with a note that names its callback.
    """
    states: States = {}
    of: dict[str, Any] = {}
    for is_known, callback in zip(known(callbacks, folder), callbacks, strict=True):
        if _keeps_state(callback):
            if (state := _state_of(callback, is_known.label, begins)) is not None:
                states[is_known.label], of[is_known.label] = state, is_known.plain()
        elif is_known.label not in told and _remembers(callback):
            told.add(is_known.label)
            warn(
                f"{type(callback).__name__} has no state_dict: what it remembers starts afresh "
                f"when the run is resumed.",
                stacklevel=2,
            )
    return {"callbacks": states, "known": of}


def _state_of(callback: Any, label: str, begins: bool) -> dict[str, Any] | None:
    try:
        return frozen(callback.state_dict())
    except Exception as error:
        if begins:
            return None
        error.add_note(f"This was raised by the state_dict of {label} when the run was saved.")
        raise


def _keeps_state(callback: Any) -> bool:
    if isinstance(callback, Callback):
        return type(callback).state_dict is not Callback.state_dict
    return hasattr(callback, "state_dict")


def _remembers(callback: Any) -> bool:
    """Whether a callback has hooks and attributes of its own, so that it may have something to remember."""
    return bool(set(cast("dict[str, Any]", vars(callback))) - GIVEN_BY_FIT) and any(
        overridden(callback, hook) for hook in HOOKS
    )


def frozen(value: Any) -> Any:
    """Return a copy of a nest, its arrays read-only."""
    if isinstance(value, Mapping):
        return {name: frozen(v) for name, v in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [frozen(v) for v in cast("list[Any]", value)]
    if not isinstance(value, np.ndarray):
        return value
    array = cast("np.ndarray", value).copy()
    array.setflags(write=False)
    return array


# Restoring


def restore(saved: Mapping[str, Any], callbacks: Sequence[Any], folder: str) -> list[str]:
    """Give every callback the state that belongs to it.

    Args:
        saved: What `gather` returned.
        callbacks: In the order in which they are called.
        folder: Where the run is saved now.

    Returns:
        Sentences about states that found no callback, and callbacks that found no state, if the training may
        depend on them.

    Raises:
        Exception: What a `load_state_dict` raised, with a note that names its callback.
    """
    then = [Known(label, **plain) for label, plain in saved["known"].items()]
    now = known(callbacks, folder)
    pairs = dict(_pairs(then, now))
    for at, mine in pairs.items():
        if (load := getattr(callbacks[at], "load_state_dict", None)) is not None:
            try:
                load(saved["callbacks"][mine.label])
            except Exception as error:
                error.add_note(f"This was raised by the load_state_dict of {now[at].label} when the run was resumed.")
                raise
    lost = [k.label for k in then if k not in pairs.values() and not k.records and _says(saved["callbacks"][k.label])]
    new = [k.label for at, k in enumerate(now) if at not in pairs and not k.records and _has_state(callbacks[at])]
    return [
        *(f"the saved state of {_short(label)} finds no such callback and is left out" for label in lost),
        *(f"{_short(label)} was not there when the run was saved and starts afresh" for label in new),
    ]


def _pairs(then: Sequence[Known], now: Sequence[Known]) -> Iterator[tuple[int, Known]]:
    """Yield which callback has which state, the closest first."""
    close = [
        (-closeness, i, j) for i, a in enumerate(then) for j, b in enumerate(now) if (closeness := _closeness(a, b)) > 0
    ]
    left, right = set(range(len(then))), set(range(len(now)))
    for _, i, j in sorted(close):
        if i in left and j in right:
            left.discard(i)
            right.discard(j)
            yield j, then[i]


def _closeness(then: Known, now: Known) -> float:
    """Return how much two are alike, 0 if they can't be the same."""
    if (then.kind, then.settings, then.paths.keys()) != (now.kind, now.settings, now.paths.keys()):
        return 0
    if then.paths == now.paths:
        return math.inf
    return min(_common_end(path.split("/"), now.paths[name].split("/")) for name, path in then.paths.items())


def _common_end(a: Sequence[str], b: Sequence[str]) -> int:
    equal = 0
    for x, y in zip(reversed(a), reversed(b), strict=False):
        if x != y:
            break
        equal += 1
    return equal


def _has_state(callback: Any) -> bool:
    if not _keeps_state(callback):
        return False
    try:
        return _says(callback.state_dict())
    except Exception:  # it has none yet
        return True


def _says(state: Any) -> bool:
    """Say whether a state has anything but None in it."""
    if isinstance(state, Mapping):
        return any(map(_says, cast("Mapping[str, Any]", state).values()))
    return state is not None


def _short(label: str) -> str:
    """Return a label without the number of the first among equals."""
    return label.removesuffix("/0")
