"""Numbers that a setting of an optimizer takes: a TypeError for anything but a number, a ValueError out of range."""

from __future__ import annotations

import math

from ..messages.numeric import is_real, real


def number(name: str, value: object) -> float:
    """Return a real number, of any library, as a float; the error for anything else calls it `name`."""
    if not is_real(value):
        raise TypeError(f"{name} must be a real number, not {value!r}")
    return real(name, value)


def not_negative(name: str, value: object) -> float:
    """Return a finite number ≥ 0 as a float."""
    found = number(name, value)
    if not (math.isfinite(found) and found >= 0):
        raise ValueError(f"{name} must be a finite number ≥ 0, not {value!r}")
    return found


def fraction(name: str, value: object, up_to_one: bool = False) -> float:
    """Return a number from 0 up to 1 as a float; 1 itself is out of range unless `up_to_one`."""
    found = number(name, value)
    if not (0 <= found < 1 or (up_to_one and found == 1)):
        raise ValueError(f"{name} must be from 0 up to {'and including' if up_to_one else 'below'} 1, not {value!r}")
    return found


def small_number(value: object) -> float:
    """Return the `epsilon` of an optimizer as a float ≥ 0; None, as Keras 2 had it, is 1e-7."""
    return not_negative("epsilon", 1e-7 if value is None else value)
