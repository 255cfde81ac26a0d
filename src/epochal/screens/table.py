"""A table of text, made as wide as there is room."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .texts import cells, cut, padded

SPACE = "  "
"""What stands between two columns."""

LEAST = 8
"""The least columns of a terminal for a column of the table, while others have more."""


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        pieces: Its words, which aren't broken at a line's end; one that is too long by itself is broken behind its
            first space, and in the end cut.
        indent: Spaces before it.
    """

    pieces: Sequence[str]
    indent: int = 0

    @property
    def width(self) -> int:
        """Its width on one line."""
        return self.indent + cells(" ".join(self.pieces))

    @property
    def least(self) -> int:
        """The width of its longest piece."""
        return self.indent + max((cells(piece) for piece in self.pieces), default=0)

    def within(self, width: int) -> list[str]:
        """Return it in lines of a width."""
        room = max(1, width - self.indent)
        lines: list[str] = []
        for piece in itertools.chain.from_iterable(_parts(piece, room) for piece in self.pieces):
            if lines and cells(f"{lines[-1]} {piece}") <= room:
                lines[-1] += f" {piece}"
            else:
                lines.append(cut(piece, room))
        return [f"{' ' * self.indent}{line}" for line in lines] or [""]


def _parts(piece: str, room: int) -> list[str]:
    return [piece] if cells(piece) <= room else piece.split(" ", 1)


def lines_of(rows: Sequence[Sequence[Cell]], least: int = 0, most: int | None = None, grows: int = 0) -> Iterator[str]:
    """Yield the lines of a table, whose last column has numbers.

    >>> rows = [[Cell(["dense"]), Cell(["kernel", "(3, 4),", "bias", "(4,)"]), Cell(["16"])]]
    >>> for line in lines_of(rows, most=26):
    ...     print(line)
    dense  kernel (3, 4),  16
           bias (4,)

    Args:
        rows: Each with as many cells.
        least: The least width of a line.
        most: The greatest width of a line; None for what the cells need. Where it is less, cells of several pieces have
            several lines, and in the end pieces are cut.
        grows: The number of the column that takes what is left to the least width.
    """
    widths = [max(cell.width for cell in column) for column in zip(*rows, strict=True)]
    between = len(SPACE) * (len(widths) - 1)
    if most is not None:
        _shrink(widths, rows, most - between)
        columns = zip(widths, zip(*rows, strict=True), strict=True)
        widths = [max(cells(line) for cell in column for line in cell.within(width)) for width, column in columns]
    widths[grows] += max(0, least - sum(widths) - between)
    for row in rows:
        columns = [cell.within(width) for cell, width in zip(row, widths, strict=True)]
        for line in itertools.zip_longest(*columns, fillvalue=""):
            texts = [padded(text, width) for text, width in zip(line[:-1], widths, strict=False)]
            yield SPACE.join([*texts, padded(line[-1], widths[-1], right=True)]).rstrip()


def _shrink(widths: list[int], rows: Sequence[Sequence[Cell]], most: int) -> None:
    """Make columns narrower, the widest first, until they have room; as long as it can be, no piece is cut."""
    unbroken = [max(cell.least for cell in column) for column in zip(*rows, strict=True)]
    for least in (unbroken, [min(LEAST, width) for width in unbroken], [1] * len(widths)):
        while sum(widths) > most:
            spare = [width - low for width, low in zip(widths[:-1], least, strict=False)]
            at = max(range(len(spare)), key=lambda column: (spare[column] > 0) * widths[column])
            if spare[at] <= 0:
                break
            widths[at] -= 1
