"""What a hook does, told by its bytecode."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Collection, Iterator
from types import CodeType, FunctionType
from typing import Any, cast

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

CLOCKS = {"time", "monotonic", "perf_counter", "process_time", "default_timer", "now", "utcnow", "today"}
"""Names of functions that tell the time; those with `_ns` at their end do, too."""


def is_idle(hook: Callable[..., None], names: Collection[str]) -> bool:
    """Return whether a hook does nothing, or only calls another of these names, of any Python from 3.11 on."""
    code = getattr(hook, "__code__", None)
    if code is None:
        return False
    harmless = _FORWARDING if len(code.co_names) == 1 and code.co_names[0] in names else _NOTHING
    return all(instruction.opname.startswith(harmless) for instruction in dis.get_instructions(code))


def reads_clock(hook: Callable[..., None]) -> bool:
    """Return whether a hook asks what time it is, or a function of its own module that it calls by name."""
    first: Any = inspect.unwrap(getattr(hook, "__func__", hook))
    owner = cast("type", getattr(hook, "__self__", None).__class__)
    pending, seen = [first], set[object]()
    while pending:
        function = pending.pop()
        if not isinstance(function, FunctionType) or function in seen or function.__globals__ is not first.__globals__:
            continue
        seen.add(function)
        names = set(_names_in(function.__code__))
        if any(name.removesuffix("_ns") in CLOCKS for name in names):
            return True
        pending += [inspect.getattr_static(owner, name, None) or function.__globals__.get(name) for name in names]
    return False


def _names_in(code: CodeType) -> Iterator[str]:
    """Yield the names that a function looks up, in those within it, too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
