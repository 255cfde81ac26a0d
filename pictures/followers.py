"""A callback for each batch follows a span, and what a look at the model costs, the first time and afterwards."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from .drawing import Drawing
from .recording import Event, Hooked, Noted, Ran, WentBack, by_epoch

LOOK = 120
"""The batch after which the hook looks at the model, counted from 0."""

LEFT, TOP, PANEL, STRIP = 110, 92, 116, 26
SCALE, HOOK = 1.45, 0.42
"""Units of the drawing for a batch on the device, and for a hook."""


def epochs() -> list[tuple[str, list[Event]]]:
    """Return what happened in three epochs of one fit, and a line about each."""
    happened = by_epoch(lambda events: [Noted(events, lambda epoch, batch: epoch >= 4 and batch == LOOK)], epochs=6)
    return [
        ("The hook reads logs: it is called for one batch after the other when the span has run", happened[3]),
        (f"It looks at the model after batch {LOOK + 1}, for the first time: the state goes back there", happened[4]),
        ("The same look in the next epoch: a span ends where it is expected", happened[5]),
    ]


def draw(folder: Path) -> None:
    """Draw `followers.svg`."""
    drawn = epochs()
    drawing = Drawing(900, TOP + PANEL * len(drawn) - 22, "A callback for each batch follows the device")
    drawing.text(24, 36, "A callback for each batch follows the device", bold=True, size=17)
    drawing.text(876, 36, "time →", "faint", 13, "end")
    for row, (title, events) in enumerate(drawn):
        y = TOP - 14 + PANEL * row
        drawing.text(24, y, title, size=14)
        drawing.text(24, y + 32, "device", "faint", 13)
        drawing.text(24, y + 64, "hooks", "faint", 13)
        _draw_epoch(drawing, events, y + 14)
    drawing.save(folder / "followers.svg")


def _draw_epoch(drawing: Drawing, events: list[Event], y: float) -> None:
    x = float(LEFT)
    for kind, group in groupby(events, type):
        happened = list(group)
        for event in happened:
            if isinstance(event, Ran):
                x = _draw_run(drawing, x, y, event.count, f"{event.first + 1} … {event.first + event.count}", "pale")
            elif isinstance(event, WentBack):
                words = f"again {event.batch - event.again + 2} … {event.batch + 1}"
                x = _draw_run(drawing, x, y, event.again, words, "paper")
        if kind is Hooked:
            x = _draw_hooks(drawing, x, y + STRIP + 8, [event for event in happened if isinstance(event, Hooked)])


def _draw_run(drawing: Drawing, x: float, y: float, batches: int, words: str, fill: str) -> float:
    """Draw what the device runs, and return where it ends."""
    width = SCALE * batches
    drawing.rect(x, y, width, STRIP, fill, "blue" if fill == "pale" else "orange", 2)
    drawing.text(x + width / 2, y + 18, words, size=12.5, anchor="middle")
    return x + width


def _draw_hooks(drawing: Drawing, x: float, y: float, hooks: list[Hooked]) -> float:
    """Draw hooks that are called one after the other, and return where they end."""
    width = HOOK * len(hooks)
    drawing.ticks([x + HOOK * at for at in range(0, len(hooks), 6)], y, 14, "green")
    drawing.line([(x, y + 7), (x + width, y + 7)], "green")
    words = f"{hooks[0].batch + 1} … {hooks[-1].batch + 1}"
    drawing.text(x + width / 2, y + 29, words, "faint", 12, "middle")
    if hooks[-1].looked:
        drawing.mark(x + width, y + 16, "orange")
        drawing.text(x + width + 8, y + 14, "a look", "orange", 12.5)
    return x + width
