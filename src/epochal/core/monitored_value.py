"""One logged value, which way is better, and the best seen so far."""

from __future__ import annotations

import math

from ..messages.names import suggest
from ..messages.numeric import real
from ..messages.printing import warn
from ..storage.generation import PlainState
from .directions import HIGHER, LOWER, direction_of
from .logs import LoggedValues, is_validation_name, knows, other_name

MODES = ("auto", "min", "max")


class MonitoredValue:
    """Follows `logs[name]` and remembers the best value.

    Args:
        name: The key in the epoch logs. `acc` and `accuracy` are taken for each other.
        mode: "min", "max" or "auto": what the metric object says, else what the name tells; see `direction_of`.
        min_delta: Better means better by more than this, in the value's units; its sign is ignored.

    Raises:
        ValueError: If `mode` is none of the three.

    Attributes:
        direction: "min" or "max"; None as long as nobody has said.
    """

    def __init__(self, name: str = "val_loss", mode: str = "auto", min_delta: float = 0.0) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}.")
        self.name, self.mode, self.min_delta = name, mode, abs(real("min_delta", min_delta))
        self.direction = direction_of(name) if mode == "auto" else mode
        self.best: float | None = None
        self.seen = False
        self._validates = False

    def start(self, params: PlainState, model: object = None, best: float | None = None) -> None:
        """Begin a fit: forget what was seen, settle the direction, and warn if nothing logs this name.

        Args:
            params: The fit's facts; `metrics` and `do_validation` are read.
            model: What is trained; `model.direction(name)` may know which way one of its metrics is better.
            best: The best value to begin with.

        Raises:
            ValueError: If neither the metric nor its name tells which way is better.
        """
        self.best, self.seen = best, False
        self._validates = bool(params.get("do_validation"))
        warn_if_unknown(f"the monitored {self.name!r}", self.name, params)
        if self.mode == "auto":
            ask = getattr(model, "direction", None)
            said = ask(self.name) if ask is not None else None
            self.direction = direction_of(self.name) if said is None else said
        if self.direction not in ("min", "max"):
            raise ValueError(
                f"nobody says which way the monitored {self.name!r} is better: give mode='min' or mode='max', or its "
                f"metric a direction. Names tell it that have a part such as {', '.join(sorted(HIGHER | LOWER))}."
            )

    def value_in(self, logs: LoggedValues) -> float | None:
        """Return the monitored value, or None in an epoch that doesn't have it.

        Raises:
            ValueError: If a whole epoch, with validation if there is any, never had the name.
        """
        if self.name in logs:
            self.seen = True
            return float(logs[self.name])
        whole = any(map(is_validation_name, logs)) if self._validates else bool(logs)
        if self.seen or not whole:
            return None
        raise ValueError(
            f"the monitored {self.name!r} is not in the logs: {', '.join(logs)}. {suggest(self.name, logs)}"
        )

    def improves(self, value: float, than: float | None) -> bool:
        """Return whether `value` is better than `than` by more than `min_delta`; not if it isn't finite."""
        if not math.isfinite(value):
            return False
        if than is None:
            return True
        gain = value - than if self.direction == "max" else than - value
        return gain > self.min_delta

    def update(self, value: float) -> bool:
        """Remember `value` if it is the best so far, and return whether it is."""
        if better := self.improves(value, self.best):
            self.best = value
        return better

    def identity(self) -> dict[str, object]:
        """Return the value's name, the first of the two if it has another one, and which way is better."""
        return {"monitor": min(self.name, other_name(self.name) or self.name), "mode": self.direction}

    def state_dict(self) -> PlainState:
        """Return the best value and whether the name was ever logged."""
        return {"best": self.best, "seen": self.seen}

    def load_state_dict(self, state: PlainState) -> None:
        """Restore the state returned by `state_dict`."""
        self.best, self.seen = state["best"], state["seen"]


def warn_if_unknown(what: str, name: str, params: PlainState) -> None:
    """Warn if nothing is known to log this name; a callback may still do."""
    known = list(params.get("metrics") or ())
    if known and not knows(known, name):
        warn(f"{what} is no metric of this fit. {suggest(name, known)}")
