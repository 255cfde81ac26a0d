"""The generators of random numbers that a source of data may draw from, and their states."""

from __future__ import annotations

import functools
import random
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from .chunks import is_array

MOST_OBJECTS = 300
"""Among so many objects that a source holds, generators are looked for."""

MOST_ITEMS = 16
"""Longer lists and dicts hold data and are not looked into."""

OWN = "own "
"""Begins the names of generators that are not global."""

States = Mapping[str, Any]
"""Of each generator by its name, as plain values and arrays."""


class Generators:
    """The global generators, and those that an object holds.

    Global ones are Python's `random`, NumPy's `np.random`, and PyTorch's where it is loaded. Own ones are
    `np.random.Generator`, `np.random.RandomState`, `random.Random` and `torch.Generator` objects among the attributes
    of the object and of what it holds (a loader's sampler, a dataset's transforms), and those that its methods use by
    name.

    Args:
        owner: The object; None for the global ones alone.
    """

    def __init__(self, owner: Any = None) -> None:
        self._owner = owner
        self._own: dict[str, Any] = {}
        self.find()

    def find(self) -> None:
        """Look for those that the object holds now."""
        if self._owner is not None:
            self._own = own_generators(self._owner)

    def get(self) -> dict[str, Any]:
        """Return the state of each, from which `set` goes on."""
        return {name: _get(generator) for name, generator in self._all()}

    def set(self, states: States) -> None:
        """Bring those that are there into the states that `get` returned."""
        for name, generator in self._all():
            if name in states:
                _set(generator, states[name])

    def _all(self) -> Iterator[tuple[str, Any]]:
        yield from _global_ones()
        yield from self._own.items()


def get_global() -> dict[str, Any]:
    """Return the states of the global generators."""
    return Generators().get()


def set_global(states: States) -> None:
    """Bring the global generators into the states that `get_global` returned."""
    Generators().set(states)


def is_own(name: str) -> bool:
    """Return whether a name is that of a generator that an object holds, and not of a global one."""
    return name.startswith(OWN)


def same(a: Any, b: Any) -> bool:
    """Return whether two states, or nests of them, are equal."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        one, other = cast("States", a), cast("States", b)
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(cast("np.ndarray", a), cast("np.ndarray", b))
    return bool(a == b)


def changed(now: States, before: States) -> dict[str, Any]:
    """Return the states that differ from, or weren't among, those before."""
    return {name: state for name, state in now.items() if name not in before or not same(state, before[name])}


def _global_ones() -> Iterator[tuple[str, Any]]:
    yield "random", random
    yield "np.random", np.random
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        yield "torch", torch


def _get(generator: Any) -> Any:
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


def is_generator(value: Any) -> bool:
    """Return whether this is a generator of random numbers whose state can be read and set."""
    if isinstance(value, (np.random.Generator, np.random.RandomState)):
        return True
    if isinstance(value, random.Random):
        return not isinstance(value, random.SystemRandom)
    torch = sys.modules.get("torch")
    kind = getattr(torch, "Generator", None)
    return isinstance(kind, type) and isinstance(value, kind)


def own_generators(owner: Any) -> dict[str, Any]:
    """Return the generators that an object holds, each by the path to it: `sampler.generator`."""
    found: dict[str, Any] = {}
    seen = {id(value) for value in _behind_the_global_ones()}
    variables: dict[str, Any] = getattr(getattr(owner, "gi_frame", None), "f_locals", {})  # of a generator
    waiting: deque[tuple[str, Any]] = deque([("", owner), *variables.items()])
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


def _behind_the_global_ones() -> list[Any]:
    """Return the objects whose methods the global functions are."""
    torch = sys.modules.get("torch")
    of_python, of_numpy = (getattr(function, "__self__", None) for function in (random.random, np.random.random))
    return [of_python, of_numpy, getattr(torch, "default_generator", None)]


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object holds that may hold generators, with the names under which it does."""
    if isinstance(value, (list, tuple)):
        items = cast("list[Any]", value)
        yield from ((str(at), item) for at, item in enumerate(items) if len(items) <= MOST_ITEMS)
    elif isinstance(value, dict):
        named = cast("dict[Any, Any]", value)
        yield from ((str(name), item) for name, item in named.items() if len(named) <= MOST_ITEMS)
    elif isinstance(value, (types.FunctionType, types.MethodType)):
        yield from _used_by(value)
    elif not isinstance(value, (type, types.ModuleType)) and hasattr(value, "__dict__") and not is_array(value):
        yield from cast("dict[str, Any]", vars(value)).items()
        for base in type(value).__mro__[:-1]:
            yield from _of_class(base)


def _of_class(base: type) -> Iterator[tuple[str, Any]]:
    for name, item in list(vars(base).items()):
        if is_generator(item):
            yield name, item
        elif isinstance(item, types.FunctionType):
            yield from ((f"{name}.{used}", value) for used, value in _used_by(item) if is_generator(value))


def _used_by(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a function closes over, and the generators that it uses by a global name."""
    plain = getattr(function, "__func__", function)
    if plain is not function:
        yield "__self__", function.__self__
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
