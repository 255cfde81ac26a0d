"""Hooks that do nothing, told by their bytecode."""

from __future__ import annotations

import dis
from collections.abc import Callable, Collection

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


def is_idle(hook: Callable[..., None], names: Collection[str]) -> bool:
    """Return whether a hook does nothing, or only calls another of these names, of any Python from 3.11 on."""
    code = getattr(hook, "__code__", None)
    if code is None:
        return False
    harmless = _FORWARDING if len(code.co_names) == 1 and code.co_names[0] in names else _NOTHING
    return all(instruction.opname.startswith(harmless) for instruction in dis.get_instructions(code))
