"""Numbers that users pass as arguments: of Python, NumPy or an array library, but no truth values and no text."""

from __future__ import annotations

import numbers
from typing import Any, TypeGuard


def whole(what: str, value: object, least: int | None = None) -> int:
    """Return a whole number as Python's `int`.

    Args:
        what: What an error calls it, such as "patience".
        value: A number of any library, also in an array without axes; `3.0` is a whole number too.
        least: The smallest that is allowed, if there is one.

    Raises:
        ValueError: If it is anything else.
    """
    plain = plain_number(value)
    if _is_number(plain) and is_whole(plain, least):
        return int(plain)
    raise ValueError(
        f"{what} must be a whole number{'' if least is None else f' of at least {least}'}; got {_shown(value)}."
    )


def real(what: str, value: object) -> float:
    """Return a number as Python's `float`; anything else is a ValueError, which calls it `what`."""
    plain = plain_number(value)
    if not _is_number(plain):
        raise ValueError(f"{what} must be a number; got {_shown(value)}.")
    return float(plain)


def is_whole(value: object, least: int | None = None) -> bool:
    """Return whether `whole` takes this."""
    plain = plain_number(value)
    return _is_number(plain) and plain % 1 == 0 and (least is None or plain >= least)


def is_real(value: object) -> bool:
    """Return whether this is a number, and no truth value."""
    return _is_number(plain_number(value))


def plain_number(value: Any) -> Any:
    """Return a scalar array, of any library, as the Python number in it; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _is_number(value: object) -> TypeGuard[float]:
    return not isinstance(value, bool) and isinstance(value, numbers.Real)


def _shown(value: object) -> str:
    if getattr(value, "ndim", 0) == 0:
        return repr(plain_number(value))
    return f"an array of shape {getattr(value, 'shape', None)}"
