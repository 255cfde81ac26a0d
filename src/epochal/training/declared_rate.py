"""The learning rate that the script has chosen, and not one that a callback has set."""

from __future__ import annotations

from typing import Any, TypeAlias

Rates: TypeAlias = Any
"""A learning rate, a schedule, or several rates by name; None if nobody knows."""


class DeclaredRate:
    """The learning rate that was given to `compile`, or set by hand between fits.

    Attributes:
        rate: A number, a schedule, or several by name.
    """

    def __init__(self) -> None:
        self.rate: Rates = None
        self._left: tuple[object, Rates] | None = None  # the optimizer and the rate with which the last fit ended

    def fit_begins(self, optimizer: object, rate: Rates) -> None:
        """Note an optimizer's rate, unless it is what the last fit has left."""
        if (optimizer, rate) != self._left:
            self.rate = rate

    def fit_ends(self, optimizer: object, rate: Rates) -> None:
        """Note what the fit leaves."""
        self._left = optimizer, rate
