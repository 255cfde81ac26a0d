"""What a hook does, told by its bytecode."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from types import CodeType, FunctionType
from typing import cast

from .identity import LIBRARIES
from .user_code import package_of

_NOTHING = ("RESUME", "NOP", "LOAD_CONST", "LOAD_SMALL_INT", "RETURN_")
"""How the names of the instructions begin that a function with an empty body has."""

_FORWARDING = (
    *_NOTHING,
    "LOAD_FAST",
    "LOAD_ATTR",
    "LOAD_METHOD",
    "PUSH_NULL",
    "PRECALL",
    "KW_NAMES",
    "CALL",
    "POP_TOP",
)
"""Those of a function that only calls a method with its own arguments."""

ALIASES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}
"""Hooks with a second name; of one callback only one of the two is called."""

CLOCKS = {"time", "monotonic", "perf_counter", "process_time", "default_timer", "now", "utcnow", "today"}
"""Names of functions that tell the time; those with `_ns` at their end do, too."""


def overridden(callback: object, hook: str) -> Callable[..., None] | None:
    """Return the bound hook of any object if it does something, under its other name too; else None.

    A hook that does nothing, or only forwards to its other name, counts as not overridden. That is
    what a hook inherited from a framework's own base class does, whichever framework it is, so a
    foreign early stopping isn't woken at every batch.
    """
    names = (hook, ALIASES[hook]) if hook in ALIASES else (hook,)
    bound = (getattr(callback, name, None) for name in names)
    return next((f for f in bound if f is not None and not is_idle(f, names)), None)


def may_follow(begin: Callable[..., None] | None, end: Callable[..., None] | None) -> bool:
    """Return whether batch hooks may be called after the span that their batch was in.

    Not if they could measure how long a batch takes: then there are both, or the only one asks for the time.
    """
    only = end if begin is None else begin if end is None else None
    return only is not None and not reads_clock(only)


def is_idle(hook: Callable[..., None], names: Collection[str]) -> bool:
    """Return whether a hook does nothing, or only calls another of these names, of any Python from 3.11 on."""
    code = getattr(hook, "__code__", None)
    if code is None:
        return False
    harmless = _FORWARDING if len(code.co_names) == 1 and code.co_names[0] in names else _NOTHING
    return all(instruction.opname.startswith(harmless) for instruction in dis.get_instructions(code))


def reads_clock(hook: Callable[..., None]) -> bool:
    """Return whether a hook asks what time it is, or a function of its own module that it calls by name."""
    owner = cast("type", getattr(hook, "__self__", None).__class__)
    return any(name.removesuffix("_ns") in CLOCKS for name in names_used([hook], owner))


def names_used(functions: Iterable[object], owner: type) -> set[str]:
    """Return the names that functions look up, themselves and in what they call by name.

    Followed are methods of their owner and functions, in the modules of these functions and of the owner's own classes.

    Args:
        functions: What is looked into if it is written in Python.
        owner: The class whose methods they may call.
    """
    pending, seen, names = [_unwrapped(function) for function in functions], set[object](), set[str]()
    modules = {id(function.__globals__) for function in pending if isinstance(function, FunctionType)}
    own = (sys.modules.get(base.__module__) for base in owner.__mro__ if package_of(base) not in LIBRARIES)
    modules |= {id(vars(module)) for module in own if module is not None}
    while pending:
        function = pending.pop()
        if not isinstance(function, FunctionType) or function in seen or id(function.__globals__) not in modules:
            continue
        seen.add(function)
        found = set(_names_in(function.__code__))
        names |= found
        called = (inspect.getattr_static(owner, name, None) or function.__globals__.get(name) for name in found)
        pending += [thing.fget if isinstance(thing, property) else thing for thing in called]
    return names


def _unwrapped(function: object) -> object:
    """Return the function that a method, or a wrapped function, stands for."""
    inner = getattr(function, "__func__", function)
    return inspect.unwrap(inner) if callable(inner) else inner


def _names_in(code: CodeType) -> Iterator[str]:
    """Yield the names that a function looks up, in those within it, too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
