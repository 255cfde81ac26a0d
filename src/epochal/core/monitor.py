"""One logged value, which way is better, and the best seen so far."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from .logs import knows
from .names import suggest
from .printing import warn

MODES = ("auto", "min", "max")

_HIGHER_IS_BETTER = re.compile(r"(^|_)(acc|accuracy|auc|precision|recall|f\d*|f\d*_?score|fbeta\w*|r2|r2_?score)$")


class Monitor:
    """Follows `logs[name]` and remembers the best value.

    Args:
        name: The key in the epoch logs. `acc` and `accuracy` are taken for each other.
        mode: "min", "max" or "auto": maximise accuracy, AUC, precision, recall, F-scores and R²,
            minimise the rest; a metric object may say its own direction.
        min_delta: Better means better by more than this, in the value's units; its sign is ignored.

    Raises:
        ValueError: If `mode` is none of the three.
    """

    def __init__(self, name: str = "val_loss", mode: str = "auto", min_delta: float = 0.0) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}.")
        self.name, self.mode, self.min_delta = name, mode, abs(float(min_delta))
        self.direction = _direction(name) if mode == "auto" else mode
        self.best: float | None = None
        self.seen = False
        self._validates = False

    def start(self, params: Mapping[str, Any], model: Any = None, best: float | None = None) -> None:
        """Begin a fit: forget what was seen, ask `model.direction(name)`, and warn if nothing logs this name.

        Args:
            params: The fit's facts; `metrics` and `do_validation` are read.
            model: What is trained, if it may know directions of its metrics.
            best: The best value to begin with.
        """
        self.best, self.seen = best, False
        self._validates = bool(params.get("do_validation"))
        if self.mode == "auto" and (ask := getattr(model, "direction", None)):
            self.direction = ask(self.name) or self.direction
        warn_if_unknown(f"the monitored {self.name!r}", self.name, params)

    def read(self, logs: Mapping[str, Any]) -> float | None:
        """Return the monitored value, or None in an epoch that doesn't have it.

        Raises:
            ValueError: If a whole epoch, with validation if there is any, never had the name.
        """
        if self.name in logs:
            self.seen = True
            return float(logs[self.name])
        whole = any(name.startswith("val_") for name in logs) if self._validates else bool(logs)
        if self.seen or not whole:
            return None
        raise ValueError(
            f"the monitored {self.name!r} is not in the logs: {', '.join(logs)}. {suggest(self.name, logs)}"
        )

    def improves(self, value: float, than: float | None) -> bool:
        """Say whether `value` is better than `than` by more than `min_delta`; not if it isn't finite."""
        if not math.isfinite(value):
            return False
        if than is None:
            return True
        gain = value - than if self.direction == "max" else than - value
        return gain > self.min_delta

    def update(self, value: float) -> bool:
        """Remember `value` if it is the best so far, and say whether it is."""
        if better := self.improves(value, self.best):
            self.best = value
        return better

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and whether the name was ever logged."""
        return {"best": self.best, "seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.best, self.seen = state["best"], state["seen"]


def warn_if_unknown(what: str, name: str, params: Mapping[str, Any]) -> None:
    """Warn if nothing is known to log this name; a callback may still do."""
    known = list(params.get("metrics") or ())
    if known and not knows(known, name):
        warn(f"{what} is no metric of this fit. {suggest(name, known)}", stacklevel=4)


def _direction(name: str) -> str:
    return "max" if _HIGHER_IS_BETTER.search(name.lower()) else "min"
