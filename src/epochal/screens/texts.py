"""Numbers, times and names as short texts, and how wide they are on a terminal."""

from __future__ import annotations

import unicodedata

DIGITS = 4
"""Significant digits of a number."""


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes: 2 for each wide character, 0 for each mark on another.

    >>> cells("loss"), cells("損失")
    (4, 4)
    """
    return sum(_cells_of(character) for character in text) if not text.isascii() else len(text)


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Return a text that takes so many columns at most, with `…` where its end was left out.

    >>> cut("損失の平均", 7), cut("loss", 4)
    ('損失の…', 'loss')
    """
    if cells(text) <= columns:
        return text
    kept = ""
    for character in text:
        if cells(kept + character) > columns - 1:
            break
        kept += character
    return f"{kept.rstrip()}…" if columns > 0 else ""


def padded(text: str, columns: int, right: bool = False) -> str:
    """Return a text that takes so many columns at least, with spaces after it, or before it."""
    spaces = " " * (columns - cells(text))
    return spaces + text if right else text + spaces


def printable(text: str) -> str:
    """Return a text without what would move a terminal's cursor: a space for each such character."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)


def number(value: object) -> str:
    """Return a number as it is shown: four significant digits, and powers of ten where zeros would take more room.

    >>> [number(value) for value in (0.5, 12.3456, 0.0005, 1234567.0, 3)]
    ['0.5000', '12.35', '5e-4', '1.235e6', '3']
    """
    if not isinstance(value, float):
        return printable(str(value))
    if not value:
        return "0.0000"
    if not 1e-2 <= abs(value) < 9999.5:  # NaN, too
        mantissa, e, exponent = f"{value:.{DIGITS - 1}e}".partition("e")
        if mantissa.endswith("00"):  # a learning rate rather than a measured value
            mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa}e{int(exponent)}" if e else mantissa
    return f"{value:#.{DIGITS}g}".rstrip(".")


def duration(seconds: float) -> str:
    """Return a time as it is shown, of which a bar has no room for more than two or three digits.

    >>> [duration(seconds) for seconds in (0.000035, 0.0123, 1.23, 61, 3700)]
    ['35us', '12ms', '1.2s', '1:01', '1:01:40']
    """
    if seconds < 0.9995e-3:
        return f"{max(1, round(seconds * 1e6))}us"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    return whole_seconds(seconds)


def whole_seconds(seconds: float) -> str:
    """Return a time without parts of a second, of which it has one at least.

    >>> [whole_seconds(seconds) for seconds in (0.2, 42.0, 3700.0)]
    ['1s', '42s', '1:01:40']
    """
    if seconds < 59.5:
        return f"{max(1, round(seconds))}s"
    minutes, whole = divmod(round(seconds), 60)
    return f"{minutes}:{whole:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{whole:02d}"


def size(bytes_: int) -> str:
    """Return a size as it is shown.

    >>> [size(number) for number in (136, 4608, 25_690_112)]
    ['136 B', '4.5 KB', '24.5 MB']
    """
    if bytes_ < 1024:
        return f"{bytes_} B"
    value, units = bytes_ / 1024, ["KB", "MB", "GB", "TB"]
    while value >= 999.95 and len(units) > 1:
        value /= 1024
        del units[0]
    return f"{value:.1f} {units[0]}"
