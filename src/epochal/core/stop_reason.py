"""Why a fit ends before its last epoch, kept beside `model.stop_training`, which any object may set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EARLY, NAN, STOPPED = "early", "nan", "stopped"


@dataclass
class StopReason:
    """What is known of who ends a fit, and why; all callbacks of a fit share one, and the first who says it is right.

    Attributes:
        kind: "early", "nan" for a loss that isn't finite, "stopped" for a person; "" as long as nobody has said it.
        words: Why, for people.
        batches: How many batches the epoch had, once they are through; fewer than `params["steps"]` if it was ended
            amid them. 0 where nobody counts, as in a loop of one's own.
    """

    kind: str = ""
    words: str = ""
    batches: int = 0

    def say(self, words: str, kind: str = EARLY) -> None:
        """Note why, unless that is known already."""
        if not self.kind:
            self.kind, self.words = kind, words

    def clear(self) -> None:
        """Forget it."""
        self.kind = self.words = ""
        self.batches = 0

    def to_list(self) -> list[str]:
        """Return both as plain values."""
        return [self.kind, self.words]

    def restore(self, said: Sequence[str]) -> None:
        """Know what `to_list` returned."""
        self.kind, self.words = said
