"""The learning rates of an optimizer that can be read and set while a model trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping

from .ranges import not_negative


class SeveralRates(ValueError, AttributeError):
    """One learning rate was asked for where there are several; `hasattr` is then False."""


class LearningRates(MutableMapping[str, float]):
    """Learning rates by name: `optimizer.learning_rates`. A number ≥ 0 may be set for each; none is added or removed.

    Args:
        rates: The rates by name.

    Attributes:
        changes: How often a rate was set to another value.

    Example:
        >>> from epochal.optimizers import LearningRates
        >>> rates = LearningRates({"body": 0.001, "head": 0.01})
        >>> rates["head"] = 0.005
        >>> rates
        {'body': 0.001, 'head': 0.005}
        >>> rates["tail"] = 0.1
        Traceback (most recent call last):
        KeyError: "no learning rate 'tail' can be set; there are 'body', 'head'."
    """

    def __init__(self, rates: Mapping[str, float]) -> None:
        self._rates = dict(rates)
        self.changes = 0

    def __getitem__(self, name: str) -> float:
        return self._rates[self._known(name)]

    def __setitem__(self, name: str, rate: float) -> None:
        new = not_negative("learning_rate", rate)
        if self._rates[self._known(name)] != new:
            self._rates[name] = new
            self.changes += 1

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"the learning rate {name!r} can't be taken away; set it to 0.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._rates)

    def __len__(self) -> int:
        return len(self._rates)

    def __repr__(self) -> str:
        return repr(self._rates)

    def as_dict(self) -> dict[str, float]:
        """Return a copy."""
        return self._rates.copy()

    def _known(self, name: str) -> str:
        if name not in self._rates:
            raise KeyError(
                f"no learning rate {name!r} can be set; there are {', '.join(map(repr, self._rates)) or 'none'}."
            )
        return name
