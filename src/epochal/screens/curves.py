"""Logged values over the epochs: as small pictures in a table of HTML, and as charts."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from .notebook import is_notebook
from .texts import number

WIDTH, HEIGHT, MARGIN = 140, 28, 3
"""Of the picture in a table, in pixels."""

COLORS = {"training": "#1f77b4", "validation": "#ff7f0e"}


class Curve(NamedTuple):
    """A value over the epochs.

    Attributes:
        epochs: Those that have the value, counted from 1.
        values: One for each.
    """

    epochs: Sequence[int]
    values: Sequence[float]

    def best(self, direction: str | None) -> tuple[int, float] | None:
        """Return the epoch with the best value, the first of several, and the value; None if nobody knows."""
        finite = [(value, epoch) for epoch, value in zip(self.epochs, self.values, strict=True) if math.isfinite(value)]
        if direction not in ("min", "max") or not finite:
            return None
        value, epoch = min(finite, key=lambda point: point[0] if direction == "min" else -point[0])
        return epoch, value


class Metric(NamedTuple):
    """A metric's values in training and in validation.

    Attributes:
        name: Without what says that it is of the validation.
        curves: By "training" and "validation", if they are there.
        direction: Which way it is better, "min" or "max"; anything else if nobody knows.
    """

    name: str
    curves: Mapping[str, Curve]
    direction: str | None

    @property
    def best(self) -> tuple[str, int, float] | None:
        """Which curve counts, that of the validation if there is one, and its best epoch and value."""
        of = "validation" if "validation" in self.curves else "training"
        found = self.curves[of].best(self.direction)
        return None if found is None else (of, *found)


# Tables


def table(metrics: Sequence[Metric], title: str) -> str:
    """Return a table of HTML with a row for each metric: its curves, its last values and its best one."""
    kinds = [kind for kind in COLORS if any(kind in metric.curves for metric in metrics)]
    heads = ["", "", *(f'<span style="color:{COLORS[kind]}">{kind}</span>' for kind in kinds), "best"]
    head = "".join(f"<th>{text}</th>" for text in heads)
    rows = "".join(f"<tr>{_cells(metric, kinds)}</tr>" for metric in metrics)
    caption = f'<caption style="text-align:left">{html.escape(title)}</caption>'
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(metric: Metric, kinds: Iterable[str]) -> str:
    last = [number(metric.curves[kind].values[-1]) if kind in metric.curves else "" for kind in kinds]
    best = "" if metric.best is None else f"{number(metric.best[2])} in epoch {metric.best[1]}"
    texts = [f"<td>{html.escape(text)}</td>" for text in (*last, best)]
    return f"<th>{html.escape(metric.name)}</th><td>{picture(metric)}</td>{''.join(texts)}"


def picture(metric: Metric) -> str:
    """Return a small SVG of a metric's curves, with a mark at the best epoch."""
    points = [p for c in metric.curves.values() for p in zip(c.epochs, c.values, strict=True) if math.isfinite(p[1])]
    if not points:
        return ""
    first, last = min(epoch for epoch, _ in points), max(epoch for epoch, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)

    def place(epoch: float, value: float) -> tuple[str, str]:
        across = (epoch - first) / (last - first) if last > first else 0.5
        up = (value - low) / (high - low) if high > low else 0.5
        x, y = MARGIN + across * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f}", f"{y:.1f}"

    parts: list[str] = []
    for kind, curve in metric.curves.items():
        finite = [point for point in zip(curve.epochs, curve.values, strict=True) if math.isfinite(point[1])]
        shown = finite[:: -(-len(finite) // WIDTH) or 1]  # no more than there are pixels
        line = " ".join(",".join(place(*point)) for point in shown)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{COLORS[kind]}" stroke-width="1.5"/>')
    if metric.best is not None:
        kind, epoch, value = metric.best
        x, y = place(epoch, value)
        parts.append(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{COLORS[kind]}"/>')
    label = f'role="img" aria-label="{html.escape(metric.name)}"'
    return f'<svg width="{WIDTH}" height="{HEIGHT}" {label}>{"".join(parts)}</svg>'


# Charts


def chart(metrics: Sequence[Metric], library: str | None) -> Any:
    """Return a figure with a chart for each metric.

    Args:
        metrics: What is shown.
        library: "matplotlib" or "plotly"; None for the first of them that is there.

    Raises:
        ImportError: If there is none.
    """
    there = [name for name in ((library,) if library else ("matplotlib", "plotly")) if find_spec(name) is not None]
    if not there:
        raise ImportError(
            f"History.plot needs {library or 'matplotlib or plotly'}: pip install {library or 'matplotlib'}"
        )
    return _of_matplotlib(metrics) if there[0] == "matplotlib" else _of_plotly(metrics)


def _of_matplotlib(metrics: Sequence[Metric]) -> Any:
    from matplotlib import pyplot  # pyright: ignore

    drawing: Any = pyplot
    figure, grid = drawing.subplots(
        1, len(metrics), figsize=(4.8 * len(metrics), 3.6), squeeze=False, layout="constrained"
    )
    for axes, metric in zip(grid[0], metrics, strict=True):
        for kind, curve in metric.curves.items():
            marker = "o" if len(curve.epochs) == 1 else None
            axes.plot(curve.epochs, curve.values, label=kind, color=COLORS[kind], marker=marker)
        if metric.best is not None:
            kind, epoch, value = metric.best
            axes.plot([epoch], [value], "o", color=COLORS[kind], label=_best_label(epoch, value))
        axes.set_title(metric.name)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    if is_notebook():  # which shows what a cell returns, and all figures that are open
        drawing.close(figure)
    return figure


def _of_plotly(metrics: Sequence[Metric]) -> Any:
    from plotly import graph_objects, subplots  # pyright: ignore

    drawing: Any = graph_objects
    making: Any = subplots
    figure = making.make_subplots(rows=1, cols=len(metrics), subplot_titles=[metric.name for metric in metrics])
    for column, metric in enumerate(metrics, 1):
        for kind, curve in metric.curves.items():
            line = drawing.Scatter(
                x=list(curve.epochs), y=list(curve.values), name=kind, line={"color": COLORS[kind]}, legendgroup=kind,
                mode="lines" if len(curve.epochs) > 1 else "markers", showlegend=column == 1,
            )  # fmt: skip
            figure.add_trace(line, row=1, col=column)
        if metric.best is not None:
            kind, epoch, value = metric.best
            mark = drawing.Scatter(
                x=[epoch], y=[value], name=f"{metric.name}: {_best_label(epoch, value)}", mode="markers",
                marker={"color": COLORS[kind], "size": 9},
            )  # fmt: skip
            figure.add_trace(mark, row=1, col=column)
    figure.update_xaxes(title_text="epoch")
    return figure


def _best_label(epoch: int, value: float) -> str:
    return f"best in epoch {epoch}: {number(value)}"
