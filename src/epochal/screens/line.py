"""A line of progress, made as wide as there is room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from .texts import cells, cut

WIDE = 100
"""From so many columns on a bar is twice as long."""

SHORT_BAR = 10


class Rank(IntEnum):
    """What stays longest where a line is too long: the lower, the longer."""

    TITLE = 0
    COUNT = 1
    TIME = 2
    LOSS = 3
    WAIT = 4
    VALIDATION_LOSS = 5
    BAR = 6
    VALIDATION = 7
    VALUE = 8
    PACE = 9


class Part(NamedTuple):
    """A part of a line, which is shown whole or left out.

    Attributes:
        text: With what separates it from the part before.
        rank: How important it is.
        is_value: Whether `…` says that it was left out.
    """

    text: str
    rank: Rank
    is_value: bool = False


class Line(NamedTuple):
    """A line of progress.

    >>> line = Line((Part("Epoch 1/2", Rank.TITLE), *values({"loss": "0.5", "error": "0.2"})), done=3, total=6)
    >>> line.within(60)
    'Epoch 1/2 3/6 [=====>....] - loss: 0.5 - error: 0.2'
    >>> line.within(46)
    'Epoch 1/2 3/6 [=====>....] - loss: 0.5 …'

    Attributes:
        parts: From left to right.
        done: How much of the total is done; the bar that shows it comes behind the title. None for no bar.
        total: How much there is; None if nobody knows.
    """

    parts: Sequence[Part]
    done: int | None = None
    total: int | None = None

    def within(self, columns: int | None = None) -> str:
        """Return the line in so many columns: what is least important is left out whole; None for all of it."""
        kept = self._all_parts(SHORT_BAR if columns is not None and columns < WIDE else 2 * SHORT_BAR)
        if columns is None:
            return _joined(kept)
        room = columns - cells(kept[0].text) - len(" …")
        fitting = [part for part in kept if not part.is_value or cells(part.text) <= room]
        left_out, kept = len(fitting) < len(kept), fitting
        while cells(text := _joined(kept) + (" …" if left_out else "")) > columns:
            least = max(range(len(kept)), key=lambda at: (kept[at].rank, at))
            if kept[least].rank == Rank.TITLE:
                return cut(text, columns)
            left_out = left_out or kept[least].is_value
            del kept[least]
        return text

    def _all_parts(self, width: int) -> list[Part]:
        if self.done is None:
            return list(self.parts)
        title, *rest = self.parts
        if not self.total:
            return [title, Part(f" {self.done}/?", Rank.COUNT), *rest]
        count = Part(f" {self.done:>{len(str(self.total))}}/{self.total}", Rank.COUNT)
        filled = min(width, width * self.done // self.total)
        bar = "=" * filled + (">" if filled < width else "") + "." * (width - filled - 1)
        return [title, count, Part(f" [{bar}]", Rank.BAR), *rest]


def values(texts: dict[str, str]) -> Iterable[Part]:
    """Yield the parts of a line that are values, by their names."""
    for name, text in texts.items():
        yield Part(f" - {name}: {text}", _rank_of(name), is_value=True)


def _rank_of(name: str) -> Rank:
    if name in ("loss", "val_loss"):
        return Rank.LOSS if name == "loss" else Rank.VALIDATION_LOSS
    return Rank.VALIDATION if name.startswith("val_") else Rank.VALUE


def _joined(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts).rstrip()
