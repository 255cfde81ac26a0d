"""At which batch hooks that run behind the state have looked at it first, in any of several processes."""

from __future__ import annotations

from .accord import NOTHING, Accord
from .engine import Lookout


class FirstChange:
    """Lets all processes go back to the first batch at which hooks of any looked at the model, or asked to stop.

    Each process calls its hooks for all batches of a span, and goes back alone if it is alone. Of several, those whose
    hooks came further go back too, and don't call again what they have called. A place is twice the number of batches
    of the span that were run, and one more within the hooks of the next batch's beginning.

    Args:
        accord: Lets the processes decide alike.
        lookout: Goes back.

    Attributes:
        begun: The batch of the epoch up to which begin hooks have been called, further than the state is.
        ended: The same of end hooks.
    """

    def __init__(self, accord: Accord, lookout: Lookout) -> None:
        self._accord, self._lookout = accord, lookout
        if not accord.is_alone:
            lookout.before_return = self._before_return
        self._where, self._agreed = "", NOTHING
        self.in_begin = False
        self.begun = self.ended = 0

    def begin_epoch(self) -> None:
        """Begin an epoch."""
        self.begun = self.ended = 0

    def begin(self, where: str) -> None:
        """Begin with the hooks of a span."""
        self._where, self._agreed, self.in_begin = where, NOTHING, False

    def settle(self, changed: bool, first: int) -> int | None:
        """Return the first place at which a process has changed something, once its hooks have been called; else None.

        Args:
            changed: Whether the hooks of this one ended amid the span, at the lookout's place.
            first: The batch of the epoch with which the span began.
        """
        mine = self._place
        if self._agreed == NOTHING:
            self._agreed = self._accord.meet(self._where, change=mine if changed else NOTHING).change
        if self._agreed == NOTHING:
            return None
        if self._agreed < mine:
            at = self._lookout.at
            self.ended, self.begun = first + at, first + at + self.in_begin
            self._lookout.at, self.in_begin = self._agreed // 2, bool(self._agreed % 2)
        return self._agreed

    def any_looked(self, looked: bool, where: str) -> bool:
        """Return whether hooks of any process have looked at the model, where the state is with the hooks."""
        if self._accord.is_alone:
            return looked
        return self._accord.meet(where, change=0 if looked else NOTHING).change == 0

    @property
    def _place(self) -> int:
        return 2 * self._lookout.at + self.in_begin

    def _before_return(self) -> None:
        """Let all processes go back to where this one's hook looks at the model, unless another one's looked before."""
        mine = self._place
        self._agreed = self._accord.meet(self._where, change=mine).change
        if self._agreed < mine:
            raise RuntimeError(
                f"hooks look at the model at other batches in other processes, here at batch {mine // 2} of those that "
                f"were run together, elsewhere at batch {self._agreed // 2}: let all of them look at the same ones, or "
                f'give the callback cadence = Every(1, "batch").'
            )
