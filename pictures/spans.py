"""The batches of an epoch as spans, and the wakes between them, by what watches."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from epochal.callbacks import Callback, EarlyStopping, Every, TerminateOnNaN

from .drawing import Drawing
from .recording import BATCHES, Event, Hooked, Noted, Ran, by_epoch

LEFT, TOP, ROW, STRIP = 250, 92, 64, 26
SCALE = 2.9
"""Units of the drawing for a batch."""

BAD = 129
"""The batch whose loss is NaN, counted from 0."""


class Hundredth(Noted):
    """Wants to be called at each 100th batch."""

    cadence = Every(100, "batch")


class Each(Noted):
    """Wants to be called at each batch, before the next one begins."""

    cadence = Every(1, "batch")


class End(Callback):
    """Notes the batch at which an epoch was ended."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the last batch."""
        self.events.append(Hooked(self.stop_reason.batches - 1, looked=False))


class Case(NamedTuple):
    """What watches a fit, a line about it, and what happened in one epoch."""

    name: str
    remark: str
    events: list[Event]
    follows: bool = False


def cases() -> list[Case]:
    """Return what happened in the last epochs of real fits."""

    def looks(epoch: int, batch: int) -> bool:
        return batch % 50 == 49

    with_nan = by_epoch(lambda events: [TerminateOnNaN(), End(events)], bad=BAD)[0]
    nothing = by_epoch(lambda events: [EarlyStopping("loss", patience=9)])[-1]
    return [
        Case("EarlyStopping", "has no batch hook", nothing),
        Case("LossHistory", "reads the logs of each batch", by_epoch(lambda e: [Noted(e)])[-1], follows=True),
        Case('Every(100, "batch")', "is woken at each 100th", by_epoch(lambda e: [Hundredth(e)])[-1]),
        Case("A look at the weights", "at each 50th batch", by_epoch(lambda e: [Noted(e, looks)])[-1], follows=True),
        Case('Every(1, "batch")', "is woken at each batch", by_epoch(lambda e: [Each(e)])[-1]),
        Case("TerminateOnNaN", f"a first epoch, NaN in batch {BAD + 1}", with_nan),
    ]  # fmt: skip


def draw(folder: Path) -> None:
    """Draw `spans.svg`."""
    drawn = cases()
    right = LEFT + SCALE * BATCHES
    drawing = Drawing(right + 100, TOP + ROW * len(drawn) + 34, f"An epoch of {BATCHES} batches as spans")
    drawing.text(24, 36, f"An epoch of {BATCHES} batches, as the device gets it", bold=True, size=17)
    for batch in range(0, BATCHES + 1, 50):
        drawing.text(_x(batch), 72, str(batch), "faint", 12, "middle")
    for row, case in enumerate(drawn):
        _draw_case(drawing, case, TOP + ROW * row)
    _draw_legend(drawing, TOP + ROW * len(drawn) + 10)
    drawing.save(folder / "spans.svg")


def _draw_case(drawing: Drawing, case: Case, y: float) -> None:
    drawing.text(24, y + 12, case.name, bold=True)
    drawing.text(24, y + 29, case.remark, "faint", 12.5)
    hooks = [event for event in case.events if isinstance(event, Hooked)]
    end = hooks[-1].batch + 1 if hooks else BATCHES
    spans = [(span.first, min(span.count, end - span.first)) for span in case.events if isinstance(span, Ran)]
    for first, count in spans:
        if count > 1:
            drawing.rect(_x(first), y, SCALE * count - 1.5, STRIP, "pale", "blue", 2)
        if count > 7:
            drawing.text(_x(first + count / 2), y + 18, str(count), size=13, anchor="middle")
    drawing.ticks([_x(first) + 0.7 for first, count in spans if count == 1], y, STRIP, "blue")
    number = "1 span" if len(spans) == 1 else f"{len(spans)} spans"
    drawing.text(_x(BATCHES) + 14, y + 18, number, "faint", 13)
    ends = [_x(hook.batch + 1) - 1.3 for hook in hooks]
    below, each = y + STRIP + 4, len(hooks) == BATCHES
    if each:
        drawing.ticks(ends, below, 5, "green" if case.follows else "orange")
    for hook, x in zip(hooks, ends, strict=True):
        if hook.looked or not each:
            drawing.mark(x, below + (6 if each else 0), "orange")


def _x(batch: float) -> float:
    """Return where a batch begins."""
    return LEFT + SCALE * batch


def _draw_legend(drawing: Drawing, y: float) -> None:
    drawing.rect(24, y - 11, 26, 14, "pale", "blue", 2)
    drawing.text(58, y, "a span: one call of the compiled loop", "faint", 12.5)
    drawing.mark(300, y - 8, "orange")
    drawing.text(310, y, "a wake, or a look: the loop is there at this batch", "faint", 12.5)
    drawing.ticks([620], y - 9, 6, "green")
    drawing.text(628, y, "a hook that is called after its span", "faint", 12.5)
