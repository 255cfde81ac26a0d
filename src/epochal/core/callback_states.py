"""The states of callbacks in a saved run: collecting them, and giving each to the callback that it belongs to.

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
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..messages.printing import warn
from ..storage.generation import PlainState
from .callback import HOOKS, Callback, overridden
from .primary_only import runs_here
from .run_state import CallbackIdentity, CallbackStates
from .user_code import is_users

NOT_REMEMBERED = frozenset(Callback.__annotations__)
"""The attributes that every callback has: what a fit gives it, and settings."""


def identities_of(callbacks: Sequence[object], folder: str) -> list[CallbackIdentity]:
    """Return what tells each callback from the others.

    Args:
        callbacks: In the order in which they are called.
        folder: Where the run is saved.

    Raises:
        TypeError: If an `identity` has anything but plain values and paths.
    """
    seen: Counter[str] = Counter()
    found: list[CallbackIdentity] = []
    for callback in callbacks:
        kind, said = type(callback).__name__, _checked_identity(callback)
        paths = {name: _relative(value, folder) for name, value in said.items() if hasattr(value, "__fspath__")}
        settings = {name: value for name, value in said.items() if name not in paths}
        shown = ", ".join(f"{name}={os.path.basename(v) if name in paths else v!r}" for name, v in said.items())
        label = f"{kind}({shown})" if said else kind
        records = bool(getattr(callback, "is_sink", False))
        found.append(CallbackIdentity(f"{label}/{seen[label]}", kind, settings, paths, records))
        seen[label] += 1
    return found


def _relative(path: os.PathLike[str], folder: str) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return Path(os.path.abspath(path)).as_posix()


def _identity(callback: object) -> PlainState:
    ask = getattr(callback, "identity", None)
    said: object = ask() if callable(ask) else {}
    return cast("PlainState", said) if isinstance(said, Mapping) else {}  # else it means something else


def _checked_identity(callback: object) -> PlainState:
    said = _identity(callback)
    for name, value in said.items():
        plain = value is None or isinstance(value, (bool, int, float, str, os.PathLike))
        if not isinstance(name, str) or not plain:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"{type(callback).__name__}.identity() has {name!r}: {value!r}; it has plain values and paths by name."
            )
    return said


def warn_of_shared_paths(callbacks: Sequence[object]) -> None:
    """Warn of callbacks of one class that write to one path: what stays of it is not what either would have left."""
    seen: set[tuple[str, str]] = set()
    for callback in callbacks:
        kind = type(callback).__name__
        for name, path in _identity(callback).items():
            if not hasattr(path, "__fspath__"):
                continue
            if (where := (kind, os.path.realpath(path))) in seen:
                warn(f"two {kind} write to {os.fspath(path)}: give each a {name} of its own.")
            seen.add(where)


# Saving


def collect(callbacks: Sequence[object], folder: str, told: set[str], begins: bool = False) -> CallbackStates:
    """Return the states of callbacks, and what tells each from the others.

    Args:
        callbacks: In the order in which they are called.
        folder: Where the run is saved.
        told: The labels of the callbacks that a warning has named, since they keep no state; more are added.
        begins: Whether nothing has been trained yet; then a callback that has no state yet is left out.

    Raises:
        Exception: What a `state_dict` raised, with a note that names its callback.
    """
    states: dict[str, PlainState] = {}
    known: list[CallbackIdentity] = []
    for identity, callback in zip(identities_of(callbacks, folder), callbacks, strict=True):
        if _keeps_state(callback):
            if (state := _state_of(callback, identity.label, begins)) is not None:
                states[identity.label] = state
                known.append(identity)
        elif identity.label not in told and _remembers(callback):
            told.add(identity.label)
            warn(
                f"{type(callback).__name__} has no state_dict: what it remembers starts afresh when the run is resumed."
            )
    return CallbackStates(states, known)


def _state_of(callback: Any, label: str, begins: bool) -> PlainState | None:
    try:
        return frozen(callback.state_dict())
    except Exception as error:
        if begins:
            return None
        error.add_note(f"This was raised by the state_dict of {label} when the run was saved.")
        raise


def _keeps_state(callback: object) -> bool:
    if isinstance(callback, Callback):
        return type(callback).state_dict is not Callback.state_dict
    return hasattr(callback, "state_dict")


def _remembers(callback: object) -> bool:
    """Return whether a user's callback has hooks and attributes of its own, so that it may remember something."""
    has_own = bool(set(vars(callback)) - NOT_REMEMBERED)
    return has_own and is_users(type(callback)) and any(overridden(callback, hook) for hook in HOOKS)


def frozen(value: Any) -> Any:
    """Return a copy of a nest of dicts and lists, its arrays read-only."""
    if isinstance(value, Mapping):
        return {name: frozen(v) for name, v in cast("Mapping[str, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [frozen(v) for v in cast("list[object]", value)]
    if not isinstance(value, np.ndarray):
        return value
    array = cast("np.ndarray", value).copy()
    array.setflags(write=False)
    return array


# Restoring


def restore(saved: CallbackStates, callbacks: Sequence[object], folder: str) -> list[str]:
    """Restore the state of every callback.

    Args:
        saved: What `collect` returned.
        callbacks: In the order in which they are called.
        folder: Where the run is saved now.

    Returns:
        Sentences about states that found no callback, and callbacks that found no state, if the training may
        depend on them.

    Raises:
        Exception: What a `load_state_dict` raised, with a note that names its callback.
    """
    then, now = saved.identities, identities_of(callbacks, folder)
    pairs = dict(_pairs(then, now))
    for at, mine in pairs.items():
        if (load := getattr(callbacks[at], "load_state_dict", None)) is not None and runs_here(callbacks[at]):
            try:
                load(dict(saved.states[mine.label]))
            except Exception as error:
                error.add_note(f"This was raised by the load_state_dict of {now[at].label} when the run was resumed.")
                raise
    lost = [k.label for k in then if k not in pairs.values() and not k.records and _says(saved.states[k.label])]
    new = [k.label for at, k in enumerate(now) if at not in pairs and not k.records and _has_state(callbacks[at])]
    return [
        *(f"the saved state of {_short(label)} finds no such callback and is left out" for label in lost),
        *(f"{_short(label)} was not there when the run was saved and starts afresh" for label in new),
    ]


def _pairs(then: Sequence[CallbackIdentity], now: Sequence[CallbackIdentity]) -> Iterator[tuple[int, CallbackIdentity]]:
    """Yield the number of each callback that has a saved state, and the identity of that, the closest first."""
    close = [
        (-closeness, i, j) for i, a in enumerate(then) for j, b in enumerate(now) if (closeness := _closeness(a, b)) > 0
    ]
    left, right = set(range(len(then))), set(range(len(now)))
    for _, i, j in sorted(close):
        if i in left and j in right:
            left.discard(i)
            right.discard(j)
            yield j, then[i]


def _closeness(then: CallbackIdentity, now: CallbackIdentity) -> float:
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


def _says(state: object) -> bool:
    """Return whether a state has anything but None in it."""
    if isinstance(state, Mapping):
        return any(map(_says, cast("Mapping[str, object]", state).values()))
    return state is not None


def _short(label: str) -> str:
    """Return a label without the number of the first among equals."""
    return label.removesuffix("/0")
