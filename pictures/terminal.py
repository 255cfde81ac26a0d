"""A terminal's screen as a drawing in SVG, which writes itself line by line where the viewer can do that."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path

import pyte
from pyte.screens import Char

from .drawing import MONO

CELL, LINE, SIZE = 7.8, 19, 13
MARGIN, BAR = 16, 34
SECONDS_A_LINE = 0.45

PAPER, FRAME, INK, DIM = "#1a1f29", "#4a5363", "#d7dde6", "#8b95a5"
COLOURS = {
    "black": "#484f58", "red": "#ff7b72", "green": "#56d364", "brown": "#e3b341", "blue": "#79c0ff",
    "magenta": "#d2a8ff", "cyan": "#56d4dd", "white": INK, "default": INK,
}  # fmt: skip


def save(screen: pyte.Screen, path: Path, title: str, reds: tuple[str, ...] = (), greens: tuple[str, ...] = ()) -> None:
    """Write what stands on a screen to a file.

    Args:
        screen: Of which the lines with text are drawn.
        path: Of the file.
        title: Stands in the window's frame.
        reds: Words that are drawn in red, to be found at a glance.
        greens: Words that are drawn in green.
    """
    lines = [line.rstrip() for line in screen.display]
    last = max(at for at, line in enumerate(lines) if line.strip(" $"))
    marked = {word: colour for words, colour in ((reds, "red"), (greens, "green")) for word in words}
    rows = (
        f'<g style="animation-delay:{SECONDS_A_LINE * row:.2f}s">{"".join(_texts(screen, row, marked))}</g>'
        for row in range(last + 1)
    )
    width, height = MARGIN * 2 + CELL * screen.columns, BAR + LINE * (last + 1) + MARGIN
    size = f'width="{width:g}" height="{height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" {size} role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_style()}</style>",
        f'<rect x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="8" fill="{PAPER}" stroke="{FRAME}"/>',
        *(f'<circle cx="{18 + 18 * n}" cy="18" r="5.5" fill="{FRAME}"/>' for n in range(3)),
        f'<text x="{width / 2:g}" y="22" text-anchor="middle" style="fill:{DIM}">{escape(title)}</text>',
        *rows,
        "</svg>\n",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _style() -> str:
    colours = "".join(f".{name}{{fill:{colour}}}" for name, colour in COLOURS.items() if name != "default")
    texts = f"text{{font:{SIZE}px {MONO};fill:{INK};white-space:pre}}.b{{font-weight:700}}{colours}"
    moves = "g{animation:appear .3s backwards}@keyframes appear{from{opacity:0}}"
    return f"{texts}{moves}@media (prefers-reduced-motion:reduce){{g{{animation:none}}}}"


def _texts(screen: pyte.Screen, row: int, marked: dict[str, str]) -> Iterator[str]:
    """Yield the texts of a line: what lies between two spaces in the same colour is one, and keeps its place."""
    line = screen.buffer[row]
    cells = [(column, line[column]) for column in range(screen.columns)]
    colours = _marks("".join(cell.data for _, cell in cells), marked)
    for kind, group in groupby(cells, lambda at: _kind(at[1], colours.get(at[0]))):
        part = list(group)
        text = "".join(cell.data for _, cell in part)
        if not text.strip():
            continue
        first = part[0][0] + len(text) - len(text.lstrip())
        text = text.strip()
        yield (
            f'<text x="{MARGIN + CELL * first:.1f}" y="{BAR + LINE * (row + 0.75):.1f}" '
            f'textLength="{CELL * len(text):.1f}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"'
            f"{kind}>{escape(text)}</text>"
        )


def _marks(text: str, marked: dict[str, str]) -> dict[int, str]:
    """Return the colours of the columns in which marked words stand."""
    found = ((text.find(word), word, colour) for word, colour in marked.items())
    return {at + n: colour for at, word, colour in found if at >= 0 for n in range(len(word))}


def _kind(cell: Char, mark: str | None) -> str:
    names = [mark or cell.fg] if mark or cell.fg in COLOURS else []
    names = [name for name in names if name != "default"] + ["b"] * bool(cell.bold or mark)
    return f' class="{" ".join(names)}"' if names else ""
