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
        place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        self._parts.append(f'<rect {place} rx="{round:g}" class="{fill}{stroke}"/>')

    def line(self, points: list[tuple[float, float]], colour: str = "faint") -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" class="line e-{colour}"/>')

    def ticks(self, places: list[float], y: float, height: float, colour: str) -> None:
        """Draw short upright lines."""
        path = "".join(f"M{x:.1f} {y:.1f}v{height:g}" for x in places)
        self._parts.append(f'<path d="{path}" class="e-{colour}"/>')

    def mark(self, x: float, y: float, colour: str) -> None:
        """Draw a small triangle that points up to a place."""
        self._parts.append(f'<path d="M{x:.1f} {y:.1f}l4 8h-8z" class="{colour}"/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        colour: str = "ink",
        size: float = 14,
        anchor: str = "start",
        bold: bool = False,
        mono: bool = False,
    ) -> None:
        """Write a line of text; `y` is that of its baseline."""
        kind = colour + (" bold" if bold else "") + (" mono" if mono else "")
        place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"'
        self._parts.append(f'<text {place} class="{kind}">{escape(words)}</text>')

    def save(self, path: Path) -> None:
        """Write the drawing to a file."""
        width, height, title = self._width, self._height, escape(self._title)
        size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{title}</title>",
            f"<style>{_style()}</style>",
            f'<rect x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="8" class="paper e-edge"/>',
            *self._parts,
            "</svg>\n",
        ]
        path.write_text("\n".join(lines), encoding="utf-8")


def _rules(at: int) -> str:
    return "".join(f".{name}{{fill:{c[at]}}}.e-{name}{{stroke:{c[at]}}}" for name, c in COLOURS.items())


def _style() -> str:
    texts = f"text{{font-family:{SANS};stroke:none}}.mono{{font-family:{MONO}}}.bold{{font-weight:600}}"
    lines = "polyline{fill:none}.line{stroke-width:1.5}"
    return f"{texts}{lines}{_rules(0)}\n@media (prefers-color-scheme:dark){{{_rules(1)}}}"
