"""The generators of random numbers that a source of data may draw from, and their states."""

from __future__ import annotations

import functools
import random
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, cast

import numpy as np

from .nests import is_array

MOST_OBJECTS = 300
"""Objects within a source, at most, among which generators are looked for."""

MOST_ITEMS = 16
"""Items of a list or dict that is looked into, at most: longer ones hold data."""

OWN = "own "
"""Begins the names of generators that are not global."""

States: TypeAlias = Mapping[str, object]
"""The state of each generator by its name, as plain values and arrays."""


class Generators:
    """The global generators, and those that an object holds.

    Global ones are Python's `random`, NumPy's `np.random`, and PyTorch's where it is loaded. Own ones are
    `np.random.Generator`, `np.random.RandomState`, `random.Random` and `torch.Generator` objects among the attributes
    of the object and of what it holds (a loader's sampler, a dataset's transforms), and those that its methods use by
    name.

    Args:
        owner: The object; None for the global ones alone.
    """

    def __init__(self, owner: object = None) -> None:
        self._owner = owner
        self._own: dict[str, object] = {}
        self.find()

    def find(self) -> None:
        """Look for the generators that the object holds now."""
        if self._owner is not None:
            self._own = own_generators(self._owner)

    def get(self) -> dict[str, object]:
        """Return the state of each generator, by name."""
        return {name: _get(generator) for name, generator in self._all()}

    def set(self, states: States) -> None:
        """Restore the states that `get` returned, of the generators that are there."""
        for name, generator in self._all():
            if name in states:
                _set(generator, states[name])

    def _all(self) -> Iterator[tuple[str, object]]:
        yield from _global_ones()
        yield from self._own.items()


def get_global() -> dict[str, object]:
    """Return the states of the global generators."""
    return Generators().get()


def set_global(states: States) -> None:
    """Restore the states that `get_global` returned."""
    Generators().set(states)


def is_own(name: str) -> bool:
    """Return whether a name is that of a generator that an object holds, not of a global one."""
    return name.startswith(OWN)


def same(a: object, b: object) -> bool:
    """Return whether two states, or nests of them, are equal."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        one, other = cast("States", a), cast("States", b)
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(cast("np.ndarray", a), cast("np.ndarray", b))
    return bool(a == b)


def changed(now: States, before: States) -> dict[str, object]:
    """Return the states that differ from, or weren't among, those before."""
    return {name: state for name, state in now.items() if name not in before or not same(state, before[name])}


def _global_ones() -> Iterator[tuple[str, object]]:
    yield "random", random
    yield "np.random", np.random
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        yield "torch", torch


def _get(generator: Any) -> object:
    if generator is random or isinstance(generator, random.Random):
        version, words, gauss = generator.getstate()
        return {"version": version, "words": np.array(words, np.uint64), "gauss": gauss}
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if generator is np.random or isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    tensor = generator.get_rng_state() if hasattr(generator, "get_rng_state") else generator.get_state()
    return tensor.cpu().numpy().copy()


def _set(generator: Any, state: Any) -> None:
    if generator is random or isinstance(generator, random.Random):
        generator.setstate((state["version"], tuple(state["words"].tolist()), state["gauss"]))
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif generator is np.random or isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        tensor = sys.modules["torch"].from_numpy(np.array(state))
        (generator.set_rng_state if hasattr(generator, "set_rng_state") else generator.set_state)(tensor)


def is_generator(value: object) -> bool:
    """Return whether this is a generator of random numbers whose state can be read and set."""
    if isinstance(value, (np.random.Generator, np.random.RandomState)):
        return True
    if isinstance(value, random.Random):
        return not isinstance(value, random.SystemRandom)
    torch = sys.modules.get("torch")
    kind = getattr(torch, "Generator", None)
    return isinstance(kind, type) and isinstance(value, kind)


def own_generators(owner: object) -> dict[str, object]:
    """Return the generators that an object holds, each by the path to it: `sampler.generator`."""
    found: dict[str, object] = {}
    seen = {id(value) for value in _behind_the_global_ones()}
    variables: dict[str, object] = getattr(getattr(owner, "gi_frame", None), "f_locals", {})  # of a generator
    waiting: deque[tuple[str, object]] = deque([("", owner), *variables.items()])
    while waiting and len(seen) < MOST_OBJECTS:
        path, value = waiting.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if is_generator(value):
            found[f"{OWN}{path}"] = value
        else:
            waiting.extend((f"{path}.{name}".lstrip("."), part) for name, part in _parts(value))
    return found


def _behind_the_global_ones() -> list[object]:
    """Return the objects whose methods the global functions are."""
    torch = sys.modules.get("torch")
    of_python, of_numpy = (getattr(function, "__self__", None) for function in (random.random, np.random.random))
    return [of_python, of_numpy, getattr(torch, "default_generator", None)]


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """Yield what an object holds that may hold generators, with the names under which it does."""
    if isinstance(value, (list, tuple)):
        items = cast("list[object]", value)
        yield from ((str(at), item) for at, item in enumerate(items) if len(items) <= MOST_ITEMS)
    elif isinstance(value, dict):
        named = cast("dict[object, object]", value)
        yield from ((str(name), item) for name, item in named.items() if len(named) <= MOST_ITEMS)
    elif isinstance(value, (types.FunctionType, types.MethodType)):
        yield from _used_by(value)
    elif not isinstance(value, (type, types.ModuleType)) and hasattr(value, "__dict__") and not is_array(value):
        yield from vars(value).items()
        for base in type(value).__mro__[:-1]:
            yield from _of_class(base)


def _of_class(base: type) -> Iterator[tuple[str, object]]:
    for name, item in list(vars(base).items()):
        if is_generator(item):
            yield name, item
        elif isinstance(item, types.FunctionType):
            yield from ((f"{name}.{used}", value) for used, value in _used_by(item) if is_generator(value))


def _used_by(function: types.FunctionType | types.MethodType) -> Iterator[tuple[str, object]]:
    """Yield what a function closes over, and the generators that it uses by a global name."""
    if isinstance(function, types.MethodType):
        yield "__self__", function.__self__
    plain = cast("types.FunctionType", getattr(function, "__func__", function))
    for name, cell in zip(plain.__code__.co_freevars, plain.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # it has nothing yet
            continue
    for name in _names_in(plain.__code__):
        if is_generator(value := plain.__globals__.get(name)):
            yield name, value


@functools.lru_cache(maxsize=4096)
def _names_in(code: types.CodeType) -> tuple[str, ...]:
    """Return the names that a function's code, and the code of functions in it, looks up."""
    inner = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _names_in(part)]
    return tuple(dict.fromkeys([*code.co_names, *inner]))
