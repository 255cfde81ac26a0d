"""Drawings in SVG: few shapes, few colours, readable on a light and on a dark page."""

from __future__ import annotations

from html import escape
from pathlib import Path

SANS = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

COLOURS = {
    "paper": ("#ffffff", "#161b22"),
    "edge": ("#d0d7de", "#3d444d"),
    "ink": ("#1f2328", "#e6edf3"),
    "faint": ("#59636e", "#9198a1"),
    "blue": ("#3f51b5", "#8c9eff"),
    "pale": ("#dfe3f5", "#2c3566"),
    "orange": ("#bc4c00", "#f0883e"),
    "green": ("#1a7f37", "#3fb950"),
}
"""On a light page and on a dark one."""


class Drawing:
    """A drawing on a paper of its own.

    Args:
        width: In units of the drawing; about pixels on a screen.
        height: Likewise.
        title: What it shows, for those who don't see it.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self._width, self._height, self._title = width, height, title
        self._parts: list[str] = []

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str, edge: str = "", round: float = 3
    ) -> None:
        """Draw a rectangle."""
        stroke = f" e-{edge}" if edge else ""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{round:g}" class="{fill}{stroke}"/>'
        )

    def line(self, points: list[tuple[float, float]], colour: str = "faint", arrow: bool = False) -> None:
        """Draw a line through points, with a head at its end if it is an arrow."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        head = f' marker-end="url(#head-{colour})"' if arrow else ""
        self._parts.append(f'<polyline points="{path}" class="line e-{colour}"{head}/>')

    def ticks(self, places: list[float], y: float, height: float, colour: str) -> None:
        """Draw short upright lines."""
        path = "".join(f"M{x:.1f} {y:.1f}v{height:g}" for x in places)
        self._parts.append(f'<path d="{path}" class="e-{colour}"/>')

    def mark(self, x: float, y: float, colour: str) -> None:
        """Draw a small triangle that points up to a place."""
        self._parts.append(f'<path d="M{x:.1f} {y:.1f}l4 8h-8z" class="{colour}"/>')

    def text(
        self, x: float, y: float, words: str, colour: str = "ink", size: float = 14, anchor: str = "start", bold: bool = False,
        mono: bool = False,
    ) -> None:  # fmt: skip
        """Write a line of text; `y` is that of its baseline."""
        kind = colour + (" bold" if bold else "") + (" mono" if mono else "")
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'
        )

    def save(self, path: Path) -> None:
        """Write the drawing to a file."""
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self._width:g} {self._height:g}" '
            f'width="{self._width:g}" height="{self._height:g}" role="img" aria-label="{escape(self._title)}">\n'
            f"<title>{escape(self._title)}</title>\n<style>\n{_style()}\n</style>\n<defs>{_heads()}</defs>\n"
            f'<rect x="0.5" y="0.5" width="{self._width - 1:g}" height="{self._height - 1:g}" rx="8" class="paper e-edge"/>\n'
            + "\n".join(self._parts)
            + "\n</svg>\n",
            encoding="utf-8",
        )


def _rules(at: int) -> str:
    return "".join(f".{name}{{fill:{c[at]}}}.e-{name}{{stroke:{c[at]}}}" for name, c in COLOURS.items())


def _style() -> str:
    texts = f"text{{font-family:{SANS};stroke:none}}.mono{{font-family:{MONO}}}.bold{{font-weight:600}}"
    lines = "polyline{fill:none}.line{stroke-width:1.5}"
    return f"{texts}{lines}{_rules(0)}\n@media (prefers-color-scheme:dark){{{_rules(1)}}}"


def _heads() -> str:
    return "".join(
        f'<marker id="head-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" class="{name}"/></marker>'
        for name in ("faint", "blue", "orange", "green")
    )
